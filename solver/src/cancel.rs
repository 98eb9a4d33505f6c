//! [`CancelToken`]: one bit that goes from false to true once, and wakes whoever waits for it.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Says that work should stop. Clones share the bit. Not for use inside a signal handler: it takes a lock.
#[derive(Clone, Default)]
pub struct CancelToken(Arc<Shared>);

#[derive(Default)]
struct Shared {
    cancelled: AtomicBool,
    waiters: Mutex<Waiters>,
    changed: Condvar,
}

#[derive(Default)]
struct Waiters {
    next: u64,
    callbacks: Vec<(u64, Callback)>,
}

type Callback = Box<dyn FnOnce() + Send>;

/// Keeps a callback registered; dropping it takes the callback back.
#[must_use = "the callback is taken back when this is dropped"]
pub struct Subscription {
    shared: Arc<Shared>,
    id: u64,
}

impl CancelToken {
    /// A token that nobody has cancelled.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the bit, wakes the waiters and runs the callbacks on this thread. The second call does nothing.
    pub fn cancel(&self) {
        let callbacks = {
            let mut waiters = self.0.lock();
            if self.0.cancelled.swap(true, Ordering::AcqRel) {
                return;
            }
            self.0.changed.notify_all();
            std::mem::take(&mut waiters.callbacks)
        };
        callbacks.into_iter().for_each(|(_, callback)| callback());
    }

    /// Whether it was cancelled.
    pub fn is_cancelled(&self) -> bool {
        self.0.cancelled.load(Ordering::Acquire)
    }

    /// Sleeps until cancelled, at most so long; true if cancelled.
    pub fn wait_timeout(&self, at_most: Duration) -> bool {
        let end = Instant::now() + at_most;
        let mut waiters = self.0.lock();
        loop {
            if self.is_cancelled() {
                return true;
            }
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            waiters = self
                .0
                .changed
                .wait_timeout(waiters, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
    }

    /// Runs `callback` when cancelled, on the cancelling thread; at once if that has already happened. To stop a
    /// process or wake a poll. The callback must not block.
    pub fn subscribe(&self, callback: impl FnOnce() + Send + 'static) -> Subscription {
        let mut waiters = self.0.lock();
        waiters.next += 1;
        let id = waiters.next;
        if self.is_cancelled() {
            drop(waiters);
            callback();
        } else {
            waiters.callbacks.push((id, Box::new(callback)));
        }
        Subscription {
            shared: self.0.clone(),
            id,
        }
    }

    /// A token that is cancelled with this one, but can be cancelled alone. It follows while the subscription lives.
    pub fn child(&self) -> (CancelToken, Subscription) {
        let child = CancelToken::new();
        let follower = child.clone();
        let subscription = self.subscribe(move || follower.cancel());
        (child, subscription)
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Waiters> {
        self.waiters.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        let callback = {
            let mut waiters = self.shared.lock();
            let place = waiters.callbacks.iter().position(|(id, _)| *id == self.id);
            place.map(|place| waiters.callbacks.swap_remove(place))
        };
        // Outside the lock: what the callback holds may itself subscribe or cancel when dropped.
        drop(callback);
    }
}

impl fmt::Debug for CancelToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("CancelToken").field(&self.is_cancelled()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    #[test]
    fn callbacks_run_once_at_once_or_never() {
        let (send, received) = mpsc::channel();
        let token = CancelToken::new();
        let told = |text: &'static str| {
            let send = send.clone();
            move || send.send(text).unwrap()
        };
        let _kept = token.subscribe(told("kept"));
        drop(token.subscribe(told("dropped")));
        token.cancel();
        token.cancel();
        let _late = token.subscribe(told("late"));
        assert_eq!(received.try_iter().collect::<Vec<_>>(), ["kept", "late"]);
    }

    #[test]
    fn a_child_follows_its_parent_and_not_the_reverse() {
        let parent = CancelToken::new();
        let (first, _first) = parent.child();
        let (second, _second) = parent.child();
        first.cancel();
        assert!(first.is_cancelled() && !parent.is_cancelled() && !second.is_cancelled());
        parent.cancel();
        assert!(second.is_cancelled());
    }

    #[test]
    fn a_waiter_is_woken() {
        let token = CancelToken::new();
        assert!(!token.wait_timeout(Duration::ZERO));
        std::thread::scope(|scope| {
            let waiter = scope.spawn(|| token.wait_timeout(Duration::from_secs(3600)));
            token.cancel();
            assert!(waiter.join().unwrap());
        });
    }
}
