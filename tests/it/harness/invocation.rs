//! One child process: what it is given, and waiting for it without waiting forever.

use std::ffi::{OsStr, OsString};
use std::io::{Read, Write};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::outcome::Outcome;

/// A child that takes longer is killed, and the test fails. Not a measure of speed: only the end of a hang.
const PATIENCE: Duration = Duration::from_secs(240);

/// A command about to be run, in an environment that holds nothing of the caller's.
pub(crate) struct Invocation {
    command: Command,
    stdin: Vec<u8>,
    patience: Duration,
}

impl Invocation {
    pub(crate) fn new(program: impl AsRef<OsStr>) -> Invocation {
        let mut command = Command::new(program);
        command.env_clear();
        // A group of its own, so that a hang can be ended together with whatever it started.
        command.process_group(0);
        Invocation {
            command,
            stdin: Vec::new(),
            patience: PATIENCE,
        }
    }

    pub(crate) fn arg(mut self, arg: impl AsRef<OsStr>) -> Invocation {
        self.command.arg(arg);
        self
    }

    pub(crate) fn args<S: AsRef<OsStr>>(mut self, args: impl IntoIterator<Item = S>) -> Invocation {
        self.command.args(args);
        self
    }

    pub(crate) fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Invocation {
        self.command.env(name, value);
        self
    }

    pub(crate) fn env_remove(mut self, name: &str) -> Invocation {
        self.command.env_remove(name);
        self
    }

    pub(crate) fn cwd(mut self, dir: impl AsRef<Path>) -> Invocation {
        self.command.current_dir(dir);
        self
    }

    /// What the child reads on its standard input; nothing at all unless told.
    pub(crate) fn stdin(mut self, bytes: impl Into<Vec<u8>>) -> Invocation {
        self.stdin = bytes.into();
        self
    }

    /// How long to wait before the child counts as hanging.
    pub(crate) fn patience(mut self, patience: Duration) -> Invocation {
        self.patience = patience;
        self
    }

    /// The bare command, for a test that needs other streams.
    pub(crate) fn into_command(self) -> Command {
        self.command
    }

    /// Runs to the end.
    #[track_caller]
    pub(crate) fn run(self) -> Outcome {
        self.start().wait()
    }

    /// Starts, and leaves it running. Dropping the result kills it.
    #[track_caller]
    pub(crate) fn start(mut self) -> Running {
        let shown = shown(&self.command);
        self.command.stdin(if self.stdin.is_empty() {
            Stdio::null()
        } else {
            Stdio::piped()
        });
        let mut child = match self.command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn() {
            Ok(child) => child,
            Err(error) => panic!("cannot start {shown}: {error}"),
        };
        if let Some(mut pipe) = child.stdin.take() {
            let bytes = std::mem::take(&mut self.stdin);
            // A child that does not read its input is the child's business: EPIPE is no failure.
            std::thread::spawn(move || drop(pipe.write_all(&bytes)));
        }
        let stdout = Gathered::from(child.stdout.take().expect("stdout is a pipe"));
        let stderr = Gathered::from(child.stderr.take().expect("stderr is a pipe"));
        Running {
            child,
            command: shown,
            stdout,
            stderr,
            deadline: Instant::now() + self.patience,
            done: false,
        }
    }
}

/// A child that runs.
pub(crate) struct Running {
    child: Child,
    command: String,
    stdout: Gathered,
    stderr: Gathered,
    deadline: Instant,
    done: bool,
}

impl Running {
    pub(crate) fn pid(&self) -> i32 {
        i32::try_from(self.child.id()).expect("a pid is an i32")
    }

    /// Sends a signal to the child alone.
    pub(crate) fn signal(&self, signal: rustix::process::Signal) {
        let pid = rustix::process::Pid::from_raw(self.pid()).expect("a child has a pid");
        // It may have ended already; then there is nobody to tell.
        let _ = rustix::process::kill_process(pid, signal);
    }

    pub(crate) fn is_running(&mut self) -> bool {
        self.child.try_wait().is_ok_and(|status| status.is_none())
    }

