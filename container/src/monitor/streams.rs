//! The streams of a command that a monitor looks after: into the log, out of a fifo.

use super::order::Failed;
use crate::kept::Record;
use crate::kept::files::{CONTROL, STDIN, Word, receive};
use crate::log::{LogWriter, Stream};
use crate::time::now;
use rbuild_sandbox::{SealedSpec, Started, Starter, Stdio, Winsize, resize};
use rbuild_store::containers::ContainerDir;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{Mode, OFlags, fcntl_getfl, fcntl_setfl};
use rustix::io::{Errno, read, retry_on_intr, write};
use rustix::pipe::{PipeFlags, pipe_with};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

/// What is read at once: a pipe holds no more.
const PIECE: usize = 64 * 1024;
/// What is taken of input before the command has read it.
const INPUT: usize = 4096;

/// The streams of one command after the other.
pub(super) struct Streams {
    control: OwnedFd,
    fifo: Option<OwnedFd>,
    tty: bool,
    log: LogWriter,
    /// Standard output or the terminal, and standard error, until their ends.
    output: [Option<OwnedFd>; 2],
    /// Standard input or the terminal, where it is kept open.
    input: Option<OwnedFd>,
    /// What was taken from the fifo and not read by the command yet.
    pending: Vec<u8>,
    /// The bytes that were read last.
    piece: Vec<u8>,
}

impl Streams {
    pub(super) fn open(dir: &ContainerDir, record: &Record, log: LogWriter) -> Result<Self, Failed> {
        let open = |name: &str| receive(&dir.path().join(name)).map_err(system("open its fifos"));
        Ok(Self {
            control: open(CONTROL)?,
            fifo: record.open_stdin.then(|| open(STDIN)).transpose()?,
            tty: record.tty,
            log,
            output: [None, None],
            input: None,
            pending: Vec::new(),
            piece: vec![0; INPUT],
        })
    }

    /// Starts a command on streams of its own.
    pub(super) fn start(
        &mut self,
        starter: &Starter,
        spec: &SealedSpec,
        (rows, columns): (u16, u16),
    ) -> Result<Started, Failed> {
        self.pending.clear();
        if self.tty {
            let size = Winsize {
                ws_row: rows,
                ws_col: columns,
                ws_xpixel: 0,
                ws_ypixel: 0,
            };
            let mut started = starter.spawn(spec, Stdio::Pty { size })?;
            let pty = started.take_pty();
            self.input = pty
                .as_ref()
                .and_then(|pty| duplicate(pty).ok())
                .filter(|_| self.fifo.is_some());
            self.output = [pty, None];
            self.settle()?;
            return Ok(started);
        }
        let pipe = || pipe_with(PipeFlags::CLOEXEC).map_err(system("make a pipe"));
        let ((out, stdout), (err, stderr)) = (pipe()?, pipe()?);
        let (stdin, input) = match &self.fifo {
            Some(_) => pipe().map(|(stdin, input)| (stdin, Some(input)))?,
            None => (null()?, None),
        };
        let stdio = Stdio::Streams {
            stdin,
            stdout,
            stderr,
        };
        let started = starter.spawn(spec, stdio)?;
        self.output = [Some(out), Some(err)];
        self.input = input;
        self.settle()?;
        Ok(started)
    }

    /// Nothing that one side does may keep us from the other.
    fn settle(&self) -> Result<(), Failed> {
        for fd in self.output.iter().chain([&self.input]).flatten() {
            fcntl_getfl(fd)
                .and_then(|flags| fcntl_setfl(fd, flags | OFlags::NONBLOCK))
                .map_err(system("set up its pipes"))?;
        }
        Ok(())
    }

    /// Carries until the command has ended, and all that it printed has arrived.
    pub(super) fn carry(&mut self, started: &Started) {
        while !self.turn(Some(started.pidfd()), None) {}
        for at in 0..self.output.len() {
            while self.output[at].is_some() && self.read_output(at) {}
            self.output[at] = None;
        }
        self.input = None;
    }

    /// Listens so long, or until a word comes.
    pub(super) fn pause(&mut self, time: Duration) {
        self.turn(None, Some(time));
    }

