//! What happens to the store when something goes wrong: kills, signals, changes and collections meanwhile.

use crate::concurrency::{GATE, at_the_gate, open_gate, processes};
use crate::faults::{figure, long};
use crate::harness::archive::sha256;
use crate::harness::invocation::Running;
use crate::harness::steps::{build, building};
use crate::harness::{Base, Invocation, TestEnv};
use rustix::process::Signal;
use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

mod disk;

/// All regular files below a directory, sorted.
pub(crate) fn files(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut todo = vec![dir.to_owned()];
    while let Some(dir) = todo.pop() {
        let Ok(entries) = fs::read_dir(&dir) else { continue };
        for entry in entries.flatten() {
            match entry.file_type() {
                Ok(kind) if kind.is_dir() => todo.push(entry.path()),
                Ok(kind) if kind.is_file() => found.push(entry.path()),
                _ => {}
            }
        }
    }
    found.sort();
    found
}

/// The store holds nothing that is damaged.
#[track_caller]
fn assert_whole(env: &TestEnv) {
    env.rbuild(["store", "check"])
        .run()
        .success()
        .prints("the store is whole")
        .no_panic();
}

/// What dies with the program dies soon: a child is told by the kernel, and ends when it is scheduled.
#[track_caller]
fn assert_nothing_runs(env: &TestEnv) {
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        let left = processes(env);
        if left.is_empty() {
            return;
        }
        assert!(Instant::now() < deadline, "left running: {left:#?}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn left_in_tmp(env: &TestEnv) -> usize {
    fs::read_dir(env.store().join("tmp")).map_or(0, Iterator::count)
}

#[test]
fn a_signal_ends_a_build_and_leaves_nothing() {
    for (signal, code) in [(Signal::INT, 130), (Signal::TERM, 143), (Signal::HUP, 129)] {
        let env = TestEnv::new();
        let running = at_the_gate(&env, "app");
        running.signal(signal);
        let outcome = running.wait().exits(code).says("interrupted").no_panic();
        assert!(outcome.out().is_empty(), "{outcome}");
        assert_nothing_runs(&env);
        assert_eq!((env.mounts(), left_in_tmp(&env)), (Vec::new(), 0));
        assert_whole(&env);
        env.rbuild(["run", "app"]).run().exits(125);
        open_gate(&env);
        build(&env, &env.path("app"), &["-t", "app"]);
        assert_whole(&env);
    }
}

/// A context that came as a stream is nobody else's to read, and what a killed build leaves of it goes with the next.
#[test]
fn a_context_from_a_stream_is_private_and_swept() {
    let env = TestEnv::new();
    env.load(Base::Busybox);
    let text = format!("FROM busybox:local\nCOPY f /f\n{GATE}\n");
    let context = env.context("context", &[("Dockerfile", &text), ("f", "F")]);
    // Modes in the archive, of its top too, are those of the files inside.
    let open = "chmod 0777 \"$0\" && tar -C \"$0\" -c .";
    let packed = env.tool("sh").args(["-c", open]).arg(&context).run().stdout;
    let mut running = env.rbuild(["--progress", "plain", "-"]).stdin(packed).start();
    running.wait_for("at the gate");
    assert_eq!(
        fs::read_dir(env.path("tmp")).unwrap().count(),
        0,
        "outside of the store"
    );
    let place = fs::read_dir(env.store().join("tmp"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .find(|path| path.join("context/f").is_file())
        .expect("the context is in the store");
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&place), mode(&env.store())), (0o700, 0o700));
    running.signal(Signal::KILL);
    drop(running);
    assert_nothing_runs(&env);
    assert!(place.exists());
    // What is kept of layers is of the base.
    let memos = fs::read_dir(env.store().join("memo")).unwrap();
    let mut names = memos.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    assert!(
        names.all(|name| name.starts_with("layer-")),
        "it will not be there again"
    );
    env.build_text("next", "FROM busybox:local\nRUN true\n").success();
    assert_eq!(left_in_tmp(&env), 0);
}

