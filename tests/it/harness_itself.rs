//! The test support, tested: a harness that reads layers wrongly would prove nothing about rbuild.

use std::time::Duration;

use rustix::process::Signal;

use crate::harness::env::is_root;
use crate::harness::{
    Base, Kind, OciImage, Registry, Terminal, TestEnv, archive, base, peer, registry, skip,
};

#[test]
fn base_images_are_what_they_claim() {
    let image = OciImage::from_archive(&Base::Busybox.archive());
    let tree = image.tree();
    assert_eq!(
        tree["bin/sh"].kind,
        Kind::Symlink {
            to: "busybox".to_owned()
        }
    );
    assert_eq!(tree["bin/busybox"].mode, 0o755);
    assert_eq!(tree["tmp"].mode, 0o1777);
    assert!(tree["etc/passwd"].text().contains("app:x:1000:1000:"));
    assert_eq!(image.config["config"]["Cmd"], serde_json::json!(["sh"]));

    let deep = OciImage::from_archive(&Base::Deep.archive());
    assert_eq!(deep.layers.len(), 130);
    let tree = deep.tree();
    assert_eq!(tree["deep/latest"].text(), "129\n");
    assert!(tree.contains_key("deep/file-010") && !tree.contains_key("deep/file-009"));
    assert!(tree.contains_key("deep/cleared/after") && !tree.contains_key("deep/cleared/base"));
    assert_eq!(
        tree.keys()
            .filter(|path| path.starts_with("deep/") && !path.contains("cleared/"))
            .count(),
        119
    );
}

#[test]
fn entries_carry_all_metadata() {
    let env = TestEnv::new();
    env.write("tree/dir/file", "text");
    let script = "cd tree/dir && chmod 4750 file && ln file hard && ln -s ../gone soft && mkfifo pipe && chmod 1777 . \
                  && touch -d @1000000000.5 file \
                  && tar --sort=name --format=posix --owner=11 --group=22 --numeric-owner -C .. -cf ../../tree.tar .";
    env.tool("sh").args(["-c", script]).run().success();
    let entries = archive::entries_of(&env.path("tree.tar"));
    let found = |path: &str| {
        entries
            .iter()
            .find(|entry| entry.path == path)
            .expect("the entry is there")
            .clone()
    };
    assert_eq!(entries[0].path, "");
    assert_eq!((found("dir").kind, found("dir").mode), (Kind::Dir, 0o1777));
    let file = found("dir/file");
    assert_eq!(
        (file.mode, file.uid, file.gid, file.mtime),
        (0o4750, 11, 22, 1_000_000_000)
    );
    assert_eq!(file.text(), "text");
    let Kind::File { size, sha256, .. } = file.kind else {
        panic!("it is a file")
    };
    assert_eq!(
        (size, sha256.as_str()),
        (
            4,
            "982d9e3eb996f559e633f4d194def3761d909f5a3b647d1a851fead67c32c9d1"
        )
    );
    assert_eq!(
        found("dir/hard").kind,
        Kind::Hardlink {
            to: "dir/file".to_owned()
        }
    );
    assert_eq!(
        found("dir/soft").kind,
        Kind::Symlink {
            to: "../gone".to_owned()
        }
    );
    assert_eq!(found("dir/pipe").kind, Kind::Fifo);
}

#[test]
fn outcome_tells_codes_and_streams_apart() {
    let env = TestEnv::new();
    let outcome = env
        .tool("sh")
        .args(["-c", "cat; echo err >&2; exit 3"])
        .stdin("in\n")
        .run()
        .exits(3);
    assert_eq!((outcome.out().as_ref(), outcome.err().as_ref()), ("in", "err"));
    env.tool("sh").args(["-c", "kill -9 $$"]).run().exits(137);
    // Nothing of the caller's environment is there.
    let names = env
        .tool("env")
        .run()
        .success()
        .out()
        .lines()
        .filter_map(|line| line.split('=').next().map(str::to_owned))
        .collect::<Vec<_>>();
    for name in names {
        assert!(
            [
                "PATH",
                "HOME",
                "TMPDIR",
                "XDG_RUNTIME_DIR",
                "RBUILD_ROOT",
                "LC_ALL"
            ]
            .contains(&name.as_str()),
            "{name}"
        );
    }
}

#[test]
#[should_panic(expected = "hangs")]
fn a_hanging_child_is_ended() {
    let env = TestEnv::new();
    env.tool("sleep")
        .arg("600")
        .patience(Duration::from_millis(100))
        .run();
}

