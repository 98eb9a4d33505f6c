//! Starts sandboxes for the tests: reads what to do as JSON from stdin, says what happened as JSON on stdout.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use rbuild_sandbox::{
    Blob, Confinement, ExitStatus, IdMapping, MountKind, Running, SandboxSpec, SpawnError, Stdio, Zygote,
    enter,
};
use serde::{Deserialize, Serialize};

/// One command to run.
#[derive(Deserialize)]
struct Run {
    spec: SandboxSpec,
    /// Content of the spec's secret and read-only files, which its JSON leaves out.
    #[serde(default)]
    blobs: Vec<String>,
    #[serde(default)]
    stdin: String,
    /// Rows and columns of a pty instead of pipes; `stdin` is typed into it.
    pty: Option<(u16, u16)>,
    /// Type into the pty only once the command has written this.
    #[serde(default)]
    after: String,
    /// Signal to send after so many milliseconds.
    signal: Option<(i32, u64)>,
}

#[derive(Deserialize)]
enum Task {
    /// Run each, one after the other.
    Each(Vec<Run>),
    /// Run all at once, from threads.
    AtOnce(Vec<Run>),
    /// Start it, say `started`, wait for the end.
    Announce(Box<Run>),
    /// Start it so many times and measure microseconds from spawn to exit.
    Measure(Box<Run>, usize),
    /// Start it, drop the handle, then run the second.
    DropThenRun(Box<Run>, Box<Run>),
    /// Run it, then list what the zygote still holds open, from outside.
    ZygoteDescriptors(Box<Run>),
}

#[derive(Serialize, Default)]
struct Outcome {
    code: Option<i32>,
    signal: Option<i32>,
    stdout: String,
    stderr: String,
    max_rss: u64,
    error: Option<SpawnError>,
    message: String,
    docker_code: Option<u8>,
}

fn main() {
    let mut text = String::new();
    std::io::stdin().read_to_string(&mut text).expect("stdin");
    let task: Task = serde_json::from_str(&text).expect("a task");
    let started = Instant::now();
    let confinement: Confinement = std::env::var("CONFINEMENT").map_or(Confinement::Namespaces, |name| {
        serde_json::from_value(name.into()).expect("a confinement")
    });
    if confinement != Confinement::Chroot {
        let mapping = IdMapping::for_host(&rbuild_sandbox::Caller::default())
            .unwrap_or_else(|error| fail(&error.to_string(), &format!("{:?}", error.remedy())));
        if let Err(error) = enter(&mapping) {
            fail(&error.to_string(), &format!("{:?}", error.remedy()));
        }
    }
    let entered = started.elapsed();
    // A store lock, for instance, which the zygote must not keep.
    let _held = File::open("/proc/self/status").expect("a file");
    let zygote = Zygote::start(&rbuild_sandbox::Caller::default(), confinement)
        .unwrap_or_else(|error| fail(&error.to_string(), ""));
    let zygote_started = started.elapsed() - entered;
    match task {
        Task::Each(runs) => print(
            &runs
                .into_iter()
                .map(|run| perform(&zygote, run))
                .collect::<Vec<_>>(),
        ),
        Task::AtOnce(runs) => {
            let outcomes: Vec<Outcome> = std::thread::scope(|scope| {
                let threads: Vec<_> = runs
                    .into_iter()
                    .map(|run| scope.spawn(|| perform(&zygote, run)))
                    .collect();
                threads
                    .into_iter()
                    .map(|thread| thread.join().expect("a thread"))
                    .collect()
            });
            print(&outcomes);
        }
        Task::Announce(run) => {
            let (running, _ends) = start(&zygote, *run).expect("spawn");
            println!("started");
            std::io::stdout().flush().expect("stdout");
            let _ = running.wait();
        }
        Task::Measure(run, times) => {
            let run = fill(*run);
            let mut micros = Vec::new();
            for _ in 0..times {
                let begun = Instant::now();
                let null =
                    || OwnedFd::from(File::options().read(true).write(true).open("/dev/null").unwrap());
                let stdio = Stdio::Streams {
                    stdin: null(),
                    stdout: null(),
                    stderr: null(),
                };
                let exit = zygote
                    .spawn(&run.spec, stdio)
                    .expect("spawn")
                    .wait()
                    .expect("wait");
                assert_eq!(exit.status, ExitStatus::Code(0));
                micros.push(begun.elapsed().as_micros() as u64);
            }
            micros.sort_unstable();
            print(&serde_json::json!({
                "enter": entered.as_micros() as u64,
                "zygote": zygote_started.as_micros() as u64,
                "min": micros[0],
                "median": micros[times / 2],
                "p90": micros[times * 9 / 10],
            }));
        }
        Task::DropThenRun(first, second) => {
            drop(start(&zygote, *first).expect("spawn"));
            print(&[perform(&zygote, *second)]);
        }
        Task::ZygoteDescriptors(run) => {
            // Once it has served a step it has let go of what it inherited. Before that any number says nothing.
            let outcome = perform(&zygote, *run);
            assert_eq!(outcome.code, Some(0), "{}", outcome.message);
            let me = std::process::id();
            let children =
                std::fs::read_to_string(format!("/proc/self/task/{me}/children")).expect("children");
            let zygote = children.split_whitespace().next().expect("a zygote");
            let list = || -> Vec<String> {
                std::fs::read_dir(format!("/proc/{zygote}/fd"))
                    .expect("its descriptors")
                    .filter_map(|entry| std::fs::read_link(entry.expect("an entry").path()).ok())
                    .map(|target| target.to_string_lossy().into_owned())
                    .collect()
            };
            // It says that the step has ended, then lets go of it.
            let end = Instant::now() + Duration::from_secs(30);
            let mut names = list();
            while names.len() > 4 && Instant::now() < end {
                std::thread::sleep(Duration::from_millis(5));
                names = list();
            }
            print(&names);
        }
    }
}

