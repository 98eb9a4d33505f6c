//! Contexts of somebody else, whose Dockerfile or ignore file is a way out: a link to a file of the host, something
//! without an end, a pipe that nobody writes to. Each has a canary that no message may show.

use super::contexts::packed;
use super::server::{GitDaemon, Server, answer, git};
use crate::harness::{Outcome, TestEnv, skip};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::time::Duration;

const CANARY: &str = "c4n4ry";
/// Files that a build reads by itself, and the `-f` with which it does.
const STEERING: [(&str, &[&str]); 5] = [
    ("Dockerfile", &[]),
    (".dockerignore", &[]),
    ("Dockerfile.dockerignore", &[]),
    ("sub/app.Dockerfile", &["-f", "sub/app.Dockerfile"]),
    ("sub/app.Dockerfile.dockerignore", &["-f", "sub/app.Dockerfile"]),
];

/// A context in which `file` is a link to `target`.
fn evil(env: &TestEnv, name: &str, file: &str, target: impl AsRef<Path>) -> PathBuf {
    let text = "FROM scratch\nCOPY f /\n";
    let _ = std::fs::remove_dir_all(env.path(name));
    let context = env.context(
        name,
        &[("Dockerfile", text), ("sub/app.Dockerfile", text), ("f", "F")],
    );
    let _ = std::fs::remove_file(context.join(file));
    symlink(target, context.join(file)).expect("a link");
    context
}

/// The build ends soon, with a word about the file, and shows nothing of what it led to.
#[track_caller]
fn refused(env: &TestEnv, words: &[&str], stdin: Vec<u8>, says: &str) -> Outcome {
    let building = env.rbuild(words).env("SECRET", CANARY).stdin(stdin);
    building
        .patience(Duration::from_secs(60))
        .run()
        .no_panic()
        .exits(125)
        .says(says)
        .never_says(CANARY)
}

fn targets(env: &TestEnv) -> [PathBuf; 4] {
    let secret = env.write("secret", CANARY);
    let relative = Path::new("../../../../../../..").join(secret.strip_prefix("/").expect("absolute"));
    [secret, relative, "/proc/self/environ".into(), "/dev/zero".into()]
}

#[test]
fn links_of_an_archive_on_standard_input() {
    let env = TestEnv::new();
    for target in targets(&env) {
        for (file, flags) in STEERING {
            let tar = packed(&env, &evil(&env, "context", file, &target), "");
            let words = [flags, &["-"]].concat();
            let name = Path::new(file)
                .file_name()
                .and_then(|name| name.to_str())
                .expect("text");
            refused(&env, &words, tar, name).says("leads to no file of the context");
        }
    }
}

#[test]
fn links_of_an_archive_at_a_url() {
    let env = TestEnv::new();
    let secret = env.write("secret", CANARY);
    for file in ["Dockerfile", ".dockerignore"] {
        let tar = packed(&env, &evil(&env, "context", file, &secret), "gzip");
        let server = Server::start(move |_| answer("200 OK", &[], &tar));
        refused(&env, &[&server.url("/c.tgz")], Vec::new(), file).says("leads to no file of the context");
    }
}

#[test]
fn links_of_a_repository() {
    if !skip::unless_installed("links_of_a_repository", &["git"]) {
        return;
    }
    let env = TestEnv::new();
    let secret = env.write("secret", CANARY);
    let daemon = GitDaemon::start(&env);
    for (at, (file, flags)) in STEERING.into_iter().enumerate() {
        let repo = evil(&env, &format!("r{at}"), file, &secret);
        git(&repo, &["init", "-q", "-b", "main"]);
        git(&repo, &["add", "."]);
        git(&repo, &["commit", "-qm", "one"]);
        let url = format!("{}/r{at}", daemon.url);
        let words = [flags, &[url.as_str()]].concat();
        refused(&env, &words, Vec::new(), "leads to no file of the context");
        // A named context has an ignore file too.
        if file == ".dockerignore" {
            let named = format!("other={url}");
            let plain = env.context_of("FROM scratch\nCOPY --from=other f /\n", &[]);
            let words = ["--build-context", &named, plain.to_str().expect("text")];
            refused(&env, &words, Vec::new(), "leads to no file of the context");
        }
    }
}

