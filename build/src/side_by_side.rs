//! Work that mostly waits, such as transfers: all of it at once.

use crate::error::Failure;
use std::thread::Builder;

/// Does `work` for each item on a thread of its own, or on this one where no more can be started.
///
/// # Errors
/// The first one in the order of the items; all have ended then.
pub(crate) fn side_by_side<T: Copy + Send>(
    items: impl IntoIterator<Item = T>,
    work: impl Fn(T) -> Result<(), Failure> + Sync,
) -> Result<(), Failure> {
    let work = &work;
    std::thread::scope(|scope| {
        let begun: Vec<_> = items
            .into_iter()
            .map(|item| {
                Builder::new()
                    .spawn_scoped(scope, move || work(item))
                    .map_err(|_| work(item))
            })
            .collect();
        begun.into_iter().try_for_each(|begun| match begun {
            Ok(thread) => thread
                .join()
                .unwrap_or_else(|_| Err(Failure::host("internal error: a transfer panicked"))),
            Err(done) => done,
        })
    })
}
