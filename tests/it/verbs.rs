//! The verbs around a build: images and their names, archives, registries, the store, explanations.

use crate::harness::{
    Base, Invocation, OciImage, Outcome, Registry, Terminal, TestEnv, env, peer, registry, skip,
};
use serde_json::Value;
use std::fs;
use std::path::Path;

const DOCKERFILE: &str = "FROM busybox:local\nCOPY greeting /greeting\nRUN echo more >> /greeting\nLABEL a=b\nCMD [\"cat\", \"/greeting\"]\n";

/// A store with the base, and `app` built on it.
fn with_app() -> TestEnv {
    let env = TestEnv::with(&[Base::Busybox]);
    let context = env.context("app", &[("Dockerfile", DOCKERFILE), ("greeting", "hello\n")]);
    env.build("app", context).success();
    env
}

#[track_caller]
fn json(outcome: Outcome) -> Value {
    serde_json::from_slice(&outcome.stdout).unwrap_or_else(|error| panic!("no JSON ({error}):\n{outcome}"))
}

#[track_caller]
fn inspect(env: &TestEnv, image: &str) -> Value {
    json(env.rbuild(["inspect", image]).run().success())[0].clone()
}

#[track_caller]
fn id(env: &TestEnv, image: &str) -> String {
    inspect(env, image)["Id"]
        .as_str()
        .expect("an image has an id")
        .to_owned()
}

/// `REPOSITORY:TAG` of each line of `rbuild images`.
#[track_caller]
fn names(env: &TestEnv) -> Vec<String> {
    let list = env.rbuild(["images"]).run().success();
    let rows = list.out().lines().skip(1).map(str::to_owned).collect::<Vec<_>>();
    rows.iter()
        .map(|row| row.split_whitespace().take(2).collect::<Vec<_>>().join(":"))
        .collect()
}

#[test]
fn looking_makes_no_store() {
    let env = TestEnv::new();
    env.rbuild(["images"])
        .run()
        .success()
        .prints("REPOSITORY   TAG   IMAGE ID   CREATED   SIZE");
    env.rbuild(["images", "-q"]).run().success().prints("");
    env.rbuild(["df"]).run().success();
    env.rbuild(["store", "check"]).run().success();
    env.rbuild(["prune", "-f"]).run().success().prints("freed 0 B");
    env.rbuild(["doctor"]).run().success();
    for args in [
        &["inspect", "x"][..],
        &["rmi", "x"],
        &["history", "x"],
        &["save", "-o", "x.tar", "x"],
        &["push", "x"],
    ] {
        env.rbuild(args)
            .run()
            .exits(125)
            .says("there is no image `x`")
            .no_panic();
    }
    env.rbuild(["why"]).run().exits(125).says("no build is on record");
    assert!(!env.store().exists(), "a verb that only looks made a store");
    assert!(!env.path("x.tar").exists());
}

#[test]
fn names_come_and_go() {
    let env = with_app();
    env.rbuild(["tag", "app", "reg.example:5000/team/app:1", "app:two"])
        .run()
        .success()
        .prints("");
    assert_eq!(
        names(&env),
        [
            "app:latest",
            "app:two",
            "reg.example:5000/team/app:1",
            "busybox:local"
        ],
        "newest first, then by name"
    );
    let listed = env.rbuild(["images", "app"]).run().success();
    assert_eq!(listed.out().lines().count(), 3, "{listed}");
    let listed = env
        .rbuild(["images", "app:two", "--format", "json"])
        .run()
        .success();
    let row = json(listed);
    assert_eq!(
        (row["Repository"].as_str(), row["Tag"].as_str()),
        (Some("app"), Some("two"))
    );
    let whole = id(&env, "app");
    env.rbuild(["images", "-q", "--no-trunc", "app"])
        .run()
        .success()
        .prints(&whole);
    let short = &whole["sha256:".len()..][..12];
    env.rbuild(["images", "-q", "app"]).run().success().prints(short);
    assert_eq!(id(&env, short), whole, "the beginning of an id is enough");

    // By id with several names only when forced; by name one at a time.
    env.rbuild(["rmi", short])
        .run()
        .exits(125)
        .says("app:two")
        .says("rmi -f");
    env.rbuild(["rmi", "app", "app:two"])
        .run()
        .success()
        .prints("untagged app:latest\nuntagged app:two");
    env.run("reg.example:5000/team/app:1", [""; 0])
        .success()
        .prints("hello\nmore");
    let gone = env.rbuild(["rmi", "reg.example:5000/team/app:1"]).run().success();
    assert!(gone.out().ends_with(&format!("deleted {whole}")), "{gone}");
    env.rbuild(["inspect", &whole]).run().exits(125);
    assert_eq!(names(&env), ["busybox:local"]);
    // What another image needs is not touched by the removal.
    env.run("busybox:local", ["echo", "still"])
        .success()
        .prints("still");
}

