//! Signals that reach `rbuild run`, handed on to the container's command.

use crate::cli::streams::note;
use crate::error::Failure;
use rbuild_container::{ENDING, Process};
use rbuild_sandbox::signals::{SigSet, Signal};
use rbuild_sandbox::{resize, window_size};
use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

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

/// When nobody has to be waited for who does not read what the command printed.
#[derive(Clone, Default)]
pub(super) struct End {
    asked: Arc<AtomicBool>,
    ended: Arc<AtomicBool>,
}

impl End {
    /// The command has ended.
    pub(super) fn has_come(&self) {
        self.ended.store(true, Ordering::Relaxed);
    }

    /// Whether a signal has asked for the end, and the command has ended.
    pub(super) fn is_over(&self) -> bool {
        self.asked.load(Ordering::Relaxed) && self.ended.load(Ordering::Relaxed)
    }
}

/// So many Ctrl-C end a command that does not listen to them.
const PATIENCE: u32 = 3;

/// Keeps the signals from this thread, and from those that are started later, until [`forward`].
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

/// Hands signals on, and the size of the terminal to `pty`, on a thread that ends with our own process.
///
/// # Errors
/// No thread can be started.
pub(super) fn forward(
    process: Process,
    signals: SigSet,
    pty: Option<OwnedFd>,
    end: End,
) -> Result<(), Failure> {
    let mut interrupts = 0;
    std::thread::Builder::new()
        .name("signals".to_owned())
        .spawn(move || {
            while let Ok(signal) = signals.wait() {
                if ENDING.contains(&signal) {
                    end.asked.store(true, Ordering::Relaxed);
                }
                match signal {
                    Signal::SIGWINCH => {
                        if let (Some(pty), Some(size)) = (&pty, terminal_size()) {
                            let _ = resize(pty, size);
                        }
                    }
                    Signal::SIGINT => {
                        interrupts += 1;
                        interrupt(&process, interrupts);
                    }
                    other => process.send(other),
                }
            }
        })
        .map_err(|error| Failure::thread(&error))?;
    Ok(())
}

fn interrupt(process: &Process, count: u32) {
    if count >= PATIENCE {
        return process.end(Signal::SIGINT);
    }
    process.send(Signal::SIGINT);
    if count + 1 == PATIENCE {
        note("once more kills the command");
    }
}

/// The size of the terminal that output goes to, else of the one that input comes from.
pub(super) fn terminal_size() -> Option<rbuild_sandbox::Winsize> {
    window_size(io::stdout())
        .or_else(|_| window_size(io::stdin()))
        .ok()
}