/// Reading a file that would take an hour.
#[test]
fn a_signal_ends_long_reading() {
    let env = TestEnv::new();
    let context = env.context("context", &[("Dockerfile", "FROM scratch\nCOPY big /big\n")]);
    let big = fs::File::create(context.join("big")).unwrap();
    big.set_len(2 << 40).expect("a file can have holes");
    let mut running = building(&env, &context).start();
    running.wait_for("COPY big /big");
    running.signal(Signal::INT);
    running.wait().exits(130).says("interrupted").no_panic();
    assert_eq!(left_in_tmp(&env), 0);
}

/// Whenever the signal comes: there is the whole file or none.
#[test]
fn a_signal_ends_a_save_and_leaves_nothing() {
    const ROUNDS: u32 = 6;
    let env = TestEnv::new();
    let context = env.context("context", &[("Dockerfile", "FROM scratch\nCOPY big /\n")]);
    // Nothing repeats in it, so that deflate takes its time.
    let hashes = (0..1_u32 << 17).map(|number| sha256(&number.to_le_bytes()));
    fs::write(context.join("big"), hashes.collect::<String>()).unwrap();
    build(&env, &context, &["-t", "app"]);
    fs::create_dir(env.path("out")).unwrap();
    for format in ["oci", "docker", "oci-dir"] {
        let out = env.path("out").join(format);
        let save = || env.rbuild(["save", "--format", format, "app", "-o"]).arg(&out);
        let begin = Instant::now();
        save().run().success();
        let whole = begin.elapsed();
        for round in 0..ROUNDS {
            let _ = fs::remove_file(&out);
            let _ = fs::remove_dir_all(&out);
            // So that it is compressed each time.
            let _ = fs::remove_dir_all(env.store().join("compressed"));
            let running = save().start();
            std::thread::sleep(whole * round / ROUNDS);
            running.signal(Signal::TERM);
            let code = running.wait().no_panic().code();
            assert!([0, 143].contains(&code), "{format}: {code}");
            let left: Vec<_> = files(&env.path("out"));
            assert!(
                left.iter()
                    .all(|path| path.extension().is_none_or(|end| end != "tmp")),
                "{left:?}"
            );
            assert!(code == 0 || format == "oci-dir" || left.is_empty(), "{left:?}");
            assert_eq!(left_in_tmp(&env), 0);
        }
        let _ = fs::remove_file(&out);
        let _ = fs::remove_dir_all(&out);
    }
}

/// A registry that takes the connection and says nothing.
#[test]
fn a_signal_ends_a_push_that_waits() {
    let env = TestEnv::new();
    let context = env.context(
        "context",
        &[("Dockerfile", "FROM scratch\nCOPY f /\n"), ("f", "f")],
    );
    build(&env, &context, &["-t", "app"]);
    let registry = TcpListener::bind("127.0.0.1:0").unwrap();
    let name = format!("{}/app", registry.local_addr().unwrap());
    for (signal, code) in [(Signal::TERM, 143), (Signal::INT, 130)] {
        let running = env.rbuild(["push", "app", &name]).start();
        let _connection = registry.accept().unwrap();
        running.signal(signal);
        running.wait().exits(code).says("interrupted").no_panic();
        assert_eq!(left_in_tmp(&env), 0);
    }
}

/// What is copied is what the key was made from, or the build fails: never one under the name of the other.
#[test]
fn a_file_that_changes_during_the_build_is_not_cached_under_the_old_key() {
    let env = TestEnv::new();
    let text = "FROM busybox:local AS gate\n\
                RUN --mount=type=cache,target=/gate,id=gate echo at the \"gate\"; \
                while [ ! -e /gate/open ]; do usleep 2000; done\n\
                FROM busybox:local AS other\nCOPY file /file\nFROM gate\nCOPY --from=other /file /file\n";
    let context = env.context("context", &[("Dockerfile", text), ("file", "one")]);
    // Brings the base in: then keys are found before anything runs.
    let base = env.context("base", &[("Dockerfile", "FROM busybox:local\nLABEL a=b\n")]);
    build(&env, &base, &[]);
    // One job, which the gate has: the copy's key is known, and the copy waits.
    let mut running = building(&env, &context).args(["--jobs", "1"]).start();
    running.wait_for("at the gate");
    fs::write(context.join("file"), "two").unwrap();
    open_gate(&env);
    running
        .wait()
        .exits(1)
        .says("changed while it was read")
        .says("build again")
        .no_panic();
    let file_of = |name: &str| {
        let out = env.path(name);
        let spec = format!("type=local,dest={}", out.display());
        build(&env, &context, &["-o", &spec]);
        fs::read_to_string(out.join("file")).unwrap()
    };
    assert_eq!(file_of("second"), "two");
    fs::write(context.join("file"), "one").unwrap();
    assert_eq!(file_of("first"), "one");
}

