//! A container's first process: signals on their way to it, and its end.
//!
//! It is the first process of its pid namespace, and the kernel keeps from such a process every signal that it has no
//! handler for (`pid_namespaces(7)`). So that Ctrl-C, `kill` and `timeout` end `sleep 1000` in a container as they end it
//! outside, a signal that would end any other process kills the command here, and counts as what ended it.

use rbuild_sandbox::signals::{Disposition, Signal, pid_of};
use rbuild_sandbox::{Exit, ExitStatus, Running, SpawnError, signal_of_key};
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};

/// Signals that ask for an end.
pub const ENDING: [Signal; 4] = [Signal::SIGHUP, Signal::SIGINT, Signal::SIGQUIT, Signal::SIGTERM];

/// A container's first process. Cheap to clone.
#[derive(Clone)]
pub struct Process {
    running: Arc<Running>,
    /// The signal for which the command was killed; 0 for none.
    ended_by: Arc<AtomicI32>,
}

impl Process {
    pub(crate) fn new(running: Running) -> Self {
        Self {
            running: Arc::new(running),
            ended_by: Arc::default(),
        }
    }

    /// Its number, where `/proc` is the host's; `None` when it has ended.
    #[must_use]
    pub fn pid(&self) -> Option<i32> {
        pid_of(self.running.pidfd())
    }

    /// Sends a signal, which does what it would do to any other process. A command that has ended needs none.
    pub fn send(&self, signal: Signal) {
        if ENDING.contains(&signal) && self.running.disposition(signal as i32) == Some(Disposition::Default) {
            return self.end(signal);
        }
        let _ = self.running.signal(signal as i32);
    }

    /// Does what the kernel does for other processes when this key is typed; `pty` has had the byte already.
    pub fn typed(&self, pty: impl AsFd, byte: u8) {
        if let Some(signal) = signal_of_key(&pty, byte)
            && self.running.is_in_foreground(&pty)
            && self.running.disposition(signal as i32) == Some(Disposition::Default)
        {
            self.end(signal);
        }
    }

    /// Kills the command, as if this signal had ended it.
    pub fn end(&self, signal: Signal) {
        self.ended_by.store(signal as i32, Ordering::Relaxed);
        self.running.kill();
    }

    pub(crate) fn kill(&self) {
        self.running.kill();
    }

    /// Waits for the command's end.
    ///
    /// # Errors
    /// The sandbox's starter process is gone.
    pub fn wait(&self) -> Result<Exit, SpawnError> {
        let exit = self.running.wait()?;
        Ok(Exit {
            status: status(exit.status, self.ended_by.load(Ordering::Relaxed)),
            ..exit
        })
    }
}

fn status(status: ExitStatus, ended_by: i32) -> ExitStatus {
    const KILLED: ExitStatus = ExitStatus::Signal(Signal::SIGKILL as i32);
    match (status, ended_by) {
        (KILLED, signal) if signal != 0 => ExitStatus::Signal(signal),
        (status, _) => status,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kill_in_place_of_a_signal_counts_as_the_signal() {
        assert_eq!(status(ExitStatus::Signal(9), 15), ExitStatus::Signal(15));
        assert_eq!(status(ExitStatus::Signal(9), 0), ExitStatus::Signal(9));
        // It ended by itself a moment before.
        assert_eq!(status(ExitStatus::Code(3), 15), ExitStatus::Code(3));
    }
}
