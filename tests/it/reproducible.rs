//! The same input makes the same bytes: whoever builds, when, where, and whatever the cache holds.

use serde_json::Value;

use crate::harness::env::is_root;
use crate::harness::{Invocation, OciImage, TestEnv, skip};

const EPOCH: i64 = 1_600_000_000;
const EPOCH_TEXT: &str = "2020-09-13T12:26:40Z";

const APP: &str = "FROM busybox:local AS build\n\
    RUN mkdir -p /out/b /out/a && for i in 9 1 5 3; do echo $i > /out/a/$i; done && ln /out/a/1 /out/b/hard && \\\n\
    ln -s ../a /out/b/soft && chown -R 1000:1000 /out/b && touch -d '2001-02-03 04:05:06' /out/a/9\n\
    FROM busybox:local\nCOPY --from=build /out /out\nCOPY files /files\n\
    RUN hostname > /host && date +%Y > /dev/null && id > /id && umask > /umask && locale > /locale 2>&1 || true\n\
    WORKDIR /made/here\nUSER app\nLABEL a=b\nCMD [\"true\"]\n";

fn context(env: &TestEnv) -> std::path::PathBuf {
    let files: Vec<(String, String)> = (0..40)
        .map(|n| (format!("files/f{:02}", (n * 7) % 40), format!("file {n}")))
        .collect();
    let files: Vec<(&str, &str)> = files
        .iter()
        .map(|(name, text)| (name.as_str(), text.as_str()))
        .collect();
    let dir = env.context_of(APP, &files);
    // The mode of what is copied is the context's; the user's umask made it.
    env.tool("chmod")
        .args(["-R", "u=rwX,go=rX"])
        .arg(&dir)
        .run()
        .success();
    dir
}

fn build(env: &TestEnv) -> Invocation {
    let dir = context(env);
    env.building([
        "-o",
        "type=oci,dest=app.tar",
        "-o",
        "type=docker,dest=docker.tar",
        "-o",
        "type=tar,dest=files.tar",
    ])
    .arg(dir)
    .env("SOURCE_DATE_EPOCH", EPOCH.to_string())
}

/// The bytes of all three archives.
fn bytes(env: &TestEnv) -> [String; 3] {
    ["app.tar", "docker.tar", "files.tar"]
        .map(|file| crate::harness::archive::sha256(&std::fs::read(env.path(file)).unwrap()))
}

/// Runs a command line under a shell that changes what must not matter first.
fn under(env: &TestEnv, setting: &str, invocation: Invocation) -> Invocation {
    let command = invocation.into_command();
    let mut shell = env
        .tool("sh")
        .args(["-c", &format!("{setting} exec \"$@\""), "sh"]);
    shell = shell.arg(command.get_program()).args(command.get_args());
    for (name, value) in command.get_envs() {
        if let (Some(name), Some(value)) = (name.to_str(), value) {
            shell = shell.env(name, value);
        }
    }
    shell
}

#[test]
fn the_same_bytes_everywhere() {
    let first = TestEnv::new();
    build(&first).run().success();
    let expected = bytes(&first);
    // Cold or warm; a time later than the epoch's either way.
    build(&first).run().success();
    assert_eq!(bytes(&first), expected, "warm");
    build(&first).arg("--no-cache").run().success();
    assert_eq!(bytes(&first), expected, "without the cache");

    for (what, setting, variables) in [
        ("umask", "umask 077;", &[][..]),
        (
            "one processor",
            "exec taskset -c 0 sh -c 'exec \"$@\"' sh \"$@\";",
            &[],
        ),
        (
            "locale and time zone",
            "",
            &[("TZ", "Pacific/Kiritimati"), ("LC_ALL", "tr_TR.UTF-8")],
        ),
        ("one job", "", &[("RBUILD_PROGRESS", "rawjson")]),
    ] {
        let env = TestEnv::new();
        let mut invocation = under(&env, setting, build(&env));
        for (name, value) in variables {
            invocation = invocation.env(name, value);
        }
        invocation.run().success();
        assert_eq!(bytes(&env), expected, "{what}");
    }
}

