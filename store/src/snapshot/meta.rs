//! A snapshot's record, `meta.json`.

use std::io::ErrorKind;
use std::path::Path;

use rbuild_layer::{ContentId, PackedLayer, SnapshotId};
use rbuild_oci::DiffId;
use serde::{Deserialize, Serialize};

use super::SnapshotError;

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Meta {
    pub(super) version: u32,
    pub(super) parent: Option<SnapshotId>,
    pub(super) content_id: ContentId,
    /// The layers of the image it was imported from, bottom first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) imported: Option<Vec<DiffId>>,
    /// Sum of file sizes.
    pub(super) bytes: u64,
    pub(super) entries: u64,
    /// Seconds since 1970.
    pub(super) created: i64,
    /// The boot it was committed in: nothing is synced, so a power loss may hurt it.
    pub(super) boot_id: String,
    /// The tar, if it was hashed at commit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) packed: Option<PackedAtCommit>,
    /// It was verified in a later boot.
    #[serde(default)]
    pub(super) confirmed: bool,
}

/// What a layer's tar came to with one epoch.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PackedAtCommit {
    pub(super) epoch: Option<i64>,
    pub(super) layer: PackedLayer,
}

pub(super) const VERSION: u32 = 1;

impl Meta {
    /// Reads a record; `None` when there is none.
    pub(super) fn read(path: &Path) -> Result<Option<Meta>, SnapshotError> {
        let bytes = match std::fs::read(path) {
            Ok(bytes) => bytes,
            Err(e) if matches!(e.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => return Ok(None),
            Err(e) => return Err(SnapshotError::io("read", path, e)),
        };
        let damaged = |what: String| SnapshotError::Record {
            path: path.to_owned(),
            what,
        };
        let meta: Meta = serde_json::from_slice(&bytes).map_err(|e| damaged(e.to_string()))?;
        if meta.version != VERSION {
            return Err(damaged(format!("version {} is not known", meta.version)));
        }
        Ok(Some(meta))
    }

    pub(super) fn to_bytes(&self, path: &Path) -> Result<Vec<u8>, SnapshotError> {
        serde_json::to_vec(self).map_err(|e| SnapshotError::Record {
            path: path.to_owned(),
            what: e.to_string(),
        })
    }
}