#[test]
fn wrong_names_are_told_with_what_is_near() {
    let env = with_app();
    env.rbuild(["inspect", "ap"])
        .run()
        .exits(125)
        .says("did you mean `app")
        .no_panic();
    env.rbuild(["history", "busybox"])
        .run()
        .exits(125)
        .says("did you mean `busybox:local`?");
    env.rbuild(["tag", "app", "Not/Valid"])
        .run()
        .exits(125)
        .no_panic();
    env.rbuild(["tag", "app", "../../../etc/passwd"])
        .run()
        .exits(125)
        .no_panic();
    env.rbuild(["tag", "app", &format!("x@{}", id(&env, "app"))])
        .run()
        .exits(125)
        .says("digest");
    // All are tried, whatever is wrong with one of them.
    let partly = env
        .rbuild(["inspect", "nope", "app", "neither"])
        .run()
        .exits(125)
        .says("`nope`")
        .says("`neither`");
    assert_eq!(json(partly).as_array().map(Vec::len), Some(1));
    env.rbuild(["rmi", "nope", "app"]).run().exits(125).says("`nope`");
    assert_eq!(names(&env), ["busybox:local"]);
    env.rbuild(["rmi", "-f", "nope"]).run().success();
}

#[test]
fn inspect_is_shaped_as_dockers() {
    let env = with_app();
    let image = inspect(&env, "app");
    assert_eq!(image["RepoTags"], serde_json::json!(["app:latest"]));
    assert_eq!(image["Os"], "linux");
    assert_eq!(image["Config"]["Cmd"], serde_json::json!(["cat", "/greeting"]));
    assert_eq!(image["Config"]["Labels"]["a"], "b");
    assert_eq!(image["RootFS"]["Type"], "layers");
    assert_eq!(image["RootFS"]["Layers"].as_array().map(Vec::len), Some(3));
    assert!(
        image["Size"].as_u64().is_some_and(|size| size > 1_000_000),
        "{image:#}"
    );
    let saved = env.saved("app");
    assert_eq!(image["Id"], saved.config_digest.as_str());
    assert_eq!(image["RootFS"]["Layers"], saved.config["rootfs"]["diff_ids"]);
}

#[test]
fn history_has_a_line_for_each_instruction() {
    let env = with_app();
    let table = env.rbuild(["history", "app"]).run().success();
    let lines: Vec<String> = table.out().lines().map(str::to_owned).collect();
    assert!(
        lines[0].starts_with("IMAGE") && lines[0].contains("CREATED BY"),
        "{table}"
    );
    assert!(
        lines[1].contains("CMD") && !lines[1].starts_with("<missing>"),
        "{table}"
    );
    assert!(
        lines[2].starts_with("<missing>") && lines[2].contains("LABEL"),
        "{table}"
    );
    assert!(lines[3].contains("RUN") && lines[4].contains("COPY"), "{table}");
    let values: Vec<Value> = env
        .rbuild(["history", "--format", "json", "--no-trunc", "app"])
        .run()
        .success()
        .out()
        .lines()
        .map(|line| serde_json::from_str(line).expect("each line is JSON"))
        .collect();
    assert_eq!(values[0]["ID"], id(&env, "app").as_str());
    assert_eq!(values[3]["Bytes"], 6, "COPY brought `hello\\n`");
    assert_eq!(values[1]["Bytes"], 0, "LABEL brings no file");
}

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

