//! [`SharedRecord`]: what a shared cache says of one key.

use crate::error::SharedCacheError;
use rbuild_layer::ContentId;
use rbuild_oci::{DiffId, Digest};
use rbuild_store::Key;
use rbuild_store::snapshot::SnapshotStore;
use serde::{Deserialize, Serialize};

/// The version of the format. A record of another one is a miss.
pub(crate) const VERSION: u32 = 1;

/// How large a record may be, in bytes.
pub(crate) const LIMIT: u64 = 4 << 20;

/// The result of the work that a key names, as a stack of layers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SharedRecord {
    /// [`VERSION`].
    pub(crate) version: u32,
    /// Whose record it is: the hash of the pre-image, which is not sent, since it holds what build arguments say.
    pub(crate) key: Key,
    /// Kind and revision of the work. For people.
    pub(crate) kind: String,
    /// How long it took, in milliseconds.
    pub(crate) cost: u64,
    /// What the result contains.
    pub(crate) content: ContentId,
    /// The layers of the image at the bottom, which is not in the cache; none for `FROM scratch`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) base: Vec<DiffId>,
    /// The layers upon it, lowest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) layers: Vec<SharedLayer>,
}

/// One layer of a result.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SharedLayer {
    /// What the layer and all below it contain.
    pub(crate) content: ContentId,
    /// When it was made, in seconds since 1970.
    pub(crate) created: i64,
    /// The list of its files, compressed.
    pub(crate) listing: Piece,
    /// What their contents come in, compressed.
    pub(crate) tar: Piece,
    /// What that is uncompressed.
    pub(crate) diff_id: DiffId,
}

/// Bytes that a record names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) struct Piece {
    /// Their digest.
    pub(crate) digest: Digest,
    /// Their number.
    pub(crate) size: u64,
}

impl SharedRecord {
    /// Reads what was found under a key, and believes none of it that can be checked here.
    ///
    /// # Errors
    /// It is no record, one of another version or of another key, or contradicts itself.
    pub(crate) fn parse(key: &Key, bytes: &[u8]) -> Result<Self, SharedCacheError> {
        let record: Self = serde_json::from_slice(bytes).map_err(|source| SharedCacheError::Unreadable {
            key: key.clone(),
            source,
        })?;
        let refuse = |what| {
            Err(SharedCacheError::Record {
                key: key.clone(),
                what,
            })
        };
        if record.version != VERSION {
            return refuse("has another version");
        }
        if record.key != *key {
            return refuse("is that of another key");
        }
        let top = match (record.layers.last(), record.base.as_slice()) {
            (Some(layer), _) => Some(layer.content),
            (None, []) => None,
            (None, base) => Some(SnapshotStore::import_ids(base).1),
        };
        if top.is_some_and(|top| top != record.content) {
            return refuse("names another content than its layers");
        }
        Ok(record)
    }

    /// The bytes that are kept.
    ///
    /// # Errors
    /// None that is known: a record has nothing that JSON cannot say.
    pub(crate) fn to_bytes(&self) -> Result<Vec<u8>, SharedCacheError> {
        serde_json::to_vec(self).map_err(|source| SharedCacheError::Unreadable {
            key: self.key.clone(),
            source,
        })
    }

    /// All bytes that it names.
    pub(crate) fn pieces(&self) -> impl Iterator<Item = Piece> {
        self.layers.iter().flat_map(|layer| [layer.listing, layer.tar])
    }
}
