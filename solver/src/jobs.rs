//! How many vertices are worked on at once: a [`Job`] is the right to be one of them.

use std::num::NonZeroUsize;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// All jobs of one solve.
pub(crate) struct Jobs {
    state: Mutex<State>,
    freed: Condvar,
}

struct State {
    free: usize,
    /// How many were paused and want to go on. They come before new ones: others may wait for what they have claimed.
    resuming: usize,
}

/// One of the jobs, until it is dropped.
pub(crate) struct Job<'a> {
    jobs: &'a Jobs,
    is_paused: bool,
}

impl Jobs {
    pub(crate) fn new(count: NonZeroUsize) -> Self {
        Self {
            state: Mutex::new(State {
                free: count.get(),
                resuming: 0,
            }),
            freed: Condvar::new(),
        }
    }

    /// A job that nobody has and nobody waits for.
    pub(crate) fn begin(&self) -> Option<Job<'_>> {
        let mut state = self.state();
        if state.free <= state.resuming {
            return None;
        }
        state.free -= 1;
        Some(Job {
            jobs: self,
            is_paused: false,
        })
    }

    /// Whoever panics while holding the lock leaves whole numbers.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Job<'_> {
    /// Lets another have it while its owner only waits.
    pub(crate) fn pause(&mut self) {
        if !std::mem::replace(&mut self.is_paused, true) {
            self.jobs.state().free += 1;
            self.jobs.freed.notify_one();
        }
    }

    /// Waits until there is one again, if it was paused. Whoever has one gives it back when the solve is cancelled.
    pub(crate) fn resume(&mut self) {
        if !std::mem::replace(&mut self.is_paused, false) {
            return;
        }
        let mut state = self.jobs.state();
        state.resuming += 1;
        while state.free == 0 {
            state = self
                .jobs
                .freed
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
        state.resuming -= 1;
        state.free -= 1;
    }
}

impl Drop for Job<'_> {
    fn drop(&mut self) {
        self.pause();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_paused_job_is_free_for_another_and_comes_back_first() {
        let jobs = Jobs::new(NonZeroUsize::MIN);
        let mut first = jobs.begin().unwrap();
        assert!(jobs.begin().is_none());
        first.pause();
        let second = jobs.begin().unwrap();
        std::thread::scope(|scope| {
            let resumed = scope.spawn(|| {
                first.resume();
                first
            });
            while jobs.state().resuming == 0 {
                std::thread::yield_now();
            }
            drop(second);
            assert!(jobs.begin().is_none(), "the first one has it, or is about to");
            drop(resumed.join().unwrap());
        });
        assert!(jobs.begin().is_some());
    }
}
