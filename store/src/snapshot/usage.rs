//! How much room snapshots take.

use std::collections::HashMap;

use super::{Snapshot, SnapshotError};
use crate::manifest::EntryKind;

/// Sizes of one snapshot's own layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Usage {
    /// Bytes of all its files.
    pub apparent: u64,
    /// Bytes of the files that no other snapshot shares: what removing it frees.
    pub unique: u64,
}

impl Snapshot {
    /// Looks at every file of the layer.
    pub fn usage(&self) -> Result<Usage, SnapshotError> {
        let manifest = self.manifest()?;
        let root = self.layer()?.root()?;
        let mut names: HashMap<&[u8], u64> = HashMap::new();
        for entry in manifest.entries() {
            match &entry.kind {
                EntryKind::File { .. } => *names.entry(&entry.path).or_default() += 1,
                EntryKind::Hardlink { target } => *names.entry(target).or_default() += 1,
                _ => {}
            }
        }
        let mut usage = Usage::default();
        for entry in manifest.entries() {
            let EntryKind::File { size, .. } = entry.kind else {
                continue;
            };
            usage.apparent += size;
            if root.lstat(&entry.path)?.nlink <= names.get(entry.path.as_slice()).copied().unwrap_or(1) {
                usage.unique += size;
            }
        }
        Ok(usage)
    }
}