#[test]
fn readers_may_go_away() {
    let env = with_app();
    for args in [
        &["man"][..],
        &["completions", "bash"],
        &["inspect", "app"],
        &["debug", "parse", "app/Dockerfile"],
    ] {
        let words = args.join(" ");
        let script = format!("\"$0\" {words} | head -c 1 > /dev/null");
        env.tool("sh")
            .args(["-c", &script])
            .arg(env::program_under_test())
            .run()
            .success()
            .no_panic();
    }
    let script = "\"$0\" images > /dev/full";
    let full = env
        .tool("sh")
        .args(["-c", script])
        .arg(env::program_under_test())
        .run();
    full.exits(125).says("standard output").no_panic();
}

#[test]
fn push_and_pull() {
    if !skip::unless_installed("push_and_pull", Registry::NEEDS) {
        return;
    }
    let env = with_app();
    let server = Registry::plain(&env);
    let name = format!("{}/team/app:1", server.address());
    let pushed = env.rbuild(["push", "app", &name]).run().success().says("pushed");
    let pinned = pushed.out().into_owned();
    let (repository, digest) = pinned.split_once('@').expect("a name with a digest");
    assert_eq!(repository, format!("{}/team/app", server.address()));
    // Again, and as docker's: the same image, other media types.
    env.rbuild(["push", "-q", "app", &name])
        .run()
        .success()
        .prints(&pinned)
        .never_says("pushing");
    let docker = env
        .rbuild([
            "push",
            "-q",
            "--format",
            "docker",
            "app",
            &format!("{repository}:docker"),
        ])
        .run()
        .success();
    assert_ne!(docker.out(), pinned);

    let other = TestEnv::new();
    let pulled = other
        .rbuild(["pull", &name])
        .run()
        .success()
        .says("pulled")
        .says(digest);
    assert_eq!(pulled.out(), id(&env, "app"));
    assert_eq!(names(&other), [name.clone()], "the digest is no row of its own");
    assert_eq!(inspect(&other, &name)["RepoDigests"], serde_json::json!([pinned]));
    other.run(&pinned, [""; 0]).success().prints("hello\nmore");
    other
        .rbuild(["pull", "-q", &format!("{repository}:docker")])
        .run()
        .success()
        .prints(&id(&env, "app"));
    // The last tag of a repository takes the digests with it.
    other
        .rbuild(["rmi", &name, &format!("{repository}:docker")])
        .run()
        .success();
    assert_eq!(names(&other), [""; 0]);
    other.rbuild(["pull", &pinned]).run().success();
    assert_eq!(names(&other), [format!("{repository}:<none>")]);
    // A name elsewhere does not: the image was asked for by its digest, and stays until that goes.
    other.rbuild(["tag", &pinned, "mine:1"]).run().success();
    other
        .rbuild(["rmi", "mine:1"])
        .run()
        .success()
        .prints("untagged mine:1");
    assert_eq!(names(&other), [format!("{repository}:<none>")]);
    other.rbuild(["rmi", &pinned]).run().success();
    assert_eq!(names(&other), [""; 0]);
    other.rbuild(["pull", &pinned]).run().success();

    other
        .rbuild(["pull", &format!("{}/nope", server.address())])
        .run()
        .exits(125)
        .says("404")
        .no_panic();
    let nobody = format!("127.0.0.1:{}/x", registry::free_port());
    other
        .rbuild(["pull", &nobody])
        .run()
        .exits(125)
        .says("help:")
        .no_panic();
    other
        .rbuild(["push", &pinned, &nobody])
        .run()
        .exits(125)
        .no_panic();
    other
        .rbuild(["push", &pinned])
        .run()
        .exits(125)
        .says("push to a tag");
}

