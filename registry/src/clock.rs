//! `Clock`: time and chance as arguments, so that retries and token expiry can be tested.

use std::hash::{BuildHasher, Hasher};
use std::time::{Duration, Instant, SystemTime};

/// Where time and jitter come from.
pub trait Clock: Send + Sync {
    /// The time of day.
    fn now(&self) -> SystemTime;
    /// Waits, but looks at `cancelled` from time to time and returns early when it says so.
    fn sleep(&self, duration: Duration, cancelled: &dyn Fn() -> bool);
    /// A number from 0 up to, but not including, 1. Spreads retries; nothing secret depends on it.
    fn jitter(&self) -> f64;
}

/// The real thing.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> SystemTime {
        SystemTime::now()
    }

    fn sleep(&self, duration: Duration, cancelled: &dyn Fn() -> bool) {
        const STEP: Duration = Duration::from_millis(50);
        let end = Instant::now() + duration;
        while !cancelled() {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            std::thread::sleep(left.min(STEP));
        }
    }

    fn jitter(&self) -> f64 {
        // Each RandomState is keyed from the system's randomness.
        let bits = std::hash::RandomState::new().build_hasher().finish() >> 11;
        bits as f64 / (1u64 << 53) as f64
    }
}
