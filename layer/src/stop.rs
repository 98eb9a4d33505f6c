//! [`Stop`]: ends long reading and writing from outside. Whoever reads or writes for long looks at it between two pieces.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Ends what was given it, soon and for good. Clones are one.
#[derive(Debug, Clone, Default)]
pub struct Stop(Arc<AtomicBool>);

impl Stop {
    /// Of work that goes on.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Lets all long reading and writing that was given this one fail soon. Call it after whatever explains that
    /// failure.
    pub fn stop(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether [`Stop::stop`] was called.
    #[must_use]
    pub fn is_stopped(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// Fails after [`Stop::stop`].
    pub(crate) fn check(&self) -> io::Result<()> {
        match self.is_stopped() {
            false => Ok(()),
            true => Err(io::Error::other("the work was told to end")),
        }
    }
}
