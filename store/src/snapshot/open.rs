//! A snapshot for use: looked for under a lease, so that from then on no collector takes it away.

use rbuild_layer::SnapshotId;

use super::{Check, Snapshot, SnapshotError, SnapshotStore};
use crate::lease::Lease;

/// A snapshot that stays while this lives.
#[derive(Debug, Clone)]
pub struct Held {
    /// The snapshot.
    pub snapshot: Snapshot,
    /// Keeps it, and all below it.
    pub lease: Lease,
}

/// What was found under the name of a snapshot.
#[derive(Debug)]
pub enum Opened {
    /// The snapshot, as it was committed.
    Sound(Held),
    /// The snapshot; a power loss may have hurt it, and nobody was asked to look.
    Unverified(Held),
    /// Nothing, or something that is damaged.
    Missing,
}

impl Opened {
    /// The snapshot, if it is as it was committed.
    pub fn sound(self) -> Option<Held> {
        match self {
            Opened::Sound(held) => Some(held),
            Opened::Unverified(_) | Opened::Missing => None,
        }
    }

    /// The snapshot, whatever has become of it. For looking only.
    pub fn any(self) -> Option<Held> {
        match self {
            Opened::Sound(held) | Opened::Unverified(held) => Some(held),
            Opened::Missing => None,
        }
    }
}

impl SnapshotStore {
    /// Opens a snapshot under a lease.
    ///
    /// # Errors
    /// The store cannot be read, or no lease can be taken.
    pub fn open(&self, id: &SnapshotId, check: Check) -> Result<Opened, SnapshotError> {
        // First the lease: what is there behind it stays there.
        let Some(lease) = self.store.locks().lease(id)? else {
            return Ok(Opened::Missing);
        };
        let Some(snapshot) = self.get(id, check)? else {
            return Ok(Opened::Missing);
        };
        let held = Held { snapshot, lease };
        Ok(if held.snapshot.needs_check() {
            Opened::Unverified(held)
        } else {
            Opened::Sound(held)
        })
    }
}
