//! [`SharedRecord`]: what a shared cache says of one key.

use crate::error::SharedCacheError;
use rbuild_layer::ContentId;
use rbuild_oci::{DiffId, Digest};
use rbuild_store::Key;
use rbuild_store::snapshot::SnapshotStore;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// The version of the format. A record of another one is a miss.
pub(crate) const VERSION: u32 = 1;

/// How large a record may be, in bytes.
pub(crate) const LIMIT: u64 = 4 << 20;

/// Up to how many bytes a list of files stands in the record.
pub(crate) const INLINE_LIMIT: usize = 1024;

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
    /// That list itself, when it is short: most are, and it saves a journey.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) inline: Option<Inline>,
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

/// Bytes within a record, as hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(crate) struct Inline(pub(crate) Arc<[u8]>);

/// Text that is no even number of hexadecimal digits.
#[derive(Debug, thiserror::Error)]
#[error("no hexadecimal digits")]
pub(crate) struct NoHex;

impl TryFrom<String> for Inline {
    type Error = NoHex;

    fn try_from(text: String) -> Result<Self, NoHex> {
        let digit = |byte: u8| {
            (byte as char)
                .to_digit(16)
                .and_then(|digit| u8::try_from(digit).ok())
        };
        let pair = |pair: &[u8]| match pair {
            [high, low] => Some(digit(*high)? << 4 | digit(*low)?),
            _ => None,
        };
        let bytes: Option<Arc<[u8]>> = text.as_bytes().chunks(2).map(pair).collect();
        bytes.map(Inline).ok_or(NoHex)
    }
}

impl From<Inline> for String {
    fn from(Inline(bytes): Inline) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

impl SharedLayer {
    /// The list of files, if it is not in the record.
    pub(crate) fn listing_apart(&self) -> Option<Piece> {
        self.inline.is_none().then_some(self.listing)
    }
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

    /// All bytes that it names and does not hold.
    pub(crate) fn pieces(&self) -> impl Iterator<Item = Piece> {
        let layers = self.layers.iter();
        layers.flat_map(|layer| layer.listing_apart().into_iter().chain([layer.tar]))
    }
}
