//! From a snapshot to what is sent of it.

use super::record::{INLINE_LIMIT, Inline, Piece, SharedLayer, SharedRecord, VERSION};
use crate::error::SharedCacheError;
use crate::ops::StepOutput;
use rbuild_layer::{DEFAULT_LEVEL, GzipWriter, SnapshotId};
use rbuild_oci::Digest;
use rbuild_store::Key;
use rbuild_store::blob::Blob;
use rbuild_store::image::export::{ExportOptions, compress_layer};
use rbuild_store::snapshot::{Snapshot, SnapshotStore};
use std::collections::HashMap;
use std::io::{self, Write};
use std::sync::Arc;
use std::time::Duration;

/// Makes records of results. Remembers what it made of layers, since a stage's results have most of them in common.
pub(super) struct Packer {
    pub(super) snapshots: Arc<SnapshotStore>,
    /// `SOURCE_DATE_EPOCH`: the same tars as in the image, so that they are compressed, and kept by a registry, once.
    pub(super) epoch: Option<i64>,
    pub(super) made: HashMap<SnapshotId, Packed>,
}

/// What is sent of one layer. Its tar is a blob of the store.
#[derive(Debug, Clone)]
pub(super) struct Packed {
    pub(super) layer: SharedLayer,
    pub(super) listing: Arc<[u8]>,
}

/// A result on its way.
pub(super) struct Outgoing {
    pub(super) record: SharedRecord,
    pub(super) layers: Vec<Packed>,
}

impl Packer {
    /// What is sent of a result.
    ///
    /// # Errors
    /// A layer cannot be read or compressed.
    pub(super) fn outgoing(
        &mut self,
        key: &Key,
        kind: &str,
        cost: Duration,
        output: &StepOutput,
    ) -> Result<Outgoing, SharedCacheError> {
        let mut base = Vec::new();
        let mut own: Vec<&Snapshot> = Vec::new();
        for snapshot in output.snapshot().into_iter().flat_map(Snapshot::chain) {
            if let Some(layers) = snapshot.imported_layers() {
                base = layers.to_vec();
                break;
            }
            own.push(snapshot);
        }
        own.reverse();
        let layers: Vec<Packed> = own
            .into_iter()
            .map(|snapshot| self.layer(snapshot))
            .collect::<Result<_, _>>()?;
        let record = SharedRecord {
            version: VERSION,
            key: key.clone(),
            kind: kind.to_owned(),
            cost: u64::try_from(cost.as_millis()).unwrap_or(u64::MAX),
            content: *output.content(),
            base,
            layers: layers.iter().map(|packed| packed.layer.clone()).collect(),
        };
        Ok(Outgoing { record, layers })
    }

    fn layer(&mut self, snapshot: &Snapshot) -> Result<Packed, SharedCacheError> {
        if let Some(made) = self.made.get(snapshot.id()) {
            return Ok(made.clone());
        }
        let snapshots = &self.snapshots;
        let epoch = self.epoch;
        let diff_id = snapshots.diff_id(snapshot, epoch)?.diff_id;
        let write = |out: &mut dyn Write| {
            let packed = snapshots.pack(snapshot, epoch, out);
            packed.map(|_| ()).map_err(io::Error::other)
        };
        let compression = ExportOptions::default().compression;
        let Blob { digest, size } = compress_layer(snapshots.store(), &diff_id, compression, &write)?;
        let listing: Arc<[u8]> = compressed(&snapshot.listing()?.to_bytes())?.into();
        let packed = Packed {
            layer: SharedLayer {
                content: *snapshot.content_id(),
                created: snapshot.created(),
                listing: Piece {
                    digest: Digest::of(&listing),
                    size: listing.len() as u64,
                },
                inline: (listing.len() <= INLINE_LIMIT).then(|| Inline(Arc::clone(&listing))),
                tar: Piece { digest, size },
                diff_id,
            },
            listing,
        };
        self.made.insert(*snapshot.id(), packed.clone());
        Ok(packed)
    }
}

/// The same bytes always: what is there is not sent again.
fn compressed(bytes: &[u8]) -> Result<Vec<u8>, SharedCacheError> {
    let mut out = Vec::new();
    let mut gzip = GzipWriter::new(&mut out, DEFAULT_LEVEL);
    let written = gzip.write_all(bytes).and_then(|()| gzip.finish().map(|_| ()));
    written.map_err(SharedCacheError::Pack)?;
    Ok(out)
}
