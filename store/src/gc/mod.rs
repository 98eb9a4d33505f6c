//! What is still needed, what is not, and removing the latter beside running builds.
//!
//! ```text
//! tags ──▶ images ──▶ snapshots (and their parents), blobs
//! cache records ──▶ snapshots (and their parents), trees of pre-images
//! containers ──▶ images, snapshots (and their parents)
//! leases ──▶ snapshots of running builds and containers (and their parents)
//! ```
//!
//! There is no global lock. Removing is safe because of three rules, which builds keep without knowing of a
//! collector:
//!
//! 1. A snapshot is only used under a lease, and taking one fails when the snapshot is gone. The collector removes a
//!    snapshot only if no lease of a process that was at work since it began names it, and children before parents: what
//!    it cannot remove keeps its parents.
//! 2. Image records are written, and blobs brought in, under a [`BlobPin`](crate::lock::BlobPin). The collector
//!    removes either only while it holds that lock alone, and leaves them when somebody pins.
//! 3. Everything else (cache records, pre-image trees, memos) may vanish at any time: that is a miss.
//!
//! Removing a tree means renaming it under `tmp/` first, so that nobody sees half of one.

mod check;
mod mark;
mod sweep;
mod usage;

use std::path::PathBuf;
use std::time::Duration;

use rustix::time::ClockId;

use crate::error::StoreError;
use crate::memo::{file_system_now, nanoseconds};
use crate::store::Store;

pub use check::Problem;

/// The time at which a collection begins: what was used before the call is older, what is used after it is not.
///
/// The clock that files are stamped with stands still for some milliseconds, so within one tick the two cannot be told
/// apart. Therefore this waits for the next tick.
pub fn beginning() -> i64 {
    let first = file_system_now();
    // Never behind a stamp: some file systems stamp with the fine clock between two ticks.
    let called = nanoseconds(rustix::time::clock_gettime(ClockId::Realtime));
    loop {
        let now = file_system_now();
        // Outside on the other side: the clock was set back.
        if !(first..=called).contains(&now) {
            return now;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// What to prune. The default removes only what nothing leads to.
#[derive(Clone, Debug, Default)]
pub struct PruneOptions {
    /// Also all cache records (and so the snapshots that no image needs), compressed layers and stat memos.
    pub all: bool,
    /// Also the contents of cache mounts.
    pub cache_mounts: bool,
    /// Only what was last used before this time, in nanoseconds since 1970.
    pub unused_since: Option<i64>,
    /// Also as many of the least recently used cache records as it takes to bring the store below this many bytes.
    pub keep_bytes: Option<u64>,
    /// Say what would be removed, remove nothing.
    pub dry_run: bool,
}

/// A kind of thing in the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// Images: their records, with the snapshots and blobs that they need.
    Image,
    /// Cache records, with the snapshots that no image needs.
    BuildCache,
    /// Compressed layers that were made for an export.
    CompressedLayer,
    /// Contents of cache mounts.
    CacheMount,
    /// Containers: what they have written, and their logs. A prune leaves them alone.
    Container,
    /// Build records and step logs.
    BuildLog,
    /// What nothing leads to, and what killed processes left.
    Leftover,
}

/// One thing that was (or would be) removed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Removed {
    /// What it was.
    pub kind: Kind,
    /// Its name: image id, operation, cache mount id, digest.
    pub name: String,
    /// Bytes on disk.
    pub bytes: u64,
}

/// What a prune did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pruned {
    /// Each thing, in the order of removal.
    pub removed: Vec<Removed>,
    /// What was not removed because a build or container uses it.
    pub in_use: Vec<String>,
    /// What could not be removed, with the reason. Files of subordinate ids need the user namespace.
    pub failed: Vec<(PathBuf, String)>,
}

impl Pruned {
    /// Bytes freed.
    pub fn bytes(&self) -> u64 {
        self.removed.iter().map(|removed| removed.bytes).sum()
    }
}

/// How much of one kind there is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Usage {
    /// Which kind.
    pub kind: Kind,
    /// How many.
    pub count: usize,
    /// Bytes on disk.
    pub bytes: u64,
    /// Bytes that a prune with every option would free.
    pub reclaimable: u64,
}

impl Store {
    /// Removes what `options` say. `now` is [`beginning`]: what is used later than that is kept.
    ///
    /// Run it where the files of all snapshots can be removed: in the user namespace that builds run in.
    pub fn prune(&self, options: &PruneOptions, now: i64) -> Result<Pruned, StoreError> {
        sweep::prune(self, options, now)
    }

    /// How much space each kind takes.
    pub fn usage(&self) -> Result<Vec<Usage>, StoreError> {
        usage::usage(self)
    }

    /// Looks at every part of the store and reports what is damaged; with `repair` removes it, so that it is built
    /// or pulled again.
    pub fn check(&self, repair: bool) -> Result<Vec<Problem>, StoreError> {
        check::check(self, repair)
    }
}

#[cfg(test)]
mod tests;