#[test]
fn login_keeps_what_the_registry_takes() {
    if !skip::unless_installed("login_keeps_what_the_registry_takes", Registry::NEEDS_TLS) {
        return;
    }
    let env = with_app();
    let server = Registry::tls(&env);
    let host = server.address();
    let trusting = |invocation: Invocation| invocation.env("SSL_CERT_FILE", server.ca());
    let name = format!("{host}/app:1");
    let auth = env.path("home/.docker/config.json");
    trusting(env.rbuild(["push", "app", &name]))
        .run()
        .exits(125)
        .says("rbuild login")
        .no_panic();
    let login = |password: &str| {
        trusting(env.rbuild(["login", "-u", registry::USER, "--password-stdin", &host]))
            .stdin(format!("{password}\n"))
            .run()
    };
    login("wrong").exits(125).says("password").no_panic();
    assert!(!auth.exists(), "wrong credentials are not kept");
    login(registry::PASSWORD)
        .success()
        .says(&auth.display().to_string())
        .never_says(registry::PASSWORD);
    use std::os::unix::fs::PermissionsExt;
    assert_eq!(fs::metadata(&auth).unwrap().permissions().mode() & 0o777, 0o600);
    trusting(env.rbuild(["push", "app", &name])).run().success();
    trusting(env.rbuild(["pull", &name])).run().success();
    env.rbuild(["logout", &host]).run().success().says("removed");
    assert!(!fs::read_to_string(&auth).unwrap().contains(&host));
    trusting(env.rbuild(["pull", &name]))
        .run()
        .exits(125)
        .says("rbuild login");
    env.rbuild(["logout", &host])
        .run()
        .success()
        .says("no credentials");
    // A file of the user's choice.
    let chosen = env.path("auth.json");
    trusting(
        env.rbuild(["login", "-u", registry::USER, "--password-stdin", "--authfile"])
            .arg(&chosen)
            .arg(&host),
    )
    .stdin(registry::PASSWORD)
    .run()
    .success();
    trusting(env.rbuild(["pull", "--authfile"]).arg(&chosen).arg(&name))
        .run()
        .success();
    trusting(env.rbuild(["pull", &name])).run().exits(125);
    env.rbuild(["login", &host])
        .run()
        .exits(125)
        .says("-u")
        .no_panic();
    env.rbuild(["login", "-u", "x", &host])
        .run()
        .exits(125)
        .says("--password-stdin");
    env.rbuild(["login", "-u", "x", "host/with/path"])
        .run()
        .exits(125)
        .no_panic();
}

#[test]
fn a_password_is_typed_unseen() {
    if !skip::unless_installed("a_password_is_typed_unseen", Registry::NEEDS_TLS) {
        return;
    }
    let env = TestEnv::new();
    let server = Registry::tls(&env);
    let login = env
        .rbuild(["login", &server.address()])
        .env("SSL_CERT_FILE", server.ca());
    let mut terminal = Terminal::start(login, 24, 80);
    terminal.wait_for("user name: ");
    terminal.types(&format!("{}\n", registry::USER));
    terminal.wait_for("password: ");
    terminal.types(&format!("{}\n", registry::PASSWORD));
    terminal.wait_for("logged in");
    assert_eq!(terminal.wait().code(), Some(0));
    assert!(
        !terminal.seen().contains(registry::PASSWORD),
        "{}",
        terminal.seen()
    );
    use rustix::termios::LocalModes;
    assert!(
        terminal.settings().local_modes.contains(LocalModes::ECHO),
        "the terminal echoes again"
    );
}