    /// Standard output so far.
    pub(crate) fn seen(&self) -> String {
        String::from_utf8_lossy(&self.stdout.so_far()).into_owned()
    }

    /// Waits until standard output or standard error holds the text; the line with it is returned.
    #[track_caller]
    pub(crate) fn wait_for(&mut self, text: &str) -> String {
        loop {
            let ended = !self.is_running();
            for gathered in [&self.stdout, &self.stderr] {
                let so_far = gathered.so_far();
                let so_far = String::from_utf8_lossy(&so_far);
                // A line that is still being written would be returned in part.
                if let Some(line) = so_far
                    .split_inclusive('\n')
                    .find(|line| line.contains(text) && (ended || line.ends_with('\n')))
                {
                    return line.trim_end().to_owned();
                }
            }
            if ended || Instant::now() > self.deadline {
                let (out, err) = (self.stdout.so_far(), self.stderr.so_far());
                panic!(
                    "{} never printed {text:?}\n--- stdout\n{}\n--- stderr\n{}",
                    self.command,
                    String::from_utf8_lossy(&out),
                    String::from_utf8_lossy(&err)
                );
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Waits for the end.
    #[track_caller]
    pub(crate) fn wait(mut self) -> Outcome {
        let mut pause = Duration::from_micros(500);
        let status = loop {
            if let Some(status) = self.child.try_wait().expect("a child can be waited for") {
                break status;
            }
            if Instant::now() > self.deadline {
                self.kill_group();
                let (out, err) = (self.stdout.so_far(), self.stderr.so_far());
                panic!(
                    "{} hangs\n--- stdout\n{}\n--- stderr\n{}",
                    self.command,
                    String::from_utf8_lossy(&out),
                    String::from_utf8_lossy(&err)
                );
            }
            std::thread::sleep(pause);
            pause = (pause * 2).min(Duration::from_millis(20));
        };
        self.done = true;
        // A pipe that stays open means that a process was left behind with it: that fails below, it does not hang.
        let stdout = self.stdout.all(&self.command);
        let stderr = self.stderr.all(&self.command);
        Outcome {
            command: self.command.clone(),
            status,
            stdout,
            stderr,
        }
    }

    fn kill_group(&mut self) {
        if let Some(group) = rustix::process::Pid::from_raw(self.pid()) {
            let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
        }
        let _ = self.child.wait();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if !self.done {
            self.kill_group();
        }
    }
}

/// What a pipe has brought so far, read by a thread so that a full pipe never stops the child.
struct Gathered {
    bytes: Arc<Mutex<Vec<u8>>>,
    thread: Option<JoinHandle<()>>,
}

impl Gathered {
    fn from(mut pipe: impl Read + Send + 'static) -> Gathered {
        let bytes = Arc::new(Mutex::new(Vec::new()));
        let into = Arc::clone(&bytes);
        let thread = std::thread::spawn(move || {
            let mut chunk = vec![0; 1 << 16];
            while let Ok(n) = pipe.read(&mut chunk) {
                if n == 0 {
                    break;
                }
                into.lock()
                    .expect("no reader panics")
                    .extend_from_slice(&chunk[..n]);
            }
        });
        Gathered {
            bytes,
            thread: Some(thread),
        }
    }

    fn so_far(&self) -> Vec<u8> {
        self.bytes.lock().expect("no reader panics").clone()
    }

    #[track_caller]
    fn all(&mut self, command: &str) -> Vec<u8> {
        if let Some(thread) = self.thread.take() {
            let deadline = Instant::now() + Duration::from_secs(10);
            while !thread.is_finished() {
                assert!(
                    Instant::now() < deadline,
                    "{command} has ended, but something it started holds its output open"
                );
                std::thread::sleep(Duration::from_millis(1));
            }
            let _ = thread.join();
        }
        self.so_far()
    }
}

fn shown(command: &Command) -> String {
    let words: Vec<OsString> = std::iter::once(command.get_program())
        .chain(command.get_args())
        .map(OsStr::to_owned)
        .collect();
    words
        .iter()
        .map(|word| word.to_string_lossy())
        .collect::<Vec<_>>()
        .join(" ")
}
