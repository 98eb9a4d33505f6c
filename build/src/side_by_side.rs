//! Transfers side by side.

use std::sync::{Mutex, PoisonError};
use std::thread::Builder;

use crate::error::{Error, TransferError};

/// How many at once: a manifest may list any number of layers.
const AT_ONCE: usize = 8;

/// Does the work for each item, several at once, and stops at the first failure. Where no thread is to be had this one
/// does it.
///
/// # Errors
/// One of those that the work gave; all that was begun has ended then.
pub(crate) fn side_by_side<T: Copy + Send>(
    items: impl IntoIterator<Item = T, IntoIter: Send>,
    work: impl Fn(T) -> Result<(), Error> + Sync,
) -> Result<(), Error> {
    let items = Mutex::new(Some(items.into_iter().fuse()));
    let next = || {
        let mut items = items.lock().unwrap_or_else(PoisonError::into_inner);
        items.as_mut().and_then(Iterator::next)
    };
    let worker = || {
        while let Some(item) = next() {
            if let Err(failure) = work(item) {
                *items.lock().unwrap_or_else(PoisonError::into_inner) = None;
                return Err(failure);
            }
        }
        Ok(())
    };
    std::thread::scope(|scope| {
        let begun: Vec<_> = (1..AT_ONCE)
            .map_while(|_| Builder::new().spawn_scoped(scope, worker).ok())
            .collect();
        let here = worker();
        let done = begun.into_iter().map(|thread| {
            thread
                .join()
                .unwrap_or_else(|_| Err(TransferError::Panicked.into()))
        });
        std::iter::once(here).chain(done.collect::<Vec<_>>()).collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;
    use std::sync::atomic::{AtomicUsize, Ordering};

    #[test]
    fn however_many_there_are_few_threads_do_them_and_a_failure_ends_it() {
        let threads = Mutex::new(BTreeSet::new());
        let done = AtomicUsize::new(0);
        let all: Vec<usize> = (0..20_000).collect();
        side_by_side(&all, |_| {
            threads
                .lock()
                .unwrap()
                .insert(format!("{:?}", std::thread::current().id()));
            done.fetch_add(1, Ordering::Relaxed);
            Ok(())
        })
        .unwrap();
        assert_eq!(done.load(Ordering::Relaxed), all.len());
        assert!(threads.lock().unwrap().len() <= AT_ONCE);
        let begun = AtomicUsize::new(0);
        let failed = side_by_side(&all, |_| {
            begun.fetch_add(1, Ordering::Relaxed);
            Err(Error::Stopped)
        });
        assert!(failed.is_err() && begun.load(Ordering::Relaxed) <= AT_ONCE);
    }
}
