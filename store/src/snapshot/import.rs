//! A pulled or loaded image as one snapshot: all its layers flattened into one directory.

use std::io::Read;

use rbuild_layer::stage::{Stage, Tar};
use rbuild_layer::unpack::{self, Meaning};
use rbuild_layer::{ContentId, LayerError, Limits, SnapshotId, decompress};
use rbuild_oci::{ChainId, DiffId};
use rbuild_rootdir::Root;
use sha2::{Digest as _, Sha256};

use super::seal::{CommitOptions, Committed, HashTar, Identity, StagingDir};
use super::{Check, Opened, SnapshotError, SnapshotStore};

/// One layer to import.
pub struct ImportLayer<'r> {
    /// Its bytes, compressed or not.
    pub reader: Box<dyn Read + Send + 'r>,
    /// What the image's config says its uncompressed bytes hash to. Compared when they were read.
    pub diff_id: DiffId,
    /// How errors call it: "layer 2 of 5 (sha256:…)".
    pub name: String,
}

/// How an image is imported.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ImportOptions {
    /// Seconds since 1970, for the snapshot's record.
    pub now: i64,
    /// How much is accepted.
    pub limits: Limits,
}

impl SnapshotStore {
    /// What the snapshot of an image with these layers is called, whether it is here or not. The content of an image is
    /// named by its layers, so it is known before anything is unpacked; and two images with equal files but other layers
    /// stay apart, as they must when what is built on top of them is written.
    pub fn import_ids(layers: &[DiffId]) -> (SnapshotId, ContentId) {
        let chain = ChainId::of(layers);
        let hash = |what: &str| -> [u8; 32] {
            let mut hasher = Sha256::new();
            hasher.update(what.as_bytes());
            hasher.update(chain.as_ref().map_or(&[0; 32], ChainId::as_bytes));
            hasher.finalize().into()
        };
        (
            SnapshotId::from_bytes(hash("rbuild imported snapshot 1\0")),
            ContentId::from_bytes(hash("rbuild imported content 1\0")),
        )
    }

    /// The snapshot of an image with these layers, if it was imported before.
    pub fn imported(&self, layers: &[DiffId], check: Check) -> Result<Opened, SnapshotError> {
        self.open(&Self::import_ids(layers).0, check)
    }

    /// Unpacks an image's layers, bottom first, onto each other. Memory use does not depend on their size.
    ///
    /// # Errors
    /// A layer that is truncated, hostile or not what its `DiffId` says fails the whole import and leaves nothing.
    pub fn import_layers(
        &self,
        layers: Vec<ImportLayer<'_>>,
        options: &ImportOptions,
    ) -> Result<Committed, SnapshotError> {
        let diff_ids: Vec<DiffId> = layers.iter().map(|layer| layer.diff_id).collect();
        let staging = StagingDir::new(self)?;
        let mut stage = Stage::new(Root::open(staging.fs())?, None).with_stop(self.store.stop().clone());
        for layer in layers {
            let (_, input) = decompress(layer.reader, &layer.name)?;
            let actual = unpack::apply(&mut stage, input, &layer.name, Meaning::Layer, options.limits)?;
            if actual != layer.diff_id {
                let (layer, expected) = (layer.name, layer.diff_id);
                return Err(LayerError::WrongDiffId {
                    layer,
                    expected,
                    actual,
                }
                .into());
            }
        }
        let finished = stage.finish(Tar::NotNow)?;
        let (id, content_id) = Self::import_ids(&diff_ids);
        let identity = Identity {
            id,
            content_id,
            imported: Some(diff_ids),
        };
        let commit = CommitOptions {
            now: options.now,
            tar: HashTar::Later,
        };
        self.seal(staging, None, finished, identity, &commit)
    }
}