#[test]
fn pruning_frees_what_nothing_needs() {
    let env = with_app();
    let context = env.path("app");
    env.write("app/greeting", "other\n");
    env.build("app", &context).success();
    // The first image has lost its name; its steps are in the cache.
    let dangling = names(&env).iter().filter(|name| *name == "<none>:<none>").count();
    assert_eq!(dangling, 1);
    env.rbuild(["prune"]).run().exits(125).says("-f");
    assert_eq!(names(&env).len(), 3);
    let dry = env.rbuild(["prune", "--dry-run", "-a"]).run().success();
    assert!(dry.out().contains("would free"), "{dry}");
    env.rbuild(["prune", "-f", "--until", "1h"]).run().success();
    assert_eq!(names(&env).len(), 3, "nothing is that old");
    let pruned = env.rbuild(["prune", "-f"]).run().success();
    assert!(pruned.out().contains("images: 1 removed"), "{pruned}");
    assert_eq!(names(&env), ["app:latest", "busybox:local"]);
    env.build("app", &context).success().says("CACHED");
    env.rbuild(["prune", "-a", "-f"]).run().success();
    env.run("app", [""; 0]).success().prints("other\nmore");
    // The cache was emptied.
    env.build("app", &context).success().never_says("CACHED");
    env.rbuild(["store", "check"])
        .run()
        .success()
        .prints("the store is whole");
    env.rbuild(["prune", "--until", "yesterday"])
        .run()
        .exits(125)
        .says("24h");
    env.rbuild(["prune", "--keep-storage", "lots"]).run().exits(125);
}

#[test]
fn prune_asks_on_a_terminal() {
    let env = with_app();
    env.write("app/greeting", "other\n");
    env.build("app", env.path("app")).success();
    for (answer, left) in [("n", 3), ("", 3), ("y", 2)] {
        let mut terminal = Terminal::start(env.rbuild(["prune"]), 24, 80);
        terminal.wait_for("[y/N]");
        terminal.types(&format!("{answer}\n"));
        assert_eq!(terminal.wait().code(), Some(0));
        assert_eq!(names(&env).len(), left, "after the answer {answer:?}");
    }
}

#[test]
fn files_of_other_ids_are_measured_and_removed() {
    let env = TestEnv::with(&[Base::Busybox]);
    let dockerfile = "FROM busybox:local\nRUN mkdir -m 700 /secret && head -c 3000000 /dev/zero > /secret/f && chown -R 1000:1000 /secret\n";
    env.build_text("owned", dockerfile).success();
    let bytes = |env: &TestEnv| {
        let usage = json(env.rbuild(["df", "--format", "json"]).run().success());
        let kinds = usage["usage"].as_array().expect("df lists kinds").clone();
        kinds
            .iter()
            .map(|kind| kind["bytes"].as_u64().expect("bytes"))
            .sum::<u64>()
    };
    let before = bytes(&env);
    assert!(before > 5_000_000, "{before}");
    env.rbuild(["rmi", "owned"]).run().success();
    env.rbuild(["prune", "-a", "-f"]).run().success();
    let after = bytes(&env);
    assert!(after + 2_900_000 < before, "{before} before, {after} after");
    let table = env.rbuild(["df", "-v"]).run().success();
    assert!(
        table.out().contains("busybox:local") && table.out().contains("RECLAIMABLE"),
        "{table}"
    );
}

#[test]
fn a_damaged_store_is_found_and_mended() {
    let env = with_app();
    let blobs = env.store().join("blobs/sha256");
    let largest = fs::read_dir(&blobs)
        .unwrap()
        .flatten()
        .max_by_key(|entry| entry.metadata().unwrap().len())
        .expect("the base has blobs")
        .path();
    let mut bytes = fs::read(&largest).unwrap();
    bytes[100] ^= 1;
    fs::write(&largest, bytes).unwrap();
    let name = largest.file_name().unwrap().to_str().unwrap();
    let found = env
        .rbuild(["store", "check"])
        .run()
        .exits(1)
        .says("--repair")
        .no_panic();
    assert!(found.out().contains(name), "{found}");
    assert!(largest.exists(), "looking mends nothing");
    env.rbuild(["store", "check", "--repair"]).run().no_panic();
    assert!(!largest.exists());
    env.load(Base::Busybox);
    env.rbuild(["store", "check"])
        .run()
        .success()
        .prints("the store is whole");
}

#[test]
fn sweeping_takes_what_the_dead_left() {
    let env = with_app();
    let left = env.store().join("tmp/left");
    fs::create_dir_all(left.join("deep")).unwrap();
    env.rbuild(["store", "sweep"]).run().success().prints("removed 1");
    assert!(!left.exists());
}

