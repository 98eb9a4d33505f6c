//! [`StepOutput`]: what a vertex made.

use rbuild_store::digest::ContentId;
use rbuild_store::lock::Lease;
use rbuild_store::snapshot::{Committed, Snapshot};
use std::sync::Arc;

/// A snapshot, or nothing (`FROM scratch`). Cheap to clone; keeps the snapshot from the garbage collector.
#[derive(Clone)]
pub struct StepOutput {
    snapshot: Option<Snapshot>,
    content: ContentId,
    created: u64,
    _lease: Option<Arc<Lease>>,
}

impl StepOutput {
    /// A snapshot, when it was made (seconds since 1970), and the lease that keeps it.
    #[must_use]
    pub fn new(snapshot: Snapshot, lease: Option<Lease>, created: u64) -> Self {
        Self {
            content: *snapshot.content_id(),
            snapshot: Some(snapshot),
            created,
            _lease: lease.map(Arc::new),
        }
    }

    /// A snapshot that was just made.
    #[must_use]
    pub fn committed(committed: Committed, created: u64) -> Self {
        let Committed { snapshot, lease, .. } = committed;
        Self::new(snapshot, Some(lease), created)
    }

    /// No files.
    #[must_use]
    pub fn nothing(content: ContentId) -> Self {
        Self { snapshot: None, content, created: 0, _lease: None }
    }

    /// `FROM scratch`.
    #[must_use]
    pub fn scratch() -> Self {
        Self::nothing(ContentId::from_bytes([0; 32]))
    }

    /// The same, made at another time.
    #[must_use]
    pub fn made_at(mut self, created: u64) -> Self {
        self.created = created;
        self
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

    /// When it was made, in seconds since 1970.
    #[must_use]
    pub fn created(&self) -> u64 {
        self.created
    }
}
