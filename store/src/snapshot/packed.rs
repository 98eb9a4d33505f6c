//! Which tar a snapshot's layer makes. Hashed at commit it stands in the snapshot's record; computed later, perhaps for
//! another epoch, it is kept under `diffids/`.

use std::io::{ErrorKind, Write};
use std::path::PathBuf;

use super::{Snapshot, SnapshotError, SnapshotStore};
use crate::digest::SnapshotId;
use crate::layer::{self, PackedLayer};
use crate::store::list_dir;

impl SnapshotStore {
    fn packed_path(&self, id: &SnapshotId, epoch: Option<i64>) -> PathBuf {
        let name = match epoch {
            None => id.to_hex(),
            Some(epoch) => format!("{id}@{epoch}"),
        };
        self.store.diffids_dir().join(name)
    }

    /// What is known of the tar of a snapshot's own layer.
    pub fn known_diff_id(
        &self,
        id: &SnapshotId,
        epoch: Option<i64>,
    ) -> Result<Option<PackedLayer>, SnapshotError> {
        if let Some(snapshot) = self.load(id)?
            && let Some(packed) = snapshot.0.meta.packed
            && packed.epoch == epoch
        {
            return Ok(Some(packed.layer));
        }
        let path = self.packed_path(id, epoch);
        match std::fs::read(&path) {
            // What cannot be read is computed again.
            Ok(bytes) => Ok(serde_json::from_slice(&bytes).ok()),
            Err(e) if e.kind() == ErrorKind::NotFound => Ok(None),
            Err(e) => Err(SnapshotError::io("read", &path, e)),
        }
    }

    /// The identity of the tar of a snapshot's own layer; computed if it is not known. Not for an imported image,
    /// whose layers have their own.
    pub fn diff_id(&self, snapshot: &Snapshot, epoch: Option<i64>) -> Result<PackedLayer, SnapshotError> {
        if let Some(known) = self.known_diff_id(snapshot.id(), epoch)? {
            return Ok(known);
        }
        let packed = layer::diff_id(&snapshot.manifest()?, snapshot.layer()?.root()?, epoch)?;
        self.remember_packed(snapshot.id(), epoch, &packed)?;
        Ok(packed)
    }

    /// Writes the tar of a snapshot's own layer. The caller compares what comes out with [`SnapshotStore::diff_id`]:
    /// when it differs the files on disk have changed.
    pub fn pack(
        &self,
        snapshot: &Snapshot,
        epoch: Option<i64>,
        out: impl Write,
    ) -> Result<PackedLayer, SnapshotError> {
        Ok(layer::pack(
            &snapshot.manifest()?,
            snapshot.layer()?.root()?,
            epoch,
            out,
        )?)
    }

    pub(super) fn remember_packed(
        &self,
        id: &SnapshotId,
        epoch: Option<i64>,
        packed: &PackedLayer,
    ) -> Result<(), SnapshotError> {
        let path = self.packed_path(id, epoch);
        let bytes = serde_json::to_vec(packed).map_err(|e| SnapshotError::Record {
            path: path.clone(),
            what: e.to_string(),
        })?;
        Ok(self.store.write_file(&path, &bytes)?)
    }

    /// Forgets the tars of a removed snapshot, of all epochs.
    pub(super) fn forget_packed(&self, id: &SnapshotId) -> Result<(), SnapshotError> {
        let dir = self.store.diffids_dir();
        let hex = id.to_hex();
        for name in list_dir(&dir)? {
            if name == hex || name.strip_prefix(&hex).is_some_and(|rest| rest.starts_with('@')) {
                let path = dir.join(name);
                match std::fs::remove_file(&path) {
                    Err(e) if e.kind() != ErrorKind::NotFound => {
                        return Err(SnapshotError::io("remove", &path, e));
                    }
                    _ => {}
                }
            }
        }
        Ok(())
    }
}