    /// Waits for something and does what there is to do; whether the command has ended.
    fn turn(&mut self, pidfd: Option<BorrowedFd<'_>>, time: Option<Duration>) -> bool {
        let limit = time.map(|time| Timespec {
            tv_sec: i64::try_from(time.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: time.subsec_nanos().into(),
        });
        let takes_input = self
            .fifo
            .as_ref()
            .filter(|_| self.input.is_some() && self.pending.is_empty());
        let gives_input = self.input.as_ref().filter(|_| !self.pending.is_empty());
        let fds = [
            Some((self.control.as_fd(), PollFlags::IN)),
            pidfd.map(|fd| (fd, PollFlags::IN)),
            self.output[0].as_ref().map(|fd| (fd.as_fd(), PollFlags::IN)),
            self.output[1].as_ref().map(|fd| (fd.as_fd(), PollFlags::IN)),
            takes_input.map(|fd| (fd.as_fd(), PollFlags::IN)),
            gives_input.map(|fd| (fd.as_fd(), PollFlags::OUT)),
        ];
        let mut polled: Vec<PollFd<'_>> = fds
            .iter()
            .flatten()
            .map(|(fd, events)| PollFd::from_borrowed_fd(*fd, *events))
            .collect();
        if poll(&mut polled, limit.as_ref()).is_err() {
            return false;
        }
        let mut ready = polled.iter().map(|fd| !fd.revents().is_empty());
        let is_ready = fds.map(|fd| fd.is_some() && ready.next().unwrap_or(false));
        drop(polled);
        let [control, ended, out, err, takes, gives] = is_ready;
        for (at, is_ready) in [(0, out), (1, err)] {
            if is_ready && !self.read_output(at) && !ended {
                // Its end: it must not be asked again and again.
                self.close_at_end(at);
            }
        }
        if takes {
            self.take_input();
        }
        if takes || gives {
            self.give_input();
        }
        if control {
            self.listen();
        }
        ended
    }

    /// Reads once; `false`: there is nothing at the moment.
    fn read_output(&mut self, at: usize) -> bool {
        let Some(fd) = &self.output[at] else { return false };
        let stream = if at == 0 { Stream::Stdout } else { Stream::Stderr };
        match retry_on_intr(|| read(fd, &mut self.piece)) {
            Ok(0) => false,
            Ok(length) => {
                self.log.write(stream, &self.piece[..length], now());
                // Who prints much is read in large pieces; who prints little costs little memory.
                if length == self.piece.len() && length < PIECE {
                    self.piece.resize(PIECE, 0);
                }
                true
            }
            Err(_) => false,
        }
    }

    fn close_at_end(&mut self, at: usize) {
        let Some(fd) = &self.output[at] else { return };
        let mut byte = [0; 1];
        // A pty gives EIO while nobody has its other side; somebody may open it again, but rarely.
        match retry_on_intr(|| read(fd, &mut byte)) {
            Err(Errno::AGAIN) => {}
            Ok(length) if length > 0 => {
                let stream = if at == 0 { Stream::Stdout } else { Stream::Stderr };
                self.log.write(stream, &byte[..length], now());
            }
            _ => self.output[at] = None,
        }
    }

    fn take_input(&mut self) {
        let Some(fifo) = &self.fifo else { return };
        let mut bytes = [0; INPUT];
        if let Ok(length) = retry_on_intr(|| read(fifo, &mut bytes)) {
            self.pending.extend_from_slice(&bytes[..length]);
        }
    }

    fn give_input(&mut self) {
        let Some(input) = &self.input else { return };
        match retry_on_intr(|| write(input, &self.pending)) {
            Ok(length) => drop(self.pending.drain(..length)),
            Err(Errno::AGAIN) => {}
            // The command has closed it: what it does not want is not kept.
            Err(_) => {
                self.pending.clear();
                self.input = None;
            }
        }
    }

    /// Hears what somebody says. To look again is what the caller does after every word.
    fn listen(&mut self) {
        let mut bytes = [0; 512];
        let Ok(length) = retry_on_intr(|| read(&self.control, &mut bytes)) else {
            return;
        };
        let text = String::from_utf8_lossy(&bytes[..length]).into_owned();
        for word in text.lines().filter_map(Word::parse) {
            match word {
                Word::Look => {}
                Word::EndOfInput if self.tty => {}
                Word::EndOfInput => self.end_input(),
                Word::Resize(rows, columns) => {
                    let size = Winsize {
                        ws_row: rows,
                        ws_col: columns,
                        ws_xpixel: 0,
                        ws_ypixel: 0,
                    };
                    if let Some(pty) = self.output[0].as_ref().filter(|_| self.tty) {
                        let _ = resize(pty, size);
                    }
                }
            }
        }
    }

    /// All that was written to the fifo before goes to the command first.
    fn end_input(&mut self) {
        self.take_input();
        self.give_input();
        if self.pending.is_empty() {
            self.input = None;
        }
    }
}

fn system(attempt: &'static str) -> impl Fn(Errno) -> Failed {
    move |errno| Failed::System { attempt, errno }
}

fn duplicate(fd: &OwnedFd) -> Result<OwnedFd, Errno> {
    rustix::io::fcntl_dupfd_cloexec(fd, 3)
}

#[expect(clippy::disallowed_methods, reason = "a device of the host")]
fn null() -> Result<OwnedFd, Failed> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC;
    rustix::fs::open("/dev/null", flags, Mode::empty()).map_err(system("open /dev/null"))
}
