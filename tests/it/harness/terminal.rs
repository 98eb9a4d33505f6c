//! A pseudo-terminal with a program on it, as a person would sit before it.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rustix::fs::{Mode, OFlags};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{OptionalActions, Termios, Winsize, tcgetattr, tcsetattr, tcsetwinsize};

use super::invocation::Invocation;

/// The master side; the program is the leader of a session whose controlling terminal this is.
pub(crate) struct Terminal {
    master: OwnedFd,
    slave: OwnedFd,
    /// The settings before the program could change them.
    initial: Termios,
    child: Child,
    seen: Arc<Mutex<Vec<u8>>>,
    /// From which byte of the output on it had which rows and columns.
    sizes: Vec<(usize, u16, u16)>,
    deadline: Instant,
}

impl Terminal {
    /// Starts an invocation with a terminal of this size as its stdin, stdout and stderr.
    #[track_caller]
    pub(crate) fn start(invocation: Invocation, rows: u16, columns: u16) -> Terminal {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC)
            .expect("a pty can be opened");
        grantpt(&master).expect("the pty can be granted");
        unlockpt(&master).expect("the pty can be unlocked");
        let name = ptsname(&master, Vec::new()).expect("the pty has a name");
        let slave = rustix::fs::open(
            &name,
            OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC,
            Mode::empty(),
        )
        .expect("the other side of the pty can be opened");
        set_size(&master, rows, columns);
        let initial = tcgetattr(&slave).expect("a terminal has settings");

        // setsid makes the session and takes its stdin as the controlling terminal: no unsafe code is needed here.
        let inner = invocation.into_command();
        let mut command = Command::new("/usr/bin/setsid");
        command
            .args(["--ctty", "--wait"])
            .arg(inner.get_program())
            .args(inner.get_args());
        command
            .env_clear()
            .env("TERM", "xterm-256color")
            .envs(inner.get_envs().filter_map(|(name, value)| Some((name, value?))));
        if let Some(dir) = inner.get_current_dir() {
            command.current_dir(dir);
        }
        let stream = || Stdio::from(slave.try_clone().expect("a descriptor can be copied"));
        let child = command
            .stdin(stream())
            .stdout(stream())
            .stderr(stream())
            .spawn()
            .expect("setsid can be run");

