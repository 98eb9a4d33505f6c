//! How much room snapshots take.

use super::{Check, Snapshot, SnapshotStore};
use crate::image::{ImageLayer, ImageRecord, LayerSource};

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
