//! [`Stop`]: ends a build from outside.

use crate::pull::Puller;
use rbuild_solver::CancelToken;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Ends one build: what runs is killed, transfers are cut, long reading and writing fails soon. Clones are one.
#[derive(Clone)]
pub struct Stop {
    cancel: CancelToken,
    transfers: Arc<dyn Fn() + Send + Sync>,
    called: Arc<AtomicBool>,
}

impl Stop {
    pub(crate) fn new(cancel: CancelToken, puller: &Puller) -> Self {
        Self {
            cancel,
            transfers: Arc::new(puller.stopper()),
            called: Arc::default(),
        }
    }

    /// Ends the build. The second call does nothing. Not for a signal handler: it takes locks.
    pub fn stop(&self) {
        self.called.store(true, Ordering::Release);
        (self.transfers)();
        self.cancel.cancel();
        // After that: what fails now fails because it was stopped.
        rbuild_layer::stop();
    }
}

impl Stop {
    /// Whether [`Stop::stop`] was called.
    #[must_use]
    pub fn was_called(&self) -> bool {
        self.called.load(Ordering::Acquire)
    }
}

impl std::fmt::Debug for Stop {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Stop").field(&self.cancel.is_cancelled()).finish()
    }
}
