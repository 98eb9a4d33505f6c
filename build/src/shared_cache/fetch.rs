//! From a record to snapshots: each layer that is not here yet is brought, and believed only as far as it proves itself.

use super::place::Place;
use super::record::{Inline, Piece, SharedLayer, SharedRecord};
use crate::error::SharedCacheError;
use crate::ops::StepOutput;
use rbuild_layer::listing::Listing;
use rbuild_layer::{ContentId, decompress};
use rbuild_oci::Digest;
use rbuild_store::Key;
use rbuild_store::blob::VerifyingReader;
use rbuild_store::snapshot::{Check, Committed, ForeignLayer, Held, Snapshot, SnapshotStore};
use std::io::{self, Read};

/// How large a list of files may be, in bytes: compressed, and as it is read.
const LISTING_LIMIT: u64 = 256 << 20;
const LISTING_LIMIT_PLAIN: u64 = 1 << 30;

/// Brings the result of a record.
pub(super) struct Fetch<'a> {
    pub(super) snapshots: &'a SnapshotStore,
    pub(super) place: &'a dyn Place,
    pub(super) record: &'a SharedRecord,
}

impl Fetch<'_> {
    /// The result; `None` when it stands on an image that is not here.
    ///
    /// # Errors
    /// Something is not there, is not what it says, or cannot be kept. Layers below it that were sound stay.
    pub(super) fn output(&self) -> Result<Option<StepOutput>, SharedCacheError> {
        let record = self.record;
        let Some(Found { mut held, from }) = self.highest()? else {
            return Ok(None);
        };
        for layer in &record.layers[from..] {
            held = Some(self.layer(held.as_ref().map(|held| &held.snapshot), layer)?);
        }
        Ok(Some(match held {
            Some(Held { snapshot, lease }) => StepOutput::new(snapshot, Some(lease)),
            None => StepOutput::nothing(record.content),
        }))
    }

    /// The highest part of the stack that is here already.
    fn highest(&self) -> Result<Option<Found>, SharedCacheError> {
        let SharedRecord { base, layers, .. } = self.record;
        let bottom = (!base.is_empty()).then(|| SnapshotStore::import_ids(base).1);
        for at in (0..layers.len()).rev() {
            let below = match at.checked_sub(1) {
                Some(below) => Some(layers[below].content),
                None => bottom,
            };
            let found = self.snapshots.with_content(below.as_ref(), &layers[at].content)?;
            if let Some(held) = found {
                return Ok(Some(Found {
                    held: Some(held),
                    from: at + 1,
                }));
            }
        }
        if base.is_empty() {
            return Ok(Some(Found { held: None, from: 0 }));
        }
        let image = self.snapshots.imported(base, Check::Now)?.sound();
        Ok(image.map(|held| Found {
            held: Some(held),
            from: 0,
        }))
    }

    fn layer(&self, parent: Option<&Snapshot>, layer: &SharedLayer) -> Result<Held, SharedCacheError> {
        let key = || self.record.key.clone();
        let listing = self.listing(layer, parent.map(Snapshot::content_id))?;
        let mut tar = self.verified(&layer.tar)?;
        let foreign = ForeignLayer {
            listing,
            reader: Box::new(&mut tar),
            diff_id: layer.diff_id,
            created: layer.created,
            name: format!("the layer {}", layer.tar.digest),
        };
        let made = self.snapshots.restore(parent, foreign);
        let Committed { snapshot, lease, .. } = made.map_err(|source| match source.is_of_input() {
            true => SharedCacheError::Content { key: key(), source },
            false => source.into(),
        })?;
        // What follows the end of the compressed bytes is a part of them too.
        io::copy(&mut tar, &mut io::sink())
            .map_err(|source| SharedCacheError::Read { key: key(), source })?;
        Ok(Held { snapshot, lease })
    }

    /// The list of a layer's files, which must make the content that the record names.
    fn listing(&self, layer: &SharedLayer, parent: Option<&ContentId>) -> Result<Listing, SharedCacheError> {
        let key = &self.record.key;
        let refuse = |what| SharedCacheError::Record {
            key: key.clone(),
            what,
        };
        if layer.listing.size > LISTING_LIMIT {
            return Err(refuse("names too long a list of files"));
        }
        let read = |source| SharedCacheError::Read {
            key: key.clone(),
            source,
        };
        let mut compressed = Vec::new();
        let mut verified = match &layer.inline {
            Some(Inline(bytes)) => verifying(Box::new(&**bytes), &layer.listing),
            None => self.verified(&layer.listing)?,
        };
        verified.read_to_end(&mut compressed).map_err(read)?;
        let name = format!("the list of files {}", layer.listing.digest);
        let (_, plain) =
            decompress(compressed.as_slice(), &name).map_err(|source| SharedCacheError::Unpack {
                key: key.clone(),
                source,
            })?;
        let mut bytes = Vec::new();
        let mut plain = plain.take(LISTING_LIMIT_PLAIN);
        plain.read_to_end(&mut bytes).map_err(read)?;
        let listing = Listing::from_bytes(bytes, name).map_err(|source| SharedCacheError::Listing {
            key: key.clone(),
            source,
        })?;
        match listing.content_id(parent) == layer.content {
            true => Ok(listing),
            false => Err(refuse("names another content than its list of files")),
        }
    }

    /// Bytes whose last read fails if they are not what their name says.
    fn verified(
        &self,
        piece: &Piece,
    ) -> Result<VerifyingReader<Box<dyn Read + Send + '_>>, SharedCacheError> {
        let Some(reader) = self.place.open(piece)? else {
            return Err(absent(&self.record.key, piece.digest));
        };
        Ok(verifying(reader, piece))
    }
}

fn verifying<'r>(
    reader: Box<dyn Read + Send + 'r>,
    piece: &Piece,
) -> VerifyingReader<Box<dyn Read + Send + 'r>> {
    let what = format!("`{}`", piece.digest);
    VerifyingReader::new(reader, what, piece.digest, Some(piece.size))
}

/// A part of a stack that is here, and the number of the first layer that is not.
struct Found {
    held: Option<Held>,
    from: usize,
}

fn absent(key: &Key, digest: Digest) -> SharedCacheError {
    SharedCacheError::Absent {
        key: key.clone(),
        digest,
    }
}
