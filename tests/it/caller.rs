//! What the caller's shell leaves to every program: umask and limits. None of it is told as something else.

use crate::harness::env::{is_root, program_under_test};
use crate::harness::{Base, Invocation, OciImage, TestEnv, skip};
use crate::remote::server::{GitDaemon, repository};
use rustix::process::Signal;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

/// rbuild as a shell starts it after some settings of its own.
fn after(env: &TestEnv, settings: &str, words: &[&str]) -> Invocation {
    env.tool("sh")
        .args(["-c", &format!("{settings}; exec \"$@\""), "sh"])
        .arg(program_under_test())
        .args(words)
}

/// Path and mode of all that is in a store, but what containers see.
fn modes(dir: &Path, found: &mut Vec<(String, u32)>) {
    for entry in fs::read_dir(dir).unwrap().flatten() {
        let (path, meta) = (entry.path(), entry.metadata().unwrap());
        // The kernel makes the last one, for the overlay of a container that is kept.
        let seen = [Path::new("fs"), Path::new("stubs"), Path::new("layer.work/work")];
        if seen.iter().any(|name| path.ends_with(name)) {
            continue;
        }
        found.push((path.display().to_string(), meta.mode() & 0o7777));
        if meta.is_dir() {
            modes(&path, found);
        }
    }
}

#[test]
fn the_store_does_not_depend_on_the_umask() {
    let env = TestEnv::new();
    let context = env.context_of(
        "FROM busybox:local\nRUN echo > /f && mkdir /d\nCOPY x /x\n",
        &[("x", "x")],
    );
    let archive = Base::Busybox.archive();
    for mask in ["0177", "0777", "0022", "0"] {
        let store = env.path(format!("store-{mask}"));
        let run = |words: &[&str]| {
            let run = after(&env, &format!("umask {mask}"), words).env("RBUILD_ROOT", &store);
            run.run().success()
        };
        run(&["load", "-i", archive.to_str().unwrap()]);
        run(&["build", "-t", "image", context.to_str().unwrap()]);
        let files = env.path(format!("files-{mask}"));
        let output = format!("type=local,dest={}", files.display());
        run(&["build", "-o", &output, context.to_str().unwrap()]);
        assert!(files.join("x").exists());
        run(&["run", "image", "sh", "-c", "umask; test -d /d"]).prints("0022");
        let mut found = Vec::new();
        modes(&store, &mut found);
        for (path, mode) in found {
            assert!(
                [0o600, 0o700].contains(&mode),
                "{path}: {mode:o} with umask {mask}"
            );
        }
    }
    // What is written for the user heeds it.
    let saved = env.path("image.tar");
    let words = ["save", "-o", saved.to_str().unwrap(), "image"];
    let save = after(&env, "umask 027", &words).env("RBUILD_ROOT", env.path("store-0"));
    save.run().success();
    assert_eq!(fs::metadata(&saved).unwrap().permissions().mode() & 0o777, 0o640);
}

/// git makes files by the umask: it gets the usual one.
#[test]
fn repositories_do_not_depend_on_the_umask() {
    if !skip::unless_installed("repositories_do_not_depend_on_the_umask", &["git"]) {
        return;
    }
    let env = TestEnv::new();
    repository(&env, "r", &[]);
    let daemon = GitDaemon::start(&env);
    let dockerfile = format!("FROM scratch\nADD {}/r /\nCOPY --from=r / /named/\n", daemon.url);
    let context = env.context_of(&dockerfile, &[]);
    let archive = env.path("out.tar");
    let output = format!("type=oci,dest={}", archive.display());
    let named = format!("r={}/r", daemon.url);
    let words = [
        "build",
        "-o",
        &output,
        "--build-context",
        &named,
        context.to_str().unwrap(),
    ];
    after(&env, "umask 0077", &words).run().success();
    let tree = OciImage::from_archive(&archive).tree();
    for (path, mode) in [("sub", 0o755), ("sub/run.sh", 0o755), ("Dockerfile", 0o644)] {
        for path in [path.to_owned(), format!("named/{path}")] {
            assert_eq!(tree[&*path].mode & 0o7777, mode, "{path}");
        }
    }
}

