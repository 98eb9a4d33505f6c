//! [`ImageRecord`]: what the store knows about an image. Its name is the digest of its config.

use rbuild_layer::SnapshotId;
use rbuild_oci::{Annotations, Descriptor, DiffId, Digest, DocumentError, ImageConfig};
use serde::{Deserialize, Serialize};

use crate::image::ImageError;

/// Version of the image record format.
pub const IMAGE_VERSION: u32 = 1;

/// An image in the store.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ImageRecord {
    /// [`IMAGE_VERSION`].
    pub version: u32,
    /// The image id: digest of [`config`](Self::config).
    pub id: Digest,
    /// The config's exact bytes (JSON, so always text).
    pub config: String,
    /// The manifest it came with, whose blob is in the store; absent for an image built here and not yet exported.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub manifest: Option<Descriptor>,
    /// The root filesystem: all layers flattened, or the top of a chain. Absent for an image without layers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub snapshot: Option<SnapshotId>,
    /// The layers, lowest first: as many as the config has diff ids.
    pub layers: Vec<ImageLayer>,
    /// What it is annotated with when it goes out.
    #[serde(default, skip_serializing_if = "Annotations::is_empty")]
    pub annotations: Annotations,
    /// When it came into the store, in seconds since 1970.
    pub created: u64,
}

/// A layer of an image and where its bytes can be had.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ImageLayer {
    /// Digest of its uncompressed tar.
    pub diff_id: DiffId,
    /// Where its bytes come from.
    pub source: LayerSource,
}

/// Where the bytes of a layer come from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LayerSource {
    /// Built here: the tar is made again from the snapshot's listing.
    Snapshot {
        /// Which snapshot.
        id: SnapshotId,
        /// Bytes of the uncompressed tar.
        size: u64,
        /// `SOURCE_DATE_EPOCH` that the times in the tar follow.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        epoch: Option<i64>,
        /// How many snapshots it is squashed from: this one and those below it. 1 is its own layer.
        #[serde(default = "one", skip_serializing_if = "is_one")]
        depth: usize,
    },
    /// Pulled or loaded: the blob as it came.
    Blob(Box<Descriptor>),
}

fn one() -> usize {
    1
}

#[allow(clippy::trivially_copy_pass_by_ref)]
fn is_one(depth: &usize) -> bool {
    *depth == 1
}

impl ImageRecord {
    /// A record for `config`, checked against it.
    pub fn new(
        config: &[u8],
        manifest: Option<Descriptor>,
        snapshot: Option<SnapshotId>,
        layers: Vec<ImageLayer>,
        created: u64,
    ) -> Result<ImageRecord, ImageError> {
        let text = String::from_utf8(config.to_vec()).map_err(|_| DocumentError::Invalid {
            what: "image config",
            detail: "it is not UTF-8".to_owned(),
        })?;
        let id = Digest::of(config);
        let record = ImageRecord {
            version: IMAGE_VERSION,
            id,
            config: text,
            manifest,
            snapshot,
            layers,
            annotations: Annotations::default(),
            created,
        };
        record.parse_config()?;
        Ok(record)
    }

    /// The config as a structure. Fails if layers and diff ids do not agree.
    pub fn parse_config(&self) -> Result<ImageConfig, ImageError> {
        let config = ImageConfig::parse(self.config.as_bytes())?;
        let diff_ids: Vec<DiffId> = self.layers.iter().map(|layer| layer.diff_id).collect();
        config.check_layers(&diff_ids)?;
        Ok(config)
    }

    /// Every blob it needs: the manifest, and the layers that cannot be made again.
    pub fn blobs(&self) -> impl Iterator<Item = &Descriptor> {
        let layers = self.layers.iter().filter_map(|layer| match &layer.source {
            LayerSource::Blob(descriptor) => Some(descriptor.as_ref()),
            LayerSource::Snapshot { .. } => None,
        });
        self.manifest.iter().chain(layers)
    }

    /// Every snapshot it needs: its root filesystem, and those that its layers are made from. Parents not counted.
    pub fn snapshots(&self) -> impl Iterator<Item = &SnapshotId> {
        let layers = self.layers.iter().filter_map(|layer| match &layer.source {
            LayerSource::Snapshot { id, .. } => Some(id),
            LayerSource::Blob(_) => None,
        });
        self.snapshot.iter().chain(layers)
    }
}
