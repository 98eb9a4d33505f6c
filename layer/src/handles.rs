//! [`Handle`]: something open that may be wanted again soon. Of all in the process only the last ones stay open: a chain
//! of 10,000 layers needs no more descriptors than one of 100.

use std::any::Any;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError, Weak};

/// How many stay open.
const OPEN: usize = 64;

/// Those that were opened last, oldest first.
static RECENT: Mutex<VecDeque<Arc<dyn Any + Send + Sync>>> = Mutex::new(VecDeque::new());

/// Open while somebody uses it, or while few others were opened since.
#[derive(Debug)]
pub(crate) struct Handle<T>(Mutex<Weak<T>>);

impl<T> Default for Handle<T> {
    fn default() -> Self {
        Handle(Mutex::new(Weak::new()))
    }
}

impl<T: Send + Sync + 'static> Handle<T> {
    /// Of something that is open.
    pub(crate) fn new(open: T) -> Self {
        Handle(Mutex::new(Arc::downgrade(&keep(open))))
    }

    /// What is open, or what `open` opens.
    pub(crate) fn get<E>(&self, open: impl FnOnce() -> Result<T, E>) -> Result<Arc<T>, E> {
        let mut slot = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(open) = slot.upgrade() {
            return Ok(open);
        }
        let new = keep(open()?);
        *slot = Arc::downgrade(&new);
        Ok(new)
    }
}

/// Puts something among the last that were opened, and lets the oldest go.
fn keep<T: Send + Sync + 'static>(open: T) -> Arc<T> {
    let new = Arc::new(open);
    let mut recent = RECENT.lock().unwrap_or_else(PoisonError::into_inner);
    recent.push_back(Arc::clone(&new) as Arc<dyn Any + Send + Sync>);
    let oldest = (recent.len() > OPEN).then(|| recent.pop_front());
    // Closed without the lock.
    drop(recent);
    drop(oldest);
    new
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    struct Counted(&'static AtomicUsize);

    impl Drop for Counted {
        fn drop(&mut self) {
            self.0.fetch_sub(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn only_the_last_stay_open_and_what_is_used_does() {
        static NOW: AtomicUsize = AtomicUsize::new(0);
        let open = || {
            NOW.fetch_add(1, Ordering::Relaxed);
            Ok::<_, ()>(Counted(&NOW))
        };
        let handles: Vec<Handle<Counted>> = (0..1000).map(|_| Handle::default()).collect();
        let used = handles[0].get(open).unwrap();
        for handle in &handles {
            handle.get(open).unwrap();
            handle
                .get(|| -> Result<Counted, ()> { panic!("it is open") })
                .unwrap();
        }
        assert!(NOW.load(Ordering::Relaxed) <= OPEN + 1);
        drop(used);
        handles[0].get(open).unwrap();
    }
}
