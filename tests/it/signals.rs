//! Signals end the program soon, in whatever phase it is, with their own exit code, and leave nothing behind.

use crate::concurrency::processes;
use crate::harness::{Base, TestEnv, skip};
use rustix::process::Signal;
use std::fs;
use std::io::{PipeReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

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

/// A server that takes connections and never says a word; each is told of.
fn silent_server() -> (String, Receiver<TcpStream>) {
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = server.local_addr().unwrap().to_string();
    let (send, connections) = channel();
    std::thread::spawn(move || {
        server
            .incoming()
            .flatten()
            .try_for_each(|client| send.send(client))
    });
    (address, connections)
}

fn mkfifo(env: &TestEnv, name: &str) -> PathBuf {
    let path = env.path(name);
    let mode = rustix::fs::Mode::from_raw_mode(0o600);
    rustix::fs::mknodat(rustix::fs::CWD, &path, rustix::fs::FileType::Fifo, mode, 0).unwrap();
    path
}

/// Waits until something is so. Only a hang makes this fail.
#[track_caller]
fn wait_until(what: &str, is_so: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(120);
    while !is_so() {
        assert!(Instant::now() < deadline, "never so: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn entries(dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).collect()
}

/// One that runs, with streams of the test's own.
struct Started {
    child: Child,
    words: String,
}

impl Started {
    fn new(env: &TestEnv, words: &[&str], streams: [Stdio; 3]) -> Started {
        let mut command = env.rbuild(words).into_command();
        let [stdin, stdout, stderr] = streams;
        command.stdin(stdin).stdout(stdout).stderr(stderr);
        Started {
            child: command.spawn().unwrap(),
            words: words.join(" "),
        }
    }

    fn watches_signals(&self) -> bool {
        let threads = entries(Path::new(&format!("/proc/{}/task", self.child.id())));
        let is_watch = |name: String| name == "signals\n";
        threads
            .iter()
            .any(|thread| fs::read_to_string(thread.join("comm")).is_ok_and(is_watch))
    }

    /// The signal ends it with its own code, and nothing is left in the store, among temporary files, and of processes.
    fn ends_by(mut self, env: &TestEnv, signal: Signal) {
        assert_eq!(self.child.try_wait().unwrap(), None, "{}", self.words);
        rustix::process::kill_process(rustix::process::Pid::from_child(&self.child), signal).unwrap();
        let deadline = Instant::now() + Duration::from_secs(120);
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            if Instant::now() > deadline {
                self.child.kill().unwrap();
                panic!("{} does not end", self.words);
            }
            std::thread::sleep(Duration::from_millis(5));
        };
        let code = status.code().or(status.signal().map(|signal| 128 + signal));
        assert_eq!(code, Some(128 + signal.as_raw()), "{}", self.words);
        let left = [entries(&env.store().join("tmp")), entries(&env.path("tmp"))].concat();
        assert!(left.is_empty(), "{}: {left:?}", self.words);
        wait_until(&format!("{}: no process is left", self.words), || {
            processes(env).is_empty()
        });
    }
}

/// Where a context is read, unpacked and used before the first step, and where it is read for the checks alone.
#[test]
fn a_context_that_was_piped_in_goes_with_the_signal() {
    let env = TestEnv::new();
    env.load(Base::Busybox);
    let (registry, asked) = silent_server();
    let asks = format!("FROM {registry}/image\n");
    let runs = "FROM busybox:local\nCOPY Dockerfile /\nRUN echo runs; sleep 1000\n";
    let tar = |text: &str| {
        let mut tar = tar::Builder::new(Vec::new());
        let mut header = tar::Header::new_ustar();
        header.set_size(text.len() as u64);
        header.set_mode(0o644);
        header.set_cksum();
        tar.append_data(&mut header, "Dockerfile", text.as_bytes())
            .unwrap();
        tar.into_inner().unwrap()
    };
    let null = || [Stdio::null(), Stdio::null()];
    for signal in [Signal::TERM, Signal::INT, Signal::HUP] {
        // The writer holds back.
        for words in [
            &["build", "-"][..],
            &["build", "--check", "-"],
            &["debug", "dag", "-"],
        ] {
            let (reader, mut writer) = std::io::pipe().unwrap();
            writer.write_all(&tar(&asks)[..700]).unwrap();
            let [out, err] = null();
            let started = Started::new(&env, words, [reader.into(), out, err]);
            let places = [env.store().join("tmp"), env.path("tmp")];
            wait_until("it is read", || {
                places.iter().any(|place| !entries(place).is_empty())
            });
            started.ends_by(&env, signal);
        }
        // A registry does not answer.
        for words in [&["build", "-"][..], &["build", "--check", "-"]] {
            let (reader, mut writer) = std::io::pipe().unwrap();
            let text = match words.len() {
                2 => asks.clone(),
                // A base image is asked for where a finding depends on it.
                _ => format!("{asks}COPY $UNKNOWN /x\n"),
            };
            writer.write_all(&tar(&text)).unwrap();
            drop(writer);
            let [out, err] = null();
            let started = Started::new(&env, words, [reader.into(), out, err]);
            let connection = asked.recv_timeout(Duration::from_secs(120)).unwrap();
            started.ends_by(&env, signal);
            drop(connection);
            while asked.try_recv().is_ok() {}
        }
        // A step runs.
        let (reader, mut writer) = std::io::pipe().unwrap();
        writer.write_all(&tar(runs)).unwrap();
        drop(writer);
        let (shown, stderr) = std::io::pipe().unwrap();
        let streams = [reader.into(), Stdio::null(), stderr.into()];
        let started = Started::new(&env, &["build", "--progress", "plain", "-"], streams);
        read_until(shown, "runs");
        started.ends_by(&env, signal);
    }
}

/// Reads what is shown until a line of a step's output says it.
fn read_until(shown: PipeReader, text: &str) {
    let mut lines = std::io::BufRead::lines(std::io::BufReader::new(shown));
    assert!(
        lines.any(|line| line.unwrap().ends_with(&format!(" {text}"))),
        "it ended before it said {text}"
    );
    // What comes later must not be lost on a closed pipe.
    std::thread::spawn(move || lines.for_each(drop));
}

/// git waits for its server, as a context before the first step and in `ADD` while steps run.
#[test]
fn a_repository_that_does_not_answer_keeps_nobody() {
    if !skip::unless_installed("a_repository_that_does_not_answer_keeps_nobody", &["git"]) {
        return;
    }
    let env = TestEnv::new();
    let (server, asked) = silent_server();
    let url = format!("git://{server}/repository");
    let adds = env.context_of(&format!("FROM scratch\nADD {url} /\n"), &[]);
    let named = format!("--build-context=n={url}");
    let here = env.context("here", &[("Dockerfile", "FROM scratch\nCOPY --from=n / /\n")]);
    let here = here.to_str().unwrap();
    for signal in [Signal::TERM, Signal::INT] {
        for words in [
            &["build", &url][..],
            &["build", "--check", &url],
            &["build", &named, here],
            &["build", adds.to_str().unwrap()],
        ] {
            let started = Started::new(&env, words, [Stdio::null(), Stdio::null(), Stdio::null()]);
            let connection = asked.recv_timeout(Duration::from_secs(120)).unwrap();
            started.ends_by(&env, signal);
            drop(connection);
        }
    }
}

/// A pipe that nobody reads, or nobody has opened for reading, is no reason to stay.
#[test]
fn an_export_that_nobody_reads_ends_with_the_signal() {
    let env = TestEnv::new();
    env.load(Base::Busybox);
    // More than a pipe holds.
    let large = "FROM busybox:local\nRUN dd if=/dev/urandom of=/large bs=1M count=4\n";
    let large = env.context("large", &[("Dockerfile", large)]);
    let large = large.to_str().unwrap();
    env.rbuild(["build", "-t", "large", large]).run().success();
    let fifo = mkfifo(&env, "fifo");
    let dest = fifo.to_str().unwrap();
    let outputs = |kind: &str| [format!("type={kind},dest=-"), format!("type={kind},dest={dest}")];
    let [tar, tar_fifo] = outputs("tar");
    let [oci, oci_fifo] = outputs("oci");
    let id = format!("--iidfile={dest}");
    let to_stdout: &[&[&str]] = &[
        &["save", "large"],
        &["save", "-o", "-", "large"],
        &["save", "-o", "/dev/stdout", "large"],
        &["build", "-o", &tar, large],
        &["build", "-o", &oci, large],
    ];
    let to_fifo: &[&[&str]] = &[
        &["save", "-o", dest, "large"],
        &["save", "--format", "docker", "-o", dest, "large"],
        &["build", "-o", &tar_fifo, large],
        &["build", "-o", &oci_fifo, large],
    ];
    let is_full = |pipe: &std::io::PipeWriter| {
        let mut polled = [rustix::event::PollFd::new(pipe, rustix::event::PollFlags::OUT)];
        rustix::event::poll(&mut polled, Some(&rustix::event::Timespec::default())).unwrap() == 0
    };
    for words in to_stdout {
        let (reader, writer) = std::io::pipe().unwrap();
        let full = writer.try_clone().unwrap();
        let started = Started::new(&env, words, [Stdio::null(), writer.into(), Stdio::null()]);
        wait_until("the pipe is full", || is_full(&full));
        started.ends_by(&env, Signal::TERM);
        drop(reader);
    }
    for words in to_fifo {
        let null = || [Stdio::null(), Stdio::null(), Stdio::null()];
        // Somebody has opened it and does not read.
        let started = Started::new(&env, words, null());
        let mut reader = fs::File::open(&fifo).unwrap();
        reader.read_exact(&mut [0; 512]).unwrap();
        started.ends_by(&env, Signal::TERM);
        drop(reader);
        // Nobody has opened it.
        let started = Started::new(&env, words, null());
        wait_until("it waits", || started.watches_signals());
        started.ends_by(&env, Signal::INT);
    }
    let words = ["build", "--no-cache", "-t", "waits", &id, large];
    let started = Started::new(&env, &words, [Stdio::null(), Stdio::null(), Stdio::null()]);
    let is_built = |path: &PathBuf| path.to_string_lossy().contains("waits");
    wait_until("it has built", || {
        entries(&env.store().join("tags")).iter().any(is_built)
    });
    started.ends_by(&env, Signal::TERM);
    // All is read where somebody reads.
    let started = Started::new(&env, to_fifo[0], [Stdio::null(), Stdio::null(), Stdio::null()]);
    let mut all = Vec::new();
    fs::File::open(&fifo).unwrap().read_to_end(&mut all).unwrap();
    assert_eq!(&all[257..262], b"ustar");
    assert!(started.child.wait_with_output().unwrap().status.success());
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

/// What `load` has begun is gone when a signal ends it: while it reads, and while it unpacks.
#[test]
fn a_load_that_is_stopped_leaves_nothing() {
    const SIZE: u64 = 512 << 20;
    let env = TestEnv::new();
    let large = "FROM busybox:local\nRUN dd if=/dev/zero of=/large bs=1M count=512\n";
    let context = env.context("large", &[("Dockerfile", large)]);
    let archive = env.path("large.tar");
    let output = format!("type=oci,dest={}", archive.display());
    env.load(Base::Busybox);
    env.rbuild(["build", "-o", &output]).arg(context).run().success();
    let store = env.path("other");
    let load = || {
        let load = env.rbuild(["load", "-i"]).arg(&archive);
        load.env("RBUILD_ROOT", &store).start()
    };
    for signal in [Signal::TERM, Signal::INT] {
        // It is halted as soon as it unpacks. Should it have done the half by then, it is tried again.
        loop {
            let running = load();
            wait_until("it unpacks", || size_of(&store.join("tmp")) > 0);
            running.signal(Signal::STOP);
            wait_until("it is halted", || is_halted(running.pid()));
            let is_early = (1..SIZE / 2).contains(&size_of(&store.join("tmp")));
            if is_early {
                running.signal(signal);
            }
            running.signal(Signal::CONT);
            let outcome = running.wait();
            assert!(entries(&store.join("tmp")).is_empty());
            if is_early {
                outcome.exits(128 + signal.as_raw());
                break;
            }
            fs::remove_dir_all(&store).unwrap();
        }
    }
    let fifo = mkfifo(&env, "fifo");
    for signal in [Signal::TERM, Signal::INT] {
        let words = ["load", "-i", fifo.to_str().unwrap()];
        let started = Started::new(&env, &words, [Stdio::null(), Stdio::null(), Stdio::null()]);
        let mut writer = fs::File::options().write(true).open(&fifo).unwrap();
        // More than the pipe holds, so that it has read some.
        writer.write_all(&[0; 1 << 17]).unwrap();
        started.ends_by(&env, signal);
    }
}

/// What the files below a directory hold, while they change.
fn size_of(dir: &Path) -> u64 {
    let size = |path: &PathBuf| match fs::symlink_metadata(path) {
        Ok(meta) if meta.is_dir() => size_of(path),
        Ok(meta) => meta.len(),
        Err(_) => 0,
    };
    entries(dir).iter().map(size).sum()
}

fn is_halted(pid: i32) -> bool {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    status.lines().any(|line| line.starts_with("State:\tT"))
}