#[test]
fn why_names_what_changed() {
    let env = with_app();
    let context = env.path("app");
    let first = env.rbuild(["why"]).run().success();
    assert!(
        first.out().starts_with("build 1 of ") && first.out().contains("no earlier build"),
        "{first}"
    );
    env.write("app/greeting", "changed\n");
    env.build("app", &context).success();
    let why = env.rbuild(["why"]).arg(&context).run().success();
    let out = why.out();
    assert!(
        out.starts_with("build 2 of ") && out.contains(&format!("image {}", id(&env, "app"))),
        "{why}"
    );
    assert!(
        out.contains("COPY greeting /greeting (line 2)") && out.contains("changed greeting: "),
        "{why}"
    );
    assert!(
        out.contains("RUN echo more") && out.contains("what it builds on has other content"),
        "{why}"
    );
    // One step, by its line, its place, a part of its title.
    for word in [":3", "3/3", "echo more"] {
        let one = env.rbuild(["why", word]).run().success();
        assert!(
            one.out().contains("RUN echo more") && !one.out().contains("COPY"),
            "{one}"
        );
    }
    env.rbuild(["why", "no such step"])
        .run()
        .exits(125)
        .says("--all")
        .no_panic();
    env.rbuild(["why", "."])
        .run()
        .exits(125)
        .says("no build of")
        .no_panic();
    let record = json(env.rbuild(["why", "--json"]).run().success());
    assert_eq!(record["number"], 2);
    // A failing step is told with its log.
    env.write("app/Dockerfile", "FROM busybox:local\nRUN echo words; false\n");
    env.build("app", &context).exits(1);
    let failed = env.rbuild(["why"]).run().success();
    let log = failed
        .out()
        .lines()
        .find_map(|line| line.trim().strip_prefix("its output is in ").map(str::to_owned));
    let log = log.unwrap_or_else(|| panic!("no log\n{failed}"));
    assert_eq!(fs::read_to_string(Path::new(&log)).unwrap(), "words\n");
}

#[test]
fn doctor_tells_what_works() {
    let env = TestEnv::new();
    let report = json(env.rbuild(["doctor", "--json"]).run().success());
    assert_eq!(report["works"], true);
    let tier = if env::is_root() { "Root" } else { "A" };
    assert_eq!(report["tier"], tier);
    for check in report["checks"].as_array().expect("doctor checks things") {
        assert!(
            check["ok"] == true || check["fix"].is_string(),
            "no way out of {check}"
        );
    }
    let left: Vec<_> = fs::read_dir(env.path("."))
        .unwrap()
        .flatten()
        .map(|entry| entry.file_name())
        .collect();
    assert!(
        left.iter().all(|name| !name.to_string_lossy().contains("doctor")),
        "{left:?}"
    );
    // A place that cannot hold a store is found before a build finds it.
    env.write("taken/thesis.tex", "x");
    let bad = env
        .rbuild(["doctor"])
        .env("RBUILD_ROOT", env.path("taken"))
        .run()
        .exits(1)
        .no_panic();
    assert!(
        bad.out().contains("mend it: export RBUILD_ROOT=") && bad.out().contains("do not work"),
        "{bad}"
    );
}

#[test]
fn checks_without_a_build() {
    let env = TestEnv::new();
    let good = env.context("good", &[("Dockerfile", "FROM scratch\nCOPY a /a\n"), ("a", "")]);
    env.rbuild(["--check"])
        .arg(&good)
        .run()
        .success()
        .prints("no warnings");
    let text = "FROM scratch as Base\nMAINTAINER me\n";
    let bad = env.context("bad", &[("Dockerfile", text)]);
    let found = env.rbuild(["--check"]).arg(&bad).run().success();
    for rule in [
        "FromAsCasing",
        "StageNameCasing",
        "MaintainerDeprecated",
        "Dockerfile:2:1",
        "3 warnings",
    ] {
        assert!(found.out().contains(rule), "no {rule} in\n{found}");
    }
    let value = json(env.rbuild(["--call=check,format=json"]).arg(&bad).run().success());
    assert_eq!(value["warnings"].as_array().map(Vec::len), Some(3));
    assert_eq!(value["warnings"][2]["ruleName"], "MaintainerDeprecated");
    assert_eq!(value["warnings"][2]["location"]["ranges"][0]["start"]["line"], 2);
    env.write("bad/Dockerfile", format!("# check=error=true\n{text}"));
    env.rbuild(["--check"]).arg(&bad).run().exits(1);
    env.write("bad/Dockerfile", format!("# check=skip=all\n{text}"));
    env.rbuild(["--check"])
        .arg(&bad)
        .run()
        .success()
        .prints("no warnings");
    env.write("bad/Dockerfile", "FORM scratch\n");
    env.rbuild(["--check"]).arg(&bad).run().exits(1).says("FROM");
    assert!(!env.store().exists(), "checking needs no store");
}

