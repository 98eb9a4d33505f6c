//! [`StepOutput`]: what a vertex made.

use rbuild_layer::ContentId;
use rbuild_store::lock::Lease;
use rbuild_store::snapshot::{Committed, Snapshot};

/// A snapshot, or nothing (`FROM scratch`). Cheap to clone; keeps the snapshot from the garbage collector.
#[derive(Clone)]
pub struct StepOutput {
    snapshot: Option<Snapshot>,
    content: ContentId,
    _lease: Option<Lease>,
}

impl StepOutput {
    /// A snapshot, and the lease that keeps it.
    #[must_use]
    pub fn new(snapshot: Snapshot, lease: Option<Lease>) -> Self {
        Self {
            content: *snapshot.content_id(),
            snapshot: Some(snapshot),
            _lease: lease,
        }
    }

    /// A snapshot that was just made.
    #[must_use]
    pub fn committed(committed: Committed) -> Self {
        let Committed { snapshot, lease, .. } = committed;
        Self::new(snapshot, Some(lease))
    }

    /// No files.
    #[must_use]
    pub fn nothing(content: ContentId) -> Self {
        Self {
            snapshot: None,
            content,
            _lease: None,
        }
    }

    /// `FROM scratch`.
    #[must_use]
    pub fn scratch() -> Self {
        Self::nothing(ContentId::from_bytes([0; 32]))
    }

    /// The snapshot, if there are files.
    #[must_use]
    pub fn snapshot(&self) -> Option<&Snapshot> {
        self.snapshot.as_ref()
    }

    /// What it contains.
    #[must_use]
    pub fn content(&self) -> &ContentId {
        &self.content
    }

    /// When its files came about for the first time, in seconds since 1970: a step that ran again to the same end
    /// made nothing new. 0 when there are none.
    #[must_use]
    pub fn created(&self) -> i64 {
        self.snapshot.as_ref().map_or(0, Snapshot::created)
    }
}