#[test]
fn a_running_child_can_be_watched_and_signalled() {
    let env = TestEnv::new();
    let mut running = env.tool(base::program("act")).args(["catch", "10", "5"]).start();
    running.wait_for("ready");
    assert!(running.is_running());
    running.signal(Signal::USR1);
    running.wait().exits(5).prints("ready\ngot 10");
}

#[test]
fn a_terminal_is_one() {
    let env = TestEnv::new();
    let mut terminal = Terminal::start(env.tool(base::program("probe")).arg("terminal"), 33, 77);
    assert!(terminal.wait().success());
    let seen = terminal.seen();
    for expected in ["isatty: 0 1", "isatty: 2 1", "window: 33 77", "controlling: yes"] {
        assert!(seen.contains(expected), "no {expected:?} in\n{seen}");
    }
    // Ctrl-C reaches the foreground process as SIGINT.
    let mut terminal = Terminal::start(env.tool(base::program("act")).args(["catch", "2", "9"]), 24, 80);
    terminal.wait_for("ready");
    terminal.types("\x03");
    terminal.wait_for("got 2");
    assert_eq!(terminal.wait().code(), Some(9));
}

#[test]
fn scratch_of_other_users_is_removed() {
    let env = TestEnv::new();
    let place = env.path("");
    let script = "mkdir -p of-others/closed && touch of-others/closed/file && chown -R 5:5 of-others && chmod 700 of-others/closed";
    if is_root() {
        env.tool("sh").args(["-c", script]).run().success();
    } else {
        let mapped = env
            .tool("unshare")
            .args(["--map-auto", "--map-root-user", "sh", "-c", script])
            .run();
        if mapped.code() != 0 {
            skip::because_of_host(
                "scratch_of_other_users_is_removed",
                "no subordinate ids for this user",
            );
            return;
        }
        assert!(
            std::fs::remove_dir_all(env.path("of-others")).is_err(),
            "the test would prove nothing"
        );
    }
    drop(env);
    assert!(!place.exists());
}

#[test]
fn a_registry_answers() {
    if !skip::unless_installed("a_registry_answers", Registry::NEEDS_TLS) {
        return;
    }
    let env = TestEnv::new();
    let plain = Registry::plain(&env);
    assert_eq!(plain.get(&env, "_catalog").trim_end(), r#"{"repositories":[]}"#);
    let tls = Registry::tls(&env);
    assert_eq!(tls.get(&env, "_catalog").trim_end(), r#"{"repositories":[]}"#);
    let stranger = env
        .tool("curl")
        .args([
            "-sS",
            "--noproxy",
            "*",
            "-o",
            "/dev/null",
            "-w",
            "%{http_code}",
            "--cacert",
        ])
        .arg(tls.ca());
    stranger
        .arg(format!("https://{}/v2/", tls.address()))
        .run()
        .success()
        .prints("401");
    assert_eq!(
        registry::base64(b"tester:correct horse"),
        "dGVzdGVyOmNvcnJlY3QgaG9yc2U="
    );
}

/// skopeo, a registry with a password, umoci, runc and podman one after the other, on a base image.
#[test]
fn peers_work_here() {
    if !skip::unless_installed(
        "peers_work_here",
        &["skopeo", "umoci", "runc", "podman", "docker-registry", "htpasswd"],
    ) {
        return;
    }
    let env = TestEnv::new();
    let archive = Base::Busybox.archive();
    let registry = Registry::tls(&env);
    let reference = format!("docker://{}/busybox:pushed", registry.address());
    let layout = env.path("layout");
    let from = format!("oci-archive:{}", archive.display());
    let copy = |from: &str, to: &str, side: &str| {
        let (auth, certificates) = (format!("--{side}-creds"), format!("--{side}-cert-dir"));
        let creds = format!("{}:{}", registry::USER, registry::PASSWORD);
        let skopeo = peer::skopeo(&env)
            .args(["copy", "-q", &auth, &creds, &certificates])
            .arg(registry.cert_dir());
        skopeo.args([from, to]).run().success();
    };
    copy(&from, &reference, "dest");
    copy(&reference, &format!("oci:{}:pulled", layout.display()), "src");
    assert_eq!(
        OciImage::from_dir(&layout).tree(),
        OciImage::from_archive(&archive).tree()
    );

    let bundle = peer::unpack(&env, &layout, "pulled");
    peer::runc(&env, &bundle, &["echo", "from runc"])
        .success()
        .prints("from runc");
    peer::podman(&env)
        .args(["load", "-q", "-i"])
        .arg(&archive)
        .run()
        .success();
    peer::podman_run(&env, "busybox:local", &["echo", "from podman"])
        .success()
        .prints("from podman");
}
