//! What the caller's shell leaves to every program: umask, limits, signals. None of it is told as something else.

use crate::concurrency::processes;
use crate::harness::env::{is_root, program_under_test};
use crate::harness::{Base, Invocation, OciImage, TestEnv, skip};
use crate::remote::server::{GitDaemon, repository};
use rustix::process::Signal;
use std::fs;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::time::{Duration, Instant};

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
        if entry.file_name() == "fs" || entry.file_name() == "stubs" {
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

/// In the warm phase a signal ends the process at once; what it has started must not stay.
#[test]
fn a_helper_that_hangs_ends_with_us() {
    let env = TestEnv::new();
    let registry = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = registry.local_addr().unwrap();
    std::thread::spawn(move || {
        for mut client in registry.incoming().flatten() {
            let _ = client.read(&mut [0; 4096]);
            let _ = client.write_all(
                b"HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic realm=\"r\"\r\nContent-Length: 0\r\n\r\n",
            );
        }
    });
    env.write(
        "home/.docker/config.json",
        format!(r#"{{"credHelpers": {{"{address}": "hang"}}}}"#),
    );
    let helper = env.write("bin/docker-credential-hang", "#!/bin/sh\nexec sleep 1000\n");
    fs::set_permissions(&helper, fs::Permissions::from_mode(0o755)).unwrap();
    let path = format!("{}:/usr/bin:/bin", env.path("bin").display());
    let context = env.context_of(&format!("FROM {address}/image\n"), &[]);
    for signal in [Signal::TERM, Signal::KILL] {
        let running = env.rbuild(["build"]).arg(&context).env("PATH", &path).start();
        let deadline = Instant::now() + Duration::from_secs(60);
        let until = |number: usize| {
            while processes(&env).len() != number {
                assert!(Instant::now() < deadline, "{:?}", processes(&env));
                std::thread::sleep(Duration::from_millis(5));
            }
        };
        until(2);
        running.signal(signal);
        running.wait();
        until(0);
    }
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

/// A full pipe that nobody reads is no reason to stay.
#[test]
fn the_first_signal_ends_what_nobody_reads() {
    let env = TestEnv::new();
    env.load(Base::Busybox);
    let endless = "FROM busybox:local\nRUN while :; do echo a line that nobody reads; done\n";
    let endless = env.context("endless", &[("Dockerfile", endless)]);
    let large = "FROM busybox:local\nRUN dd if=/dev/urandom of=/large bs=1M count=4\n";
    let large = env.context("large", &[("Dockerfile", large)]);
    let large = large.to_str().unwrap();
    let endless = endless.to_str().unwrap();
    for (words, blocks_stdout) in [
        (&["build", "--progress", "plain", endless][..], false),
        (&["build", "--progress", "tty", endless], false),
        (&["build", "--progress", "rawjson", endless], false),
        (&["build", "--progress", "quiet", "-o", "-", large], true),
    ] {
        for signal in [Signal::TERM, Signal::HUP] {
            let (reader, pipe) = rustix::pipe::pipe().unwrap();
            let full = pipe.try_clone().unwrap();
            let mut command = env.rbuild(words).into_command();
            command
                .stdin(std::process::Stdio::null())
                .stdout(std::process::Stdio::null());
            command.stderr(std::process::Stdio::null());
            match blocks_stdout {
                true => command.stdout(pipe),
                false => command.stderr(pipe),
            };
            let mut child = command.spawn().unwrap();
            drop(command);
            let is_full = || {
                let mut polled = [rustix::event::PollFd::new(&full, rustix::event::PollFlags::OUT)];
                let now = rustix::event::Timespec::default();
                rustix::event::poll(&mut polled, Some(&now)).unwrap() == 0
            };
            let deadline = Instant::now() + Duration::from_secs(120);
            while !is_full() {
                assert!(Instant::now() < deadline, "{words:?} writes nothing");
                std::thread::sleep(Duration::from_millis(10));
            }
            let pid = rustix::process::Pid::from_child(&child);
            rustix::process::kill_process(pid, signal).unwrap();
            let status = loop {
                if let Some(status) = child.try_wait().unwrap() {
                    break status;
                }
                assert!(Instant::now() < deadline, "{words:?} does not end");
                std::thread::sleep(Duration::from_millis(10));
            };
            assert_eq!(status.code(), Some(128 + signal.as_raw()), "{words:?}");
            assert_eq!(
                fs::read_dir(env.store().join("tmp")).unwrap().count(),
                0,
                "{words:?}"
            );
            drop(reader);
        }
    }
    assert_eq!(processes(&env), [""; 0]);
}

/// What `load` has begun is gone when a signal ends it.
#[test]
fn a_load_that_is_stopped_leaves_nothing() {
    let env = TestEnv::new();
    let large = "FROM busybox:local\nRUN dd if=/dev/zero of=/large bs=1M count=512\n";
    let context = env.context("large", &[("Dockerfile", large)]);
    let archive = env.path("large.tar");
    let output = format!("type=oci,dest={}", archive.display());
    env.load(Base::Busybox);
    env.rbuild(["build", "-o", &output]).arg(context).run().success();
    let store = env.path("other");
    for signal in [Signal::TERM, Signal::INT] {
        let load = env
            .rbuild(["load", "-i"])
            .arg(&archive)
            .env("RBUILD_ROOT", &store);
        let mut running = load.start();
        let begun = || fs::read_dir(store.join("tmp")).is_ok_and(|names| names.count() > 0);
        while !begun() && running.is_running() {
            std::thread::sleep(Duration::from_millis(1));
        }
        running.signal(signal);
        running.wait().exits(128 + signal.as_raw());
        assert_eq!(fs::read_dir(store.join("tmp")).unwrap().count(), 0);
    }
}