/// Somebody's files, unpacked or checked out before.
#[test]
fn links_of_a_directory() {
    let env = TestEnv::new();
    for target in targets(&env) {
        for file in ["Dockerfile", ".dockerignore", "Dockerfile.dockerignore"] {
            let context = evil(&env, "context", file, &target);
            let words = [context.to_str().expect("text")];
            refused(&env, &words, Vec::new(), file).says("leads to no file of the context");
        }
        // The Dockerfile is named, the file beside it is not.
        let context = evil(&env, "context", "sub/app.Dockerfile.dockerignore", &target);
        let named = context.join("sub/app.Dockerfile");
        for context in [&context, &env.context("elsewhere", &[("f", "F")])] {
            let words = [
                "-f",
                named.to_str().expect("text"),
                context.to_str().expect("text"),
            ];
            refused(&env, &words, Vec::new(), "app.Dockerfile.dockerignore");
        }
        let ignored =
            env.rbuild(["debug", "ignore", "--context"])
                .arg(evil(&env, "d", ".dockerignore", &target));
        ignored.arg("f").run().exits(125).never_says(CANARY);
    }
}

#[test]
fn what_is_no_file_is_not_waited_for() {
    let env = TestEnv::new();
    for (file, _) in &STEERING[..3] {
        for make in ["mkfifo", "mkdir"] {
            let context = evil(&env, "context", file, "f");
            std::fs::remove_file(context.join(file)).expect("a link");
            env.tool(make).arg(context.join(file)).run().success();
            refused(&env, &["-"], packed(&env, &context, ""), file).says("is no regular file");
            refused(&env, &[context.to_str().expect("text")], Vec::new(), file).says("is no regular file");
        }
        let context = evil(&env, "context", file, "f");
        std::fs::remove_file(context.join(file)).expect("a link");
        let long = std::fs::File::create(context.join(file)).expect("a file");
        long.set_len(1 << 36).expect("a file can have holes");
        refused(&env, &[context.to_str().expect("text")], Vec::new(), file).says("larger than 16 MiB");
    }
    let endless = vec![b'#'; (16 << 20) + 1];
    refused(&env, &["-"], endless.clone(), "larger than 16 MiB");
    let context = env.context("plain", &[("f", "F")]);
    let context = context.to_str().expect("text");
    refused(&env, &["-f", "-", context], endless, "larger than 16 MiB");
    refused(
        &env,
        &["-f", "/dev/zero", context],
        Vec::new(),
        "larger than 16 MiB",
    );
    refused(
        &env,
        &["--ignorefile", "/dev/zero", context],
        Vec::new(),
        "larger than 16 MiB",
    );
}

/// Links that stay inside are the context's own business, and what the caller names is the caller's.
#[test]
fn links_inside_and_files_that_are_named() {
    let env = TestEnv::new();
    let outside = env.write("elsewhere/real", "FROM scratch\nCOPY f* /\n");
    let hidden = env.write("elsewhere/ignored", "f\n");
    let context = env.context(
        "context",
        &[
            ("real", "FROM scratch\nCOPY . /\n"),
            ("f", "F"),
            ("sub/rules", "f\nsub\n"),
        ],
    );
    symlink("real", context.join("Dockerfile")).expect("a link");
    symlink("sub/rules", context.join(".dockerignore")).expect("a link");
    symlink("../.dockerignore", context.join("sub/x.dockerignore")).expect("a link");
    symlink("../Dockerfile", context.join("sub/x")).expect("a link");
    let text = context.to_str().expect("text");
    let absolute = env.context("absolute", &[("real", "FROM scratch\nCOPY . /\n")]);
    symlink("/real", absolute.join("Dockerfile")).expect("a link");
    env.build("absolute", &absolute).success();
    for (words, stdin) in [
        (vec![text], Vec::new()),
        (vec!["-"], packed(&env, &context, "")),
        (vec!["-f", "context/sub/x", text], Vec::new()),
        (vec!["-f", "sub/x", "-"], packed(&env, &context, "")),
    ] {
        env.rbuild(["-t", "x"]).args(&words).stdin(stdin).run().success();
        let tree = env.saved("x").tree();
        assert!(tree.contains_key("real") && !tree.contains_key("f"), "{words:?}");
    }
    // A link, a pipe, a descriptor.
    let named = env.path("named");
    symlink(&outside, &named).expect("a link");
    let build = format!(
        "mkfifo pipe; cat {0} > pipe & {1} -t piped -f pipe {text} && {1} -t linked -f named {text} && \
         {1} -t given -f /dev/stdin {text} < {0} && {1} -t ignored -f named --ignorefile {2} {text}",
        outside.display(),
        crate::harness::env::program_under_test().display(),
        hidden.display(),
    );
    std::fs::remove_file(context.join(".dockerignore")).expect("a link");
    env.tool("sh").args(["-c", &build]).run().success();
    for name in ["piped", "linked", "given"] {
        assert!(env.saved(name).tree().contains_key("f"), "{name}");
    }
    assert!(!env.saved("ignored").tree().contains_key("f"));
}
