//! Which tar a snapshot's layer makes, or several that are squashed into one. Hashed at commit it stands in the
//! snapshot's record; computed later, perhaps for another epoch, it is kept under `diffids/`.

use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use rbuild_layer::listing::Entry;
use rbuild_layer::{PackedLayer, SnapshotId};

use super::{Snapshot, SnapshotError, SnapshotStore};
use crate::small_file::list_dir;

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
        read_packed(&self.packed_path(id, epoch))
    }

    /// The identity of the tar of a snapshot's own layer; computed if it is not known. Not for an imported image,
    /// whose layers have their own.
    pub fn diff_id(&self, snapshot: &Snapshot, epoch: Option<i64>) -> Result<PackedLayer, SnapshotError> {
        if let Some(known) = self.known_diff_id(snapshot.id(), epoch)? {
            return Ok(known);
        }
        let listing = snapshot.listing()?;
        let packed = if listing.entries().iter().any(Entry::is_opaque) {
            self.pack_squashed(snapshot, 1, epoch, std::io::sink())?
        } else {
            let root = snapshot.layer()?.root()?;
            rbuild_layer::diff_id(&listing, &root, epoch, self.store.stop())?
        };
        self.remember_packed(snapshot.id(), epoch, &packed)?;
        Ok(packed)
    }

    /// The identity of the tar that a snapshot's layer makes together with those below it, `depth` in all; computed if
    /// it is not known.
    pub fn squashed_diff_id(
        &self,
        snapshot: &Snapshot,
        depth: usize,
        epoch: Option<i64>,
    ) -> Result<PackedLayer, SnapshotError> {
        let path = self.squashed_path(snapshot.id(), depth, epoch);
        if let Some(known) = read_packed(&path)? {
            return Ok(known);
        }
        let packed = self.pack_squashed(snapshot, depth, epoch, std::io::sink())?;
        self.write_packed(&path, &packed)?;
        Ok(packed)
    }

    /// Writes that tar.
    pub fn pack_squashed(
        &self,
        snapshot: &Snapshot,
        depth: usize,
        epoch: Option<i64>,
        out: impl Write,
    ) -> Result<PackedLayer, SnapshotError> {
        let (tree, kept) = snapshot.tree_above(depth)?;
        Ok(rbuild_layer::pack_squashed(
            &tree,
            kept,
            epoch,
            self.store.stop(),
            out,
        )?)
    }

    fn squashed_path(&self, id: &SnapshotId, depth: usize, epoch: Option<i64>) -> PathBuf {
        let mut name = format!("{id}+{depth}");
        if let Some(epoch) = epoch {
            name.push_str(&format!("@{epoch}"));
        }
        self.store.diffids_dir().join(name)
    }

    /// Writes the tar of a snapshot's own layer. The caller compares what comes out with [`SnapshotStore::diff_id`]:
    /// when it differs the files on disk have changed.
    pub fn pack(
        &self,
        snapshot: &Snapshot,
        epoch: Option<i64>,
        out: impl Write,
    ) -> Result<PackedLayer, SnapshotError> {
        let listing = snapshot.listing()?;
        if listing.entries().iter().any(Entry::is_opaque) {
            return self.pack_squashed(snapshot, 1, epoch, out);
        }
        let root = snapshot.layer()?.root()?;
        Ok(rbuild_layer::pack(
            &listing,
            &root,
            epoch,
            self.store.stop(),
            out,
        )?)
    }

    pub(super) fn remember_packed(
        &self,
        id: &SnapshotId,
        epoch: Option<i64>,
        packed: &PackedLayer,
    ) -> Result<(), SnapshotError> {
        self.write_packed(&self.packed_path(id, epoch), packed)
    }

    fn write_packed(&self, path: &Path, packed: &PackedLayer) -> Result<(), SnapshotError> {
        let bytes = serde_json::to_vec(packed).map_err(|e| SnapshotError::Record {
            path: path.to_owned(),
            what: e.to_string(),
        })?;
        Ok(self.store.write_file(path, &bytes)?)
    }

    /// Forgets the tars of a removed snapshot, of all epochs, squashed or not.
    pub(super) fn forget_packed(&self, id: &SnapshotId) -> Result<(), SnapshotError> {
        let dir = self.store.diffids_dir();
        for name in list_dir(&dir)? {
            if packed_snapshot(&name) == Some(*id) {
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

/// The content of a file in `diffids/`; `None` when there is none, or one that cannot be read: it is computed again.
fn read_packed(path: &Path) -> Result<Option<PackedLayer>, SnapshotError> {
    match std::fs::read(path) {
        Ok(bytes) => Ok(serde_json::from_slice(&bytes).ok()),
        Err(e) if e.kind() == ErrorKind::NotFound => Ok(None),
        Err(e) => Err(SnapshotError::io("read", path, e)),
    }
}

/// The snapshot that a file in `diffids/` is about.
pub(crate) fn packed_snapshot(name: &str) -> Option<SnapshotId> {
    SnapshotId::from_hex(name.split(['@', '+']).next()?).ok()
}