/// Every number of processes and open files up to what is enough: a build says what is short, or succeeds.
#[test]
fn limits_are_told_as_limits() {
    if is_root() {
        skip::because_of_host("limits_are_told_as_limits", "root has no limit of processes");
        return;
    }
    let env = TestEnv::new();
    let dockerfile = "FROM busybox:local AS one\nRUN echo > /1\nFROM busybox:local AS two\nRUN echo > /2\n\
        FROM busybox:local\nCOPY --from=one /1 /\nCOPY --from=two /2 /\n";
    let context = env.context_of(dockerfile, &[]);
    env.load(Base::Busybox);
    // Other tests of this user count as well, so that no number is the right one.
    for (limit, word, numbers) in [
        ("nproc", "Resource temporarily unavailable", (1..12).step_by(1)),
        ("nofile", "Too many open files", (6..60).step_by(6)),
    ] {
        for number in numbers {
            let prlimit = env.tool("prlimit").arg(format!("--{limit}={number}"));
            let build = prlimit.arg(program_under_test()).args(["build", "--no-cache"]);
            let outcome = build.arg(&context).run().no_panic();
            if outcome.code() != 0 {
                let outcome = outcome.says(word).says("help: ");
                outcome.never_says("does not let").never_says("usermod");
            }
        }
    }
}

#[test]
fn a_file_that_may_not_grow_is_an_error() {
    let env = TestEnv::new();
    env.load(Base::Busybox);
    let context = env.context_of("FROM busybox:local\nCOPY x /x\n", &[("x", &"x".repeat(3 << 20))]);
    let words = ["build", context.to_str().unwrap()];
    // In blocks of 512 bytes.
    let outcome = after(&env, "ulimit -f 2048", &words).run().no_panic();
    outcome.exits(125).says("File too large");
}

/// A core dump would hold the secrets. The command's own limit stays the caller's.
#[test]
fn no_core_dumps() {
    let env = TestEnv::new();
    let context = env.context_of(
        "FROM busybox:local\nRUN echo at the \"gate\"; ulimit -c; sleep 1000\n",
        &[],
    );
    let base = Base::Busybox.as_context();
    let words = [
        "build",
        "--progress",
        "plain",
        "--build-context",
        &base,
        context.to_str().unwrap(),
    ];
    let mut running = after(&env, "ulimit -Sc 64", &words).cwd(env.path("tmp")).start();
    running.wait_for("at the gate");
    running.wait_for("64");
    let limits = fs::read_to_string(format!("/proc/{}/limits", running.pid())).unwrap();
    let core = limits
        .lines()
        .find(|line| line.starts_with("Max core file size"))
        .unwrap();
    assert_eq!(core.split_whitespace().nth(4), Some("1"), "{core}");
    running.signal(Signal::QUIT);
    let outcome = running.wait();
    assert_ne!(outcome.code(), 0);
    assert_eq!(fs::read_dir(env.path("tmp")).unwrap().count(), 0);
}

/// The program raises its own limit for open files; what uses select(2) must not have more than its caller gave.
#[test]
fn commands_and_helpers_have_the_callers_limit_for_open_files() {
    let env = TestEnv::new();
    env.write(
        "home/.docker/config.json",
        r#"{"credHelpers": {"127.0.0.1:9": "told"}}"#,
    );
    for name in ["docker-credential-told", "git"] {
        let seen = env.path(format!("seen-{name}"));
        let program = env.write(
            Path::new("bin").join(name),
            format!("#!/bin/sh\nulimit -Sn >'{}'\nexit 1\n", seen.display()),
        );
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    }
    let path = format!("{}:/usr/bin:/bin", env.path("bin").display());
    let base = Base::Busybox.as_context();
    let context = env.context_of("FROM busybox:local\nRUN echo soft $(ulimit -Sn)\n", &[]);
    let plain = ["--progress", "plain", "--build-context", &base];
    let words = [&["build"], &plain[..], &[context.to_str().unwrap()]].concat();
    after(&env, "ulimit -Sn 123", &words)
        .run()
        .success()
        .says("soft 123");

    let seen = |name: &str| fs::read_to_string(env.path(format!("seen-{name}"))).unwrap();
    let words = ["build", "https://127.0.0.1:9/repository.git"];
    let git = after(&env, "ulimit -Sn 123", &words).env("PATH", &path).run();
    git.exits(125);
    assert_eq!(seen("git"), "123\n");
    let words = ["logout", "127.0.0.1:9"];
    after(&env, "ulimit -Sn 123", &words).env("PATH", &path).run();
    assert_eq!(seen("docker-credential-told"), "123\n");
}
