//! Save and load.

use super::{id, json, names, with_app};
use crate::harness::{Base, OciImage, Terminal, TestEnv, peer, skip};
use std::fs;

#[test]
fn archives_go_round() {
    let env = with_app();
    env.rbuild(["tag", "app", "team/app:1"]).run().success();
    let wanted = id(&env, "app");
    env.rbuild(["save", "-o", "oci.tar", "app", "busybox:local", "team/app:1"])
        .run()
        .success()
        .prints("");
    env.rbuild([
        "save",
        "--format",
        "docker",
        "-o",
        "docker.tar",
        "app",
        "team/app:1",
    ])
    .run()
    .success();
    env.rbuild(["save", "--format", "oci-dir", "-o", "layout", "app"])
        .run()
        .success();
    let piped = env.rbuild(["save", "app"]).run().success();
    env.tool("gzip").args(["-k", "docker.tar"]).run().success();
    assert_eq!(OciImage::from_archive(&env.path("oci.tar")).config_digest, wanted);
    assert_eq!(OciImage::from_dir(&env.path("layout")).config_digest, wanted);

    let fresh = |archive: &str, expected: &str| {
        let other = TestEnv::new();
        other
            .rbuild(["load", "-i"])
            .arg(env.path(archive))
            .run()
            .success()
            .prints(expected);
        assert_eq!(id(&other, "app"), wanted, "{archive}");
        other.run("app", [""; 0]).success().prints("hello\nmore");
    };
    fresh(
        "oci.tar",
        "loaded app:latest\nloaded team/app:1\nloaded busybox:local",
    );
    fresh("docker.tar", "loaded app:latest\nloaded team/app:1");
    fresh("docker.tar.gz", "loaded app:latest\nloaded team/app:1");
    fresh("layout", "loaded app:latest");
    let other = TestEnv::new();
    other
        .rbuild(["load"])
        .stdin(piped.stdout)
        .run()
        .success()
        .prints("loaded app:latest");
    // Loading again is no news and does no harm.
    other
        .rbuild(["load", "-q", "-i"])
        .arg(env.path("layout"))
        .run()
        .success()
        .prints(&wanted);
    other
        .rbuild(["load", "-t", "renamed:1", "-i"])
        .arg(env.path("layout"))
        .run()
        .success();
    assert_eq!(id(&other, "renamed:1"), wanted);
    // A name that is given is the only one.
    let third = TestEnv::new();
    third
        .rbuild(["load", "-t", "renamed:1", "-i"])
        .arg(env.path("layout"))
        .run()
        .success()
        .prints("loaded renamed:1");
    third.rbuild(["inspect", "app"]).run().exits(125);
    // The same image is the same archive.
    env.rbuild(["save", "-o", "again.tar", "app", "busybox:local", "team/app:1"])
        .run()
        .success();
    assert_eq!(
        fs::read(env.path("oci.tar")).unwrap(),
        fs::read(env.path("again.tar")).unwrap()
    );
}

#[test]
fn archives_for_other_tools() {
    if !skip::unless_installed("archives_for_other_tools", &["skopeo", "umoci"]) {
        return;
    }
    let env = with_app();
    env.rbuild(["save", "-o", "oci.tar", "app"]).run().success();
    env.rbuild(["save", "--format", "docker", "-o", "docker.tar", "app"])
        .run()
        .success();
    env.rbuild(["save", "--format", "oci-dir", "-o", "layout", "app"])
        .run()
        .success();
    // The archive is an OCI layout and a docker archive at once.
    for source in [
        "oci-archive:oci.tar",
        "docker-archive:oci.tar",
        "docker-archive:docker.tar",
        "oci:layout",
    ] {
        let config = json(
            peer::skopeo(&env)
                .args(["inspect", "--config", source])
                .run()
                .success(),
        );
        assert_eq!(config["config"]["Labels"]["a"], "b", "{source}");
    }
    // And what they write comes back.
    peer::skopeo(&env)
        .args(["copy", "oci:layout", "docker-archive:theirs.tar:other:9"])
        .run()
        .success();
    env.rbuild(["load", "-i", "theirs.tar"])
        .run()
        .success()
        .prints("loaded other:9");
    env.run("other:9", [""; 0]).success().prints("hello\nmore");
}

#[test]
fn what_is_no_archive_is_refused() {
    let env = TestEnv::with(&[Base::Busybox]);
    env.rbuild(["save", "-o", "good.tar", "busybox:local"])
        .run()
        .success();
    let good = fs::read(env.path("good.tar")).unwrap();
    let before = names(&env);
    env.write("text", "this is no archive\n");
    env.write("cut.tar", &good[..good.len() / 2]);
    let mut flipped = good.clone();
    let middle = flipped.len() / 2;
    flipped[middle] ^= 0xff;
    env.write("flipped.tar", &flipped);
    let other = TestEnv::new();
    for name in ["text", "cut.tar", "flipped.tar", "."] {
        other
            .rbuild(["load", "-i"])
            .arg(env.path(name))
            .run()
            .exits(125)
            .says("loading")
            .no_panic();
        assert_eq!(names(&other), [""; 0], "{name}");
    }
    other
        .rbuild(["load", "-i", "missing.tar"])
        .run()
        .exits(125)
        .no_panic();
    other.rbuild(["load"]).run().exits(125).no_panic();
    other.rbuild(["store", "check"]).run().success();
    assert_eq!(names(&env), before);
    // A file that cannot be written leaves nothing behind.
    env.rbuild(["save", "-o", "no/such/folder.tar", "busybox:local"])
        .run()
        .exits(125)
        .no_panic();
    env.rbuild(["save", "-o", "new.tar", "busybox:local", "nope"])
        .run()
        .exits(125);
    assert!(!env.path("new.tar").exists());
}

#[test]
fn terminals_get_no_archives() {
    let env = TestEnv::with(&[Base::Busybox]);
    let mut terminal = Terminal::start(env.rbuild(["save", "busybox:local"]), 24, 80);
    terminal.wait_for("refusing to write an archive to a terminal");
    assert_eq!(terminal.wait().code(), Some(125));
    let mut terminal = Terminal::start(env.rbuild(["load"]), 24, 80);
    terminal.wait_for("standard input is a terminal");
    assert_eq!(terminal.wait().code(), Some(125));
}