#[test]
fn a_check_knows_the_ignore_file_and_the_base() {
    let env = TestEnv::with(&[Base::Busybox]);
    let context = env.context(
        "context",
        &[
            (
                "Dockerfile",
                "FROM busybox:local\nENV X=$PATH:/x Y=$NOPE\nCOPY hidden /\n",
            ),
            (".dockerignore", "hidden\n"),
            ("hidden", ""),
        ],
    );
    let found = env.rbuild(["--check"]).arg(&context).run().success();
    assert!(found.out().contains("CopyIgnoredFile"), "{found}");
    assert!(found.out().contains("NOPE"), "{found}");
    assert!(
        !found.out().contains("$PATH`") && !found.out().contains("`PATH`"),
        "the base sets PATH\n{found}"
    );
}

#[test]
fn outline_and_targets() {
    let env = TestEnv::new();
    let text = "ARG VERSION=3\n# build compiles it\nFROM scratch AS build\n# MODE how to compile\nARG MODE=fast-$VERSION\n\
                RUN --mount=type=secret,id=token,required --mount=type=cache,target=/cache x\n\
                FROM scratch AS unused\nARG NEVER\nFROM scratch\nCOPY --from=build / /\n";
    let context = env.context("context", &[("Dockerfile", text)]);
    let targets = json(
        env.rbuild(["--call=targets,format=json"])
            .arg(&context)
            .run()
            .success(),
    );
    let list = targets["targets"].as_array().expect("there are stages");
    assert_eq!(list.len(), 3);
    assert_eq!(
        (list[0]["name"].as_str(), list[0]["description"].as_str()),
        (Some("build"), Some("compiles it"))
    );
    assert_eq!(list[2]["default"], true);
    let table = env.rbuild(["--call=targets"]).arg(&context).run().success();
    assert!(table.out().contains("2 (default)"), "{table}");
    let outline = json(
        env.rbuild(["--call=outline,format=json"])
            .arg(&context)
            .run()
            .success(),
    );
    let args: Vec<(&str, Option<&str>)> = outline["args"]
        .as_array()
        .expect("there are arguments")
        .iter()
        .map(|arg| (arg["name"].as_str().unwrap_or_default(), arg["value"].as_str()))
        .collect();
    assert_eq!(
        args,
        [("VERSION", Some("3")), ("MODE", Some("fast-3"))],
        "NEVER is of a stage that is not needed"
    );
    assert_eq!(outline["args"][1]["description"], "how to compile");
    assert_eq!(
        (
            outline["secrets"][0]["name"].as_str(),
            outline["secrets"][0]["required"].as_bool()
        ),
        (Some("token"), Some(true))
    );
    assert_eq!(outline["cacheMounts"][0]["id"], "/cache");
    let given = env
        .rbuild(["--call=outline", "--build-arg", "MODE=slow"])
        .arg(&context)
        .run()
        .success();
    assert!(
        given.out().contains("slow") && given.out().contains("token"),
        "{given}"
    );
    env.rbuild(["--call=outline", "--target", "biuld"])
        .arg(&context)
        .run()
        .exits(125)
        .says("did you mean `build`?");
}

