//! Ctrl-C, SIGTERM and a terminal that hangs up in the cold phase: the build is cancelled, everything that runs is stopped, nothing is left.
//!
//! In the warm phase the default disposition is right: there is nothing to stop and nothing half-written.

use crate::error::Failure;
use rbuild_sandbox::signals::{SigSet, Signal};
use rbuild_solver::CancelToken;
use std::sync::atomic::{AtomicI32, Ordering};

static REQUESTED: AtomicI32 = AtomicI32::new(0);

/// Whether a signal has asked for the end.
pub fn requested() -> bool {
    signal().is_some()
}

/// The first signal that has asked for the end.
pub fn signal() -> Option<i32> {
    Some(REQUESTED.load(Ordering::Relaxed)).filter(|signal| *signal != 0)
}

/// Starts the thread that waits for signals. Threads that are started later inherit the blocked signals.
/// The second signal ends the process at once: its children die with it.
///
/// # Errors
/// The signals cannot be blocked or the thread not be started.
pub fn watch(cancel: CancelToken, transfers: rbuild_registry::Cancel) -> Result<(), Failure> {
    let mut signals = SigSet::empty();
    for signal in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP] {
        signals.add(signal);
    }
    signals
        .thread_block()
        .map_err(|errno| Failure::host(format!("blocking signals: {errno}")))?;
    std::thread::Builder::new()
        .name("signals".to_owned())
        .spawn(move || {
            while let Ok(signal) = signals.wait() {
                if requested() {
                    std::process::exit(128 + signal as i32);
                }
                REQUESTED.store(signal as i32, Ordering::Relaxed);
                transfers.cancel();
                cancel.cancel();
                // After that: what fails now fails because it was stopped.
                rbuild_store::stop();
            }
        })
        .map_err(|error| Failure::host(format!("starting a thread: {error}")))?;
    Ok(())
}