/// A command that will not end, with children in sessions of their own.
#[test]
fn a_command_that_ignores_signals_is_ended() {
    let env = TestEnv::new();
    let text = "FROM busybox:local\nRUN trap '' INT TERM HUP; setsid sh -c 'trap \"\" INT TERM HUP; sleep 1000000' & \
                trap '' INT TERM HUP; echo it \"runs\"; sleep 1000000; sleep 1000000\n";
    let context = env.context("context", &[("Dockerfile", text)]);
    let mut running: Running = building(&env, &context).start();
    running.wait_for("it runs");
    running.signal(Signal::INT);
    running.wait().exits(130).no_panic();
    assert_nothing_runs(&env);
    assert_eq!(left_in_tmp(&env), 0);
}

#[test]
fn a_failing_step_stops_its_sisters() {
    let env = TestEnv::new();
    let text = "FROM busybox:local AS a\nRUN --mount=type=cache,id=gate,target=/gate touch /gate/there; sleep 1000000\n\
                FROM busybox:local AS b\nRUN --mount=type=cache,id=gate,target=/gate \
                while [ ! -e /gate/there ]; do usleep 2000; done; exit 5\n\
                FROM busybox:local\nCOPY --from=a / /a\nCOPY --from=b / /b\n";
    let context = env.context("context", &[("Dockerfile", text)]);
    building(&env, &context)
        .args(["--jobs", "4"])
        .run()
        .exits(1)
        .says("exit code: 5")
        .no_panic();
    assert_nothing_runs(&env);
    assert_eq!(left_in_tmp(&env), 0);
    assert_whole(&env);
}

/// The delays are where to kill, not what to wait for: a build in pieces of what one takes.
#[test]
fn a_build_killed_at_any_moment_harms_nothing() {
    let rounds = if long() { 240 } else { 24 };
    let env = TestEnv::new();
    let text = "FROM busybox:local AS one\nARG ROUND\nCOPY files /files\nRUN echo $ROUND > /round; cp -r /files /more; rm /files/1\n\
                FROM busybox:local\nCOPY --from=one /more /more\nRUN rm -r /more/sub; ln /more/1 /more/2; echo x > /x\nWORKDIR /w\n";
    let context = env.context(
        "context",
        &[("Dockerfile", text), ("files/1", "1"), ("files/sub/2", "2")],
    );
    for number in 0..40 {
        env.write(
            format!("context/files/many/{number}"),
            format!("{number}").repeat(1000),
        );
    }
    let tar = |name: &str| format!("type=oci,dest={}", env.path(name).display());
    let invocation = |round: u32, out: &str| -> Invocation {
        let number = format!("ROUND={round}");
        building(&env, &context)
            .env("SOURCE_DATE_EPOCH", "1700000000")
            .args(["-t", "app", "-o", &tar(out), "--build-arg", &number])
    };
    // The first one brings the base in; the others have it.
    invocation(1000, "whole.tar").run().success();
    let begin = Instant::now();
    invocation(1001, "whole.tar").run().success();
    let whole = begin.elapsed();
    let mut killed = 0;
    for round in 1..=rounds {
        let running = invocation(round, "part.tar").start();
        std::thread::sleep(whole * round / rounds);
        running.signal(Signal::KILL);
        killed += u32::from(running.wait().code() == 137);
        if round % 6 == 0 {
            assert_nothing_runs(&env);
            assert_whole(&env);
        }
    }
    assert!(killed > rounds / 4, "only {killed} were killed before they ended");
    figure(&format!(
        "{killed} of {rounds} builds were killed before they ended"
    ));
    assert_nothing_runs(&env);
    // The same store gives what an untouched one gives.
    invocation(7, "after.tar").run().success().no_panic();
    invocation(7, "clean.tar")
        .env("RBUILD_ROOT", env.path("clean"))
        .run()
        .success();
    assert!(fs::read(env.path("after.tar")).unwrap() == fs::read(env.path("clean.tar")).unwrap());
    assert_whole(&env);
    // What the killed ones left went with the build that ended.
    assert_eq!(left_in_tmp(&env), 0);
    assert_eq!(env.mounts(), Vec::<String>::new());
}