#[test]
fn debug_shows_how_a_dockerfile_is_read() {
    let env = TestEnv::new();
    let text = "FROM nowhere.example/base AS build\nWORKDIR /src\nCOPY a .\nFROM scratch AS unused\nCOPY a /\nFROM scratch\nCOPY --from=build /src /\n";
    let context = env.context(
        "context",
        &[
            ("Dockerfile", text),
            (".dockerignore", "*.log\n!keep.log\n"),
            ("a", ""),
        ],
    );
    let parsed = json(
        env.rbuild(["debug", "parse"])
            .arg(context.join("Dockerfile"))
            .run()
            .success(),
    );
    assert_eq!(parsed["version"], 1);
    assert_eq!(parsed["dockerfile"]["stages"].as_array().map(Vec::len), Some(3));
    let wrong = env
        .rbuild(["debug", "parse", "-"])
        .stdin("FROM scratch\nCOPPY a b\n")
        .run()
        .exits(1);
    let wrong = json(wrong);
    assert_eq!(wrong["diagnostics"][0]["severity"], "error");
    assert_eq!(wrong["diagnostics"][0]["span"]["line"], 2);

    // No registry is asked for the base.
    let dag = json(env.rbuild(["debug", "dag"]).arg(&context).run().success());
    let kinds: Vec<&str> = dag["nodes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|node| node["kind"].as_str().unwrap())
        .collect();
    assert_eq!(kinds.iter().filter(|kind| **kind == "copy").count(), 2, "{dag:#}");
    assert!(kinds.contains(&"image") && kinds.contains(&"workdir"));
    let pruned: Vec<bool> = dag["stages"]
        .as_array()
        .unwrap()
        .iter()
        .map(|stage| stage["pruned"].as_bool().unwrap())
        .collect();
    assert_eq!(pruned, [false, true, false]);
    let nodes = dag["nodes"].as_array().unwrap().len() as u64;
    for edge in dag["edges"].as_array().unwrap() {
        let (from, to) = (edge["from"].as_u64().unwrap(), edge["to"].as_u64().unwrap());
        assert!(from < to && to < nodes, "inputs come first: {edge}");
    }
    let again = json(env.rbuild(["debug", "dag"]).arg(&context).run().success());
    assert_eq!(dag, again);

    let paths = json(
        env.rbuild(["debug", "ignore", "--context"])
            .arg(&context)
            .args(["a", "x.log", "keep.log", "sub/x.log"])
            .run()
            .success(),
    );
    let excluded: Vec<bool> = paths["paths"]
        .as_array()
        .unwrap()
        .iter()
        .map(|path| path["excluded"].as_bool().unwrap())
        .collect();
    assert_eq!(excluded, [false, true, false, false]);
    assert_eq!(
        (
            paths["paths"][2]["pattern"].as_str(),
            paths["paths"][2]["line"].as_u64()
        ),
        (Some("!keep.log"), Some(2))
    );
    assert!(!env.store().exists(), "debugging needs no store");
}

#[test]
fn completions_and_manual_know_every_verb() {
    let env = TestEnv::new();
    for shell in ["bash", "zsh", "fish"] {
        let script = env.rbuild(["completions", shell]).run().success();
        for verb in ["images", "prune", "why"] {
            assert!(script.out().contains(verb), "{shell}: no {verb}");
        }
    }
    let syntax = env.rbuild(["completions", "bash"]).run().success();
    env.tool("bash")
        .args(["-n", "/dev/stdin"])
        .stdin(syntax.stdout)
        .run()
        .success();
    let page = env.rbuild(["man"]).run().success();
    assert!(page.out().contains(".TH rbuild 1"), "{page}");
    let page = env.rbuild(["man", "save"]).run().success();
    assert!(page.out().contains("uncompressed"), "{page}");
    env.rbuild(["man", "svae"])
        .run()
        .exits(125)
        .says("did you mean `save`?");
}

#[test]
fn a_mistyped_verb_is_told() {
    let env = TestEnv::new();
    env.rbuild(["imagse"])
        .run()
        .exits(125)
        .says("did you mean `rbuild images`?")
        .no_panic();
    env.rbuild(["images", "--formt", "json"])
        .run()
        .exits(125)
        .says("--format")
        .no_panic();
}
