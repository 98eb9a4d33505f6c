//! [`Stop`]: ends a build from outside.

use rbuild_solver::{CancelToken, Subscription};

/// Ends the builds whose [`Request`](crate::Request) has it, and no other: what runs is killed, transfers are cut, long
/// reading and writing fails soon. Clones are one.
#[derive(Clone, Debug, Default)]
pub struct Stop(CancelToken);

impl Stop {
    /// Of builds that go on.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Ends them, and those that begin later. The second call does nothing. Not for a signal handler: it takes locks.
    pub fn stop(&self) {
        self.0.cancel();
    }

    /// Whether [`Stop::stop`] was called.
    #[must_use]
    pub fn is_stopped(&self) -> bool {
        self.0.is_cancelled()
    }

    /// What the solver is cancelled with.
    pub(crate) fn token(&self) -> CancelToken {
        self.0.clone()
    }

    /// Calls something at the end, at once when that has come already, as long as the subscription lives. What fails after
    /// it fails because of it.
    pub fn also(&self, end: impl FnOnce() + Send + 'static) -> Subscription {
        self.0.subscribe(end)
    }
}
