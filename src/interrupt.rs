//! Ctrl-C, SIGTERM and a terminal that hangs up in the cold phase: the build is cancelled, everything that runs is stopped, nothing is left.
//!
//! In the warm phase the default disposition is right: there is nothing to stop and nothing half-written. Only where a
//! context is fetched something must go, so that signals are watched from then on, by a thread that can be
//! [ended](Watch::end). Verbs that write files or blobs for long do it [`stoppable`].

use crate::error::{Failure, Kind};
use rbuild_sandbox::signals::{SigSet, Signal};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};
use std::thread::JoinHandle;

/// The signal that has asked for the end; [`WATCHED`] or [`UNWATCHED`] where there was none.
static REQUESTED: AtomicI32 = AtomicI32::new(UNWATCHED);
/// A signal ends the process.
const UNWATCHED: i32 = -1;
/// A signal is noted.
const WATCHED: i32 = 0;

/// Whether a signal has asked for the end.
pub fn requested() -> bool {
    signal().is_some()
}

/// The first signal that has asked for the end.
pub fn signal() -> Option<i32> {
    Some(REQUESTED.load(Ordering::Relaxed)).filter(|signal| *signal > 0)
}

/// Whether a signal no longer ends the process by itself.
pub fn is_watched() -> bool {
    REQUESTED.load(Ordering::Relaxed) != UNWATCHED
}

/// The thread that waits for signals. Without a call of [`Watch::end`] it waits as long as the process lives.
#[derive(Debug)]
pub struct Watch {
    thread: JoinHandle<()>,
    is_over: Arc<AtomicBool>,
}

/// What wakes the thread that shall end. Nobody else has a use for it: without a handler it does nothing.
const WAKE: Signal = Signal::SIGURG;

impl Watch {
    /// Ends the thread. Signals stay blocked, and those that come wait for the next [`watch`].
    pub fn end(self) {
        self.is_over.store(true, Ordering::Release);
        let woken = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::URG);
        if woken.is_ok() {
            let _ = self.thread.join();
        }
    }
}

/// Starts the thread that waits for signals. Threads that are started later inherit the blocked signals.
/// The first signal calls `stop`, the second one ends the process at once: its children die with it.
///
/// # Errors
/// The signals cannot be blocked or the thread not be started.
pub fn watch(stop: impl Fn() + Send + 'static) -> io::Result<Watch> {
    let mut signals = SigSet::empty();
    for signal in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP, WAKE] {
        signals.add(signal);
    }
    signals
        .thread_block()
        .map_err(|errno| io::Error::other(format!("blocking signals: {errno}")))?;
    let _ = REQUESTED.compare_exchange(UNWATCHED, WATCHED, Ordering::Relaxed, Ordering::Relaxed);
    let is_over = Arc::new(AtomicBool::new(false));
    let over = Arc::clone(&is_over);
    let thread = std::thread::Builder::new()
        .name("signals".to_owned())
        .spawn(move || {
            while let Ok(signal) = signals.wait() {
                if signal == WAKE {
                    match over.load(Ordering::Acquire) {
                        true => return,
                        // Of somebody else.
                        false => continue,
                    }
                }
                if requested() {
                    std::process::exit(128 + signal as i32);
                }
                REQUESTED.store(signal as i32, Ordering::Relaxed);
                stop();
            }
        })
        .map_err(|error| io::Error::other(format!("starting a thread: {error}")))?;
    Ok(Watch { thread, is_over })
}

/// Does work that a signal ends early, after it has cleaned up. Call it while the process has one thread.
///
/// # Errors
/// The work's own, [`failure`] when it was stopped, or that signals cannot be watched.
pub fn stoppable<T, E: Into<Failure>>(
    stop: impl Fn() + Send + 'static,
    work: impl FnOnce() -> Result<T, E>,
) -> Result<T, Failure> {
    let _watch = watch(stop).map_err(|error| Failure::host(error.to_string()))?;
    work().map_err(|error| or_failure(error.into()))
}

/// What fails after a signal fails because of it.
pub fn or_failure(other: Failure) -> Failure {
    if requested() { failure() } else { other }
}

/// The end that was asked for, with the exit code of the signal.
#[must_use]
pub fn failure() -> Failure {
    let failure = Failure::new(Kind::Interrupted, "interrupted");
    match signal().and_then(|signal| u8::try_from(128 + signal).ok()) {
        Some(code) => failure.with_exit_code(code),
        None => failure,
    }
}