        let seen = Arc::new(Mutex::new(Vec::new()));
        let into = Arc::clone(&seen);
        let mut reader = File::from(master.try_clone().expect("a descriptor can be copied"));
        std::thread::spawn(move || {
            let mut chunk = [0; 4096];
            // EIO: everybody on the other side has gone.
            while let Ok(n) = reader.read(&mut chunk) {
                if n == 0 {
                    break;
                }
                into.lock()
                    .expect("no reader panics")
                    .extend_from_slice(&chunk[..n]);
            }
        });
        Terminal {
            master,
            slave,
            initial,
            child,
            seen,
            sizes: vec![(0, rows, columns)],
            deadline: Instant::now() + Duration::from_secs(120),
        }
    }

    /// Types something. `\x03` is Ctrl-C.
    #[track_caller]
    pub(crate) fn types(&self, text: &str) {
        let mut writer = File::from(self.master.try_clone().expect("a descriptor can be copied"));
        writer
            .write_all(text.as_bytes())
            .expect("the terminal takes input");
    }

    /// Makes the window another size; the programs on it get SIGWINCH.
    pub(crate) fn resize(&mut self, rows: u16, columns: u16) {
        set_size(&self.master, rows, columns);
        let so_far = self.seen.lock().expect("no reader panics").len();
        self.sizes.push((so_far, rows, columns));
    }

    /// What stands on the terminal.
    pub(crate) fn screen(&self) -> vt100::Parser {
        self.drawn(|rows| rows)
    }

    /// All lines, those too that have scrolled out of sight.
    pub(crate) fn lines(&self) -> Vec<String> {
        let screen = self.drawn(|_| 1000);
        let lines = screen.screen().contents();
        lines.lines().map(|line| line.trim_end().to_owned()).collect()
    }

    fn drawn(&self, height: impl Fn(u16) -> u16) -> vt100::Parser {
        let seen = self.seen.lock().expect("no reader panics");
        let ends = self.sizes.iter().skip(1).map(|(from, ..)| *from);
        let mut screen = vt100::Parser::new(1, 1, 0);
        for ((from, rows, columns), end) in self.sizes.iter().zip(ends.chain([seen.len()])) {
            screen.screen_mut().set_size(height(*rows), *columns);
            screen.process(&seen[*from..end]);
        }
        screen
    }

    /// Waits until the screen is as wanted, and returns its lines.
    #[track_caller]
    pub(crate) fn wait_until(&mut self, wanted: impl Fn(&str) -> bool) -> Vec<String> {
        loop {
            let contents = self.screen().screen().contents();
            if wanted(&contents) {
                return contents.lines().map(|line| line.trim_end().to_owned()).collect();
            }
            assert!(
                Instant::now() < self.deadline && self.is_running(),
                "the terminal never was as wanted:\n{contents}"
            );
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn is_running(&mut self) -> bool {
        self.child
            .try_wait()
            .expect("a child can be waited for")
            .is_none()
    }

    /// All output so far, escape sequences included.
    pub(crate) fn seen(&self) -> String {
        String::from_utf8_lossy(&self.seen.lock().expect("no reader panics")).into_owned()
    }

    /// The settings of the terminal: a program that made it raw must put it back.
    pub(crate) fn settings(&self) -> Termios {
        tcgetattr(&self.slave).expect("a terminal has settings")
    }

    /// The settings that it had when the program was started.
    pub(crate) fn initial_settings(&self) -> &Termios {
        &self.initial
    }

    /// Changes the settings before a program looks at them.
    pub(crate) fn set(&self, settings: &Termios) {
        tcsetattr(&self.slave, OptionalActions::Now, settings).expect("a terminal can be set");
    }

    /// Waits until the output holds this text.
    #[track_caller]
    pub(crate) fn wait_for(&mut self, text: &str) {
        while !self.seen().contains(text) {
            let ended = self
                .child
                .try_wait()
                .expect("a child can be waited for")
                .is_some();
            if ended {
                // The reader may be a moment behind.
                std::thread::sleep(Duration::from_millis(100));
            }
            assert!(
                self.seen().contains(text) || !ended,
                "the program ended without {text:?}:\n{}",
                self.seen()
            );
            assert!(
                Instant::now() < self.deadline,
                "the terminal never showed {text:?}:\n{}",
                self.seen()
            );
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Waits until all that was written so far has been read: a word of ours comes after it, and is taken out again.
    fn read_to_the_end(&self) {
        const END: &[u8] = b"\x00the end of what was written\x00";
        let mut writer = File::from(self.slave.try_clone().expect("a descriptor can be copied"));
        writer.write_all(END).expect("a terminal can be written to");
        loop {
            let mut seen = self.seen.lock().expect("no reader panics");
            if let Some(at) = seen.windows(END.len()).position(|part| part == END) {
                seen.truncate(at);
                return;
            }
            drop(seen);
            assert!(Instant::now() < self.deadline, "the terminal is not read");
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// Waits for the program's end.
    #[track_caller]
    pub(crate) fn wait(&mut self) -> ExitStatus {
        loop {
            if let Some(status) = self.child.try_wait().expect("a child can be waited for") {
                self.read_to_the_end();
                return status;
            }
            assert!(
                Instant::now() < self.deadline,
                "the program on the terminal hangs:\n{}",
                self.seen()
            );
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn set_size(master: &impl AsFd, rows: u16, columns: u16) {
    let size = Winsize {
        ws_row: rows,
        ws_col: columns,
        ws_xpixel: 0,
        ws_ypixel: 0,
    };
    tcsetwinsize(master, size).expect("a terminal has a size");
}
