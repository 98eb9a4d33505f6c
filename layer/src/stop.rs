//! The end of a process that was told to end: whoever reads or writes for long looks here between two pieces.
//!
//! The only state of the process in this crate: a signal ends the whole process, whatever it is doing with which store.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};

static STOPPED: AtomicBool = AtomicBool::new(false);

/// Lets all long reading and writing of this process fail soon. For a process that ends, after it has cleaned up;
/// there is no way back.
pub fn stop() {
    STOPPED.store(true, Ordering::Relaxed);
}

/// Whether [`stop`] was called.
pub fn is_stopped() -> bool {
    STOPPED.load(Ordering::Relaxed)
}

/// Fails after [`stop`].
pub(crate) fn check() -> io::Result<()> {
    match is_stopped() {
        false => Ok(()),
        true => Err(io::Error::other("the process was told to end")),
    }
}