/// Root and an ordinary user with subordinate ids make the same bytes.
#[test]
fn the_same_bytes_as_an_ordinary_user() {
    if !is_root() {
        skip::because_of_host("the_same_bytes_as_an_ordinary_user", "only root can be two users");
        return;
    }
    let root = TestEnv::new();
    build(&root).run().success();
    let expected = bytes(&root);

    // A user of this test's own, in a mount namespace with files of its own in /etc.
    let user = TestEnv::new();
    user.write(
        "etc/passwd",
        "root:x:0:0::/root:/bin/sh\ntester:x:4711:4711::/nowhere:/bin/sh\n",
    );
    user.write("etc/group", "root:x:0:\ntester:x:4711:\n");
    for file in ["subuid", "subgid"] {
        user.write(format!("etc/{file}"), "tester:2000000:65536\n");
    }
    let invocation = build(&user);
    user.tool("chown")
        .args(["-R", "4711:4711"])
        .arg(user.path(""))
        .run()
        .success();
    let mut binds = String::new();
    for file in ["passwd", "group", "subuid", "subgid"] {
        let from = user.path(format!("etc/{file}"));
        binds += &format!(
            "touch /etc/{file}; mount --bind {} /etc/{file} && ",
            from.display()
        );
    }
    let command = invocation.into_command();
    let mut shell = user
        .tool("unshare")
        .args(["--mount", "sh", "-ec"])
        .arg(format!(
            "{binds} exec setpriv --reuid 4711 --regid 4711 --clear-groups \"$@\""
        ))
        .arg("sh");
    shell = shell.arg(command.get_program()).args(command.get_args());
    shell
        .env("SOURCE_DATE_EPOCH", EPOCH.to_string())
        .run()
        .success()
        .no_panic();
    assert_eq!(bytes(&user), expected);
    // It was really built by that user, with its own ids on disk.
    let owners = user
        .tool("find")
        .arg(user.store())
        .args(["-uid", "0"])
        .run()
        .success();
    assert_eq!(owners.out(), "", "files of the host's root in a user's store");
}

