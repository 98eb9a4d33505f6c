//! How much room snapshots take.

use std::collections::HashMap;

use rbuild_layer::listing::EntryKind;

use super::{Check, Snapshot, SnapshotError, SnapshotStore};
use crate::image::{ImageLayer, ImageRecord, LayerSource};

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
        let listing = self.listing()?;
        let root = self.layer()?.root()?;
        let mut names: HashMap<&[u8], u64> = HashMap::new();
        for entry in listing.entries() {
            match &entry.kind {
                EntryKind::File { .. } => *names.entry(&entry.path).or_default() += 1,
                EntryKind::Hardlink { target } => *names.entry(target).or_default() += 1,
                _ => {}
            }
        }
        let mut usage = Usage::default();
        for entry in listing.entries() {
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

impl SnapshotStore {
    /// Bytes of the image's files in all layers; of its layers as they are kept where the files are not there.
    pub fn image_bytes(&self, image: &ImageRecord) -> u64 {
        let top = image
            .snapshot
            .and_then(|id| self.get(&id, Check::Skip).ok().flatten());
        match top {
            Some(snapshot) => snapshot.chain().map(Snapshot::content_bytes).sum(),
            None => image.layers.iter().map(|layer| self.layer_bytes(layer)).sum(),
        }
    }

    /// Bytes of the layer's files; of its tar or its blob where only that is known.
    pub fn layer_bytes(&self, layer: &ImageLayer) -> u64 {
        match &layer.source {
            LayerSource::Blob(descriptor) => descriptor.size,
            // What is squashed away is in the snapshots, but not in the tar.
            LayerSource::Snapshot {
                id, size, depth: 1, ..
            } => match self.get(id, Check::Skip) {
                Ok(Some(snapshot)) => snapshot.content_bytes(),
                _ => *size,
            },
            LayerSource::Snapshot { size, .. } => *size,
        }
    }
}