/// Builds and collections side by side: nothing that is in use goes, nothing that is there is half.
#[test]
fn builds_beside_prune() {
    let env = TestEnv::new();
    let text = "FROM busybox:local AS one\nARG N\nRUN mkdir /d; for i in 1 2 3 4 5; do echo $N > /d/$i; done\nFROM busybox:local\n\
                COPY --from=one /d /d\nRUN test $(cat /d/* | sort -u | wc -l) = 1 && rm /d/1\n";
    let context = env.context("context", &[("Dockerfile", text)]);
    building(&env, &context)
        .args(["-t", "kept", "--build-arg", "N=kept"])
        .run()
        .success();
    let done = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        let pruning = scope.spawn(|| {
            let mut rounds = 0;
            while !done.load(std::sync::atomic::Ordering::Relaxed) || rounds < 2 {
                env.rbuild(["prune", "--all", "--force", "--cache-mounts"])
                    .run()
                    .success()
                    .no_panic();
                rounds += 1;
            }
            rounds
        });
        let builders: Vec<_> = (0..2)
            .map(|builder| {
                let (env, context) = (&env, &context);
                scope.spawn(move || {
                    for round in 0..8 {
                        let number = format!(
                            "N={}",
                            if round % 2 == 0 {
                                round
                            } else {
                                builder * 100 + round
                            }
                        );
                        let tag = format!("app-{builder}");
                        let args = ["-t", &tag, "--build-arg", &number];
                        building(env, context).args(args).run().success().no_panic();
                    }
                })
            })
            .collect();
        let failed = builders.into_iter().any(|builder| builder.join().is_err());
        done.store(true, std::sync::atomic::Ordering::Relaxed);
        let rounds = pruning.join().expect("prune does not fail");
        assert!(!failed, "a build failed beside {rounds} collections");
    });
    assert_whole(&env);
    for image in ["kept", "app-0", "app-1"] {
        env.run(image, ["sh", "-c", "cat /d/2 /d/3 /d/4 /d/5 | sort -u | wc -l"])
            .success()
            .prints("1");
    }
    assert_eq!(left_in_tmp(&env), 0);
}

#[test]
fn what_a_killed_export_left_beside_its_destination_goes_with_the_next() {
    let env = TestEnv::new();
    let context = env.context(
        "context",
        &[("Dockerfile", "FROM scratch\nCOPY f /f\n"), ("f", "f")],
    );
    let (archive, layout) = (env.path("out/app.tar"), env.path("layout"));
    let left = [
        env.path("out/app.tar.4000000.tmp"),
        env.path("out/id.4000000.tmp"),
        layout.join("blobs/sha256/abc.4000000.tmp"),
        layout.join("index.json.4000000.tmp"),
    ];
    let export = |dest: &Path, kind: &str| {
        let spec = format!("type=oci,{kind}dest={}", dest.display());
        env.rbuild(["build", "-o", &spec, "--iidfile"])
            .args([env.path("out/id"), context.clone()])
            .run()
            .success();
    };
    fs::create_dir_all(env.path("out")).unwrap();
    export(&layout, "tar=false,");
    left.iter().for_each(|path| fs::write(path, "half").unwrap());
    export(&layout, "tar=false,");
    export(&archive, "");
    assert_eq!(
        left.iter().filter(|path| path.exists()).collect::<Vec<_>>(),
        Vec::<&PathBuf>::new()
    );
    assert!(archive.is_file() && env.path("out/id").is_file());
}
