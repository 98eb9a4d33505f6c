//! Signals on their way to a container's command.
//!
//! The command is the first process of its pid namespace, and the kernel keeps from such a process every signal that
//! it has no handler for. So that Ctrl-C, `kill` and `timeout` end `rbuild run IMAGE sleep 1000` as they end
//! `sleep 1000`, a signal that would end any other process kills the command here, and counts as what ended it.

use crate::error::Failure;
use rbuild_sandbox::signals::{Disposition, SigSet, Signal};
use rbuild_sandbox::{Exit, ExitStatus, Running, resize, signal_of_key, window_size};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};

/// Signals that are handed on.
const FORWARDED: [Signal; 9] = [
    Signal::SIGHUP,
    Signal::SIGINT,
    Signal::SIGQUIT,
    Signal::SIGTERM,
    Signal::SIGUSR1,
    Signal::SIGUSR2,
    Signal::SIGCONT,
    Signal::SIGWINCH,
    Signal::SIGTSTP,
];

/// Those that ask for an end.
const ENDING: [Signal; 4] = [Signal::SIGHUP, Signal::SIGINT, Signal::SIGQUIT, Signal::SIGTERM];

/// So many Ctrl-C end a command that does not listen to them.
const PATIENCE: u32 = 3;

/// Keeps the signals from this thread, and from those that are started later, until [`Target::forward`].
///
/// # Errors
/// What the kernel says.
pub(super) fn block() -> Result<SigSet, Failure> {
    let mut signals = SigSet::empty();
    for signal in FORWARDED {
        signals.add(signal);
    }
    signals
        .thread_block()
        .map_err(|errno| Failure::host(format!("blocking signals: {errno}")))?;
    Ok(signals)
}

/// The command as the receiver of signals.
#[derive(Clone)]
pub(super) struct Target {
    running: Arc<Running>,
    /// The signal for which the command was killed; 0 for none.
    ended_by: Arc<AtomicI32>,
}

impl Target {
    pub(super) fn new(running: Arc<Running>) -> Self {
        Self {
            running,
            ended_by: Arc::default(),
        }
    }

    /// Hands signals on, and the size of the terminal to `pty`, on a thread that ends with the process.
    ///
    /// # Errors
    /// No thread can be started.
    pub(super) fn forward(&self, signals: SigSet, pty: Option<OwnedFd>) -> Result<(), Failure> {
        let target = self.clone();
        let mut interrupts = 0;
        std::thread::Builder::new()
            .name("signals".to_owned())
            .spawn(move || {
                while let Ok(signal) = signals.wait() {
                    match signal {
                        Signal::SIGWINCH => {
                            if let (Some(pty), Some(size)) = (&pty, terminal_size()) {
                                let _ = resize(pty, size);
                            }
                        }
                        Signal::SIGINT => {
                            interrupts += 1;
                            target.interrupt(interrupts);
                        }
                        other => target.send(other),
                    }
                }
            })
            .map_err(|error| Failure::thread(&error))?;
        Ok(())
    }

    fn interrupt(&self, count: u32) {
        if count >= PATIENCE {
            return self.end(Signal::SIGINT);
        }
        self.send(Signal::SIGINT);
        if count + 1 == PATIENCE {
            crate::cli::streams::note("once more kills the command");
        }
    }

    fn send(&self, signal: Signal) {
        if ENDING.contains(&signal) && self.running.disposition(signal as i32) == Some(Disposition::Default) {
            return self.end(signal);
        }
        // A command that has ended needs no signal.
        let _ = self.running.signal(signal as i32);
    }

    /// Does what the kernel does for other processes when this key is typed; `pty` has had the byte already.
    pub(super) fn typed(&self, pty: impl AsFd, byte: u8) {
        if let Some(signal) = signal_of_key(&pty, byte)
            && self.running.is_in_foreground(&pty)
            && self.running.disposition(signal as i32) == Some(Disposition::Default)
        {
            self.end(signal);
        }
    }

    fn end(&self, signal: Signal) {
        self.ended_by.store(signal as i32, Ordering::Relaxed);
        self.running.kill();
    }

    /// Waits for the command's end: the exit code as shells count.
    ///
    /// # Errors
    /// The sandbox's starter process is gone.
    pub(super) fn wait(&self) -> Result<u8, Failure> {
        let exit = self.running.wait().map_err(Failure::from_host)?;
        Ok(code(exit, self.ended_by.load(Ordering::Relaxed)))
    }
}

fn code(exit: Exit, ended_by: i32) -> u8 {
    const KILLED: ExitStatus = ExitStatus::Signal(Signal::SIGKILL as i32);
    let status = match (exit.status, ended_by) {
        (KILLED, signal) if signal != 0 => ExitStatus::Signal(signal),
        (status, _) => status,
    };
    u8::try_from(status.shell_code() & 0xff).unwrap_or(125)
}

/// The size of the terminal that output goes to, else of the one that input comes from.
pub(super) fn terminal_size() -> Option<rbuild_sandbox::Winsize> {
    window_size(io::stdout())
        .or_else(|_| window_size(io::stdin()))
        .ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kill_in_place_of_a_signal_counts_as_the_signal() {
        let exit = |status| Exit {
            status,
            max_rss: 0,
            cpu: std::time::Duration::ZERO,
        };
        assert_eq!(code(exit(ExitStatus::Signal(9)), 15), 143);
        assert_eq!(code(exit(ExitStatus::Signal(9)), 0), 137);
        // It ended by itself a moment before.
        assert_eq!(code(exit(ExitStatus::Code(3)), 15), 3);
    }
}
