//! Ctrl-C and SIGTERM in the cold phase: the build is cancelled, everything that runs is stopped, nothing is left.
//!
//! In the warm phase the default disposition is right: there is nothing to stop and nothing half-written.

use crate::error::Failure;
use rbuild_sandbox::signals::{SigSet, Signal};
use rbuild_solver::CancelToken;
use std::sync::atomic::{AtomicBool, Ordering};

static TERMINATED: AtomicBool = AtomicBool::new(false);
static REQUESTED: AtomicBool = AtomicBool::new(false);

/// Whether a signal has asked for the end.
pub fn requested() -> bool {
    REQUESTED.load(Ordering::Relaxed)
}

/// Whether it was SIGTERM that ended the build.
pub fn was_terminated() -> bool {
    TERMINATED.load(Ordering::Relaxed)
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
            let mut first = true;
            while let Ok(signal) = signals.wait() {
                if signal != Signal::SIGINT {
                    TERMINATED.store(true, Ordering::Relaxed);
                }
                if !first {
                    std::process::exit(128 + signal as i32);
                }
                first = false;
                REQUESTED.store(true, Ordering::Relaxed);
                transfers.cancel();
                cancel.cancel();
            }
        })
        .map_err(|error| Failure::host(format!("starting a thread: {error}")))?;
    Ok(())
}