#[test]
fn times_follow_the_epoch() {
    let env = TestEnv::new();
    build(&env).run().success();
    let image = OciImage::from_archive(&env.path("app.tar"));
    assert_eq!(image.config["created"], EPOCH_TEXT);
    let tree = image.tree();
    // Earlier times that were set stay, later ones become the epoch, and so does what has none of its own.
    let mtimes =
        ["out/a/1", "out/a/9", "files/f07", "host", "made", "made/here"].map(|path| tree[path].mtime);
    let epoch = u64::try_from(EPOCH).unwrap();
    assert_eq!(mtimes, [epoch, 981_173_106, epoch, epoch, epoch, epoch]);
    assert!(tree.values().all(|entry| entry.mtime <= epoch));
    let history = image.config["history"].as_array().unwrap();
    let own: Vec<&Value> = history
        .iter()
        .filter(|entry| entry["comment"] == "rbuild.dockerfile.v0")
        .collect();
    assert!(own.len() >= 7, "{history:?}");
    for entry in own {
        assert_eq!(entry["created"], EPOCH_TEXT);
    }
    // The flag, the argument and the variable mean the same; the nearest wins; nonsense is refused.
    let dir = env.context_of("FROM scratch\nCOPY f /f\n", &[("f", "x")]);
    let created = |flags: &[&str]| {
        env.image(flags, &dir).config["created"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    assert_eq!(created(&["--source-date-epoch", "0"]), "1970-01-01T00:00:00Z");
    assert_eq!(
        created(&["--build-arg", "SOURCE_DATE_EPOCH=86400"]),
        "1970-01-02T00:00:00Z"
    );
    assert_eq!(
        created(&[
            "--build-arg",
            "SOURCE_DATE_EPOCH=86400",
            "--source-date-epoch",
            "0"
        ]),
        "1970-01-01T00:00:00Z"
    );
    for wrong in ["yesterday", "-1", "1.5"] {
        let refused = env
            .rbuild([&format!("--source-date-epoch={wrong}")])
            .arg(&dir)
            .run();
        refused.exits(125).says("SOURCE_DATE_EPOCH").no_panic();
    }
}

/// Without an epoch an image tells when its layers were made: so it is the same image until a layer is made anew.
#[test]
fn times_without_an_epoch() {
    let env = TestEnv::new();
    let dir = env.context_of(
        "FROM busybox:local\nRUN echo one > /one\nENV A=1\nRUN echo two > /two\n",
        &[],
    );
    let first = env.image([""; 0], &dir);
    let history = |image: &OciImage| -> Vec<String> {
        let entries = image.config["history"].as_array().unwrap();
        entries
            .iter()
            .map(|entry| entry["created"].as_str().unwrap_or_default().to_owned())
            .collect()
    };
    let times = history(&first);
    assert_eq!(first.config["created"].as_str(), times.last().map(String::as_str));
    assert!(times.is_sorted(), "{times:?}");
    assert_ne!(times.last().map(String::as_str), Some("1970-01-01T00:00:00Z"));

    // Seconds later the cached image is the same one, and so is one whose steps ran again to the same end.
    std::thread::sleep(std::time::Duration::from_millis(1100));
    assert_eq!(env.image([""; 0], &dir).config_digest, first.config_digest);
    assert_eq!(env.image(["--no-cache"], &dir).config_digest, first.config_digest);

    // An image without layers of its own is as old as its base.
    let base = env.image_of("FROM busybox:local\n", &[]);
    let labelled = env.image_of("FROM busybox:local\nLABEL a=b\n", &[]);
    assert_eq!(labelled.config["created"], base.config["created"]);
}

/// Bytes that no version may change: a new layout of tars or configs has to be decided, not to happen.
#[test]
fn golden_digests() {
    let env = TestEnv::new();
    let dockerfile = "FROM scratch\nCOPY --chmod=640 --chown=1:2 <<EOF /a/b/c\nheredoc\nEOF\nCOPY file /file\n\
                      WORKDIR /w\nENV A=\"b c\"\nLABEL x=y\nEXPOSE 80\nVOLUME /v\nUSER 7\nCMD [\"/file\"]\n";
    let dir = env.context_of(dockerfile, &[("file", "file")]);
    env.tool("chmod")
        .args(["644"])
        .arg(dir.join("file"))
        .run()
        .success();
    let image = env.image(["--source-date-epoch", "0", "--platform", "linux/amd64"], &dir);
    let diff_ids: Vec<&str> = image.config["rootfs"]["diff_ids"]
        .as_array()
        .unwrap()
        .iter()
        .map(|id| id.as_str().unwrap())
        .collect();
    let golden = [
        "sha256:0e87b8ffc741a1687ff45ef9d90d17f14354d47616a3fb88f4a255b0b5d2624c",
        "sha256:0c25de251e1691d6fa49369a9c648f0382f61c49e71f006a9ee1071ecbf3e212",
        "sha256:6ec5cf9220e2205d674b53126bfbaa74d96e3e1f590c7343c46deedb0d844f74",
    ];
    assert_eq!(diff_ids, golden);
    assert_eq!(
        image.config_digest,
        "sha256:5393192e80ce2a7c3caaff30ba0de89be0dda9e461f8d72aacdf530fe8623045"
    );
    // The manifest without compression, whose level may change.
    env.building(["--source-date-epoch", "0", "--platform", "linux/amd64"])
        .args(["-o", "type=oci,dest=plain.tar,compression=uncompressed"])
        .arg(&dir)
        .run()
        .success();
    assert_eq!(
        OciImage::from_archive(&env.path("plain.tar")).manifest_digest,
        "sha256:d91b2d58a2f9d98908164f8e9a91e89fabe567a0c71a117642ceec495a7d2b89"
    );
}