fn fail(message: &str, fix: &str) -> ! {
    eprintln!("{message}\nfix: {fix}");
    std::process::exit(3)
}

fn print(value: &(impl Serialize + ?Sized)) {
    println!("{}", serde_json::to_string(value).expect("JSON"));
}

fn fill(mut run: Run) -> Run {
    let mut blobs = run.blobs.drain(..);
    for mount in &mut run.spec.mounts {
        if let MountKind::SecretFile { bytes: blob, .. } | MountKind::ReadOnlyFile { content: blob } =
            &mut mount.kind
        {
            *blob = Blob::from(blobs.next().expect("content for each file").as_str());
        }
    }
    drop(blobs);
    run
}

/// Our ends of the command's streams.
enum Ends {
    Pipes { stdin: File, stdout: File, stderr: File },
    Pty(File),
}

fn start(zygote: &Zygote, run: Run) -> Result<(Running, Ends), SpawnError> {
    let run = fill(run);
    let pipe = || rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).expect("a pipe");
    let (running, mut ends) = match run.pty {
        None => {
            let ((in_there, in_here), (out_here, out_there), (err_here, err_there)) =
                (pipe(), pipe(), pipe());
            let stdio = Stdio::Streams {
                stdin: in_there,
                stdout: out_there,
                stderr: err_there,
            };
            let running = zygote.spawn(&run.spec, stdio)?;
            let ends = Ends::Pipes {
                stdin: in_here.into(),
                stdout: out_here.into(),
                stderr: err_here.into(),
            };
            (running, ends)
        }
        Some((rows, columns)) => {
            let size = rbuild_sandbox::Winsize {
                ws_row: rows,
                ws_col: columns,
                ws_xpixel: 0,
                ws_ypixel: 0,
            };
            let mut running = zygote.spawn(&run.spec, Stdio::Pty { size })?;
            let pty = running.take_pty().expect("a pty");
            (running, Ends::Pty(pty.into()))
        }
    };
    let typed = run.stdin.into_bytes();
    match &mut ends {
        Ends::Pipes { stdin, .. } => stdin.write_all(&typed).expect("stdin"),
        Ends::Pty(pty) => {
            let mut seen = Vec::new();
            let mut byte = [0];
            while !String::from_utf8_lossy(&seen).contains(&run.after)
                && pty.read(&mut byte).is_ok_and(|n| n == 1)
            {
                seen.extend(byte);
            }
            pty.write_all(&typed).expect("the pty");
        }
    }
    if let Some((signal, after)) = run.signal {
        let pidfd = running.pidfd().try_clone_to_owned().expect("a descriptor");
        std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(after));
            let signal = rustix::process::Signal::from_named_raw(signal).expect("a signal");
            let _ = rustix::process::pidfd_send_signal(pidfd.as_fd(), signal);
        });
    }
    Ok((running, ends))
}

fn perform(zygote: &Zygote, run: Run) -> Outcome {
    let (running, ends) = match start(zygote, run) {
        Ok(started) => started,
        Err(error) => {
            return Outcome {
                message: error.to_string(),
                docker_code: Some(error.exit_code()),
                error: Some(error),
                ..Outcome::default()
            };
        }
    };
    let mut outcome = Outcome::default();
    match ends {
        Ends::Pipes {
            stdin,
            mut stdout,
            mut stderr,
        } => {
            drop(stdin);
            let errors = std::thread::spawn(move || {
                let mut bytes = Vec::new();
                let _ = stderr.read_to_end(&mut bytes);
                bytes
            });
            let mut bytes = Vec::new();
            let _ = stdout.read_to_end(&mut bytes);
            outcome.stdout = String::from_utf8_lossy(&bytes).into_owned();
            outcome.stderr = String::from_utf8_lossy(&errors.join().expect("a thread")).into_owned();
        }
        Ends::Pty(mut pty) => {
            let mut bytes = Vec::new();
            // EIO is how a pty says that its other side is closed.
            let _ = pty.read_to_end(&mut bytes);
            outcome.stdout = String::from_utf8_lossy(&bytes).into_owned();
        }
    }
    match running.wait() {
        Ok(exit) => {
            outcome.max_rss = exit.max_rss;
            match exit.status {
                ExitStatus::Code(code) => outcome.code = Some(code),
                ExitStatus::Signal(signal) => outcome.signal = Some(signal),
            }
        }
        Err(error) => outcome.message = error.to_string(),
    }
    outcome
}
