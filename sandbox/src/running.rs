//! A command that runs, and how it ended.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Mutex;
use std::time::Duration;

use rustix::io::Errno;

use crate::cgroup::{Group, Statistics};
use crate::signals::{self, Disposition};
use crate::spawn_error::{Phase, SpawnError};
use crate::sys::Ended;
use crate::wire::Reply;

/// What the command reads and writes.
#[derive(Debug)]
pub enum Stdio {
    /// Descriptors of the caller. Pipes change their owner to the command's user, so that it can open `/dev/stdout`.
    Streams {
        /// Becomes descriptor 0.
        stdin: OwnedFd,
        /// Becomes descriptor 1.
        stdout: OwnedFd,
        /// Becomes descriptor 2.
        stderr: OwnedFd,
    },
    /// A new pseudo-terminal of the container, controlling terminal of a new session, also at `/dev/console`. The
    /// other side is had from [`Running::take_pty`].
    Pty {
        /// Its size.
        size: rustix::termios::Winsize,
    },
}

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exit {
    /// Exit code or signal.
    pub status: ExitStatus,
    /// Peak resident size of the largest of its processes, in bytes. Not below the zygote's own, some megabytes.
    pub max_rss: u64,
    /// User and system time of all its processes that were waited for.
    pub cpu: Duration,
    /// What its group counted, where it had one.
    pub group: Option<Statistics>,
}

impl Exit {
    /// The most memory that it had: of all its processes, files that were kept in memory included, where a group counted;
    /// else of its largest process.
    pub fn memory_peak(&self) -> u64 {
        let counted = self.group.and_then(|group| group.memory_peak);
        counted.unwrap_or(self.max_rss)
    }

    /// The processor time of all its processes where a group counted, else of those that were waited for.
    pub fn cpu_time(&self) -> Duration {
        let counted = self.group.and_then(|group| group.cpu);
        counted.unwrap_or(self.cpu)
    }

    /// What its group counted, when the kernel killed a process of it because memory ran out.
    pub fn out_of_memory(&self) -> Option<Statistics> {
        self.group.filter(|group| group.oom_kills.unwrap_or(0) > 0)
    }
}

/// An exit code or the signal that killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum ExitStatus {
    /// Ended by itself with this code.
    Code(i32),
    /// Killed by this signal.
    Signal(i32),
}

impl ExitStatus {
    /// The code that a shell reports: the exit code, or 128 plus the signal.
    pub fn shell_code(self) -> i32 {
        match self {
            ExitStatus::Code(code) => code,
            ExitStatus::Signal(signal) => 128 + signal,
        }
    }
}

/// A command that runs. Dropping it kills the command and everything it started.
#[derive(Debug)]
pub struct Running {
    reply: OwnedFd,
    pidfd: OwnedFd,
    pty: Option<OwnedFd>,
    end: Mutex<End>,
}

/// How a command ended, and the group that it is in until then.
#[derive(Debug)]
struct End {
    exit: Option<Exit>,
    group: Option<Group>,
}

impl Running {
    pub(crate) fn new(reply: OwnedFd, pidfd: OwnedFd, pty: Option<OwnedFd>, group: Option<Group>) -> Self {
        Self {
            reply,
            pidfd,
            pty,
            end: Mutex::new(End { exit: None, group }),
        }
    }

    /// What its group counts, where it has one and lives.
    pub fn statistics(&self) -> Option<Statistics> {
        let end = self.end.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        end.group.as_ref().map(Group::statistics)
    }

    /// Waits until the command has ended; everything that it left behind is dead then too. May be called again.
    ///
    /// # Errors
    /// When the zygote died; then the command is killed.
    pub fn wait(&self) -> Result<Exit, SpawnError> {
        let mut end = self.end.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        if let Some(exit) = end.exit {
            return Ok(exit);
        }
        let gone = |reason: String| {
            self.kill();
            SpawnError::words(Phase::Request, reason)
        };
        match Reply::receive(self.reply.as_fd()) {
            Ok(Some(Reply::Ended(ended))) => {
                // Its last process is gone, so the group goes too.
                let group = end.group.take();
                let exit = Exit {
                    group: group.map(|group| group.statistics()),
                    ..Exit::from(ended)
                };
                end.exit = Some(exit);
                Ok(exit)
            }
            Ok(None) => Err(gone("the starter process is gone".to_owned())),
            Ok(Some(_)) => Err(gone("an answer out of order".to_owned())),
            Err(errno) => Err(gone(errno.to_string())),
        }
    }

    /// Sends a signal to the command's first process. As the first of its pid namespace it ignores all but `SIGKILL`
    /// and `SIGSTOP` unless it has a handler. A command that has ended is no error.
    ///
    /// # Errors
    /// `EINVAL` for a number that is no signal.
    pub fn signal(&self, signal: i32) -> Result<(), Errno> {
        signals::send(self.pidfd(), signal)
    }

    /// What the command's first process does about a signal. `None` when it has ended, or `/proc` does not say.
    pub fn disposition(&self, signal: i32) -> Option<Disposition> {
        signals::disposition(signals::pid_of(self.pidfd())?, signal)
    }

    /// Whether the command's first process is the one that a terminal sends its signals to.
    pub fn is_in_foreground(&self, pty: impl AsFd) -> bool {
        let group = rustix::termios::tcgetpgrp(pty)
            .ok()
            .map(|group| group.as_raw_nonzero().get());
        group.is_some() && group == signals::pid_of(self.pidfd())
    }

    /// Kills the command and with it every process of its sandbox.
    pub fn kill(&self) {
        // SIGKILL to a process of our own can only fail because it is gone.
        let _ = self.signal(libc::SIGKILL);
    }

    /// The outer side of the pty, once, when one was asked for.
    pub fn take_pty(&mut self) -> Option<OwnedFd> {
        self.pty.take()
    }

    /// Becomes readable when the command has ended.
    pub fn pidfd(&self) -> BorrowedFd<'_> {
        self.pidfd.as_fd()
    }
}

impl From<Ended> for Exit {
    fn from(ended: Ended) -> Self {
        let status = if libc::WIFSIGNALED(ended.status) {
            ExitStatus::Signal(libc::WTERMSIG(ended.status))
        } else {
            ExitStatus::Code(libc::WEXITSTATUS(ended.status))
        };
        Self {
            status,
            max_rss: ended.max_rss,
            cpu: ended.cpu,
            group: None,
        }
    }
}
