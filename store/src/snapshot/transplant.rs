//! The same layer upon another snapshot: `COPY --link` after its base has changed.

use std::sync::Arc;

use rbuild_layer::FileSource;
use rbuild_layer::listing::EntryKind;
use rbuild_layer::tree::{Tree, TreeView};

use super::seal::{CommitOptions, Committed, HashTar};
use super::{Snapshot, SnapshotError, SnapshotStore};

impl SnapshotStore {
    /// Puts the layer of `scion` on top of `parent`: its files are linked, and what its tar comes to is known. The
    /// caller holds a lease on both. `None` when the layer says something about what was below it, as one of
    /// [`SnapshotStore::begin_independent_layer`] never does.
    pub fn transplant(
        &self,
        scion: &Snapshot,
        parent: Option<&Snapshot>,
        options: &CommitOptions,
    ) -> Result<Option<Committed>, SnapshotError> {
        let listing = scion.listing()?;
        let files: Arc<dyn Tree> = Arc::new(TreeView::new(vec![scion.layer()?.clone()]));
        let mut layer = self.begin_independent_layer(parent)?;
        layer.reuse(scion)?;
        for entry in listing.entries() {
            let (path, meta) = (entry.path.as_slice(), entry.meta.clone());
            match &entry.kind {
                EntryKind::File { size, hash } => {
                    let source = FileSource::Tree {
                        tree: Arc::clone(&files),
                        path: path.to_vec(),
                    };
                    layer.file(path, *size, Some(*hash), source, meta)?;
                }
                EntryKind::Hardlink { target } => {
                    layer.hardlink(path, target)?;
                }
                EntryKind::Dir { opaque: false } => layer.dir(path, meta)?,
                EntryKind::Symlink { target } => layer.symlink(path, target, meta)?,
                EntryKind::Fifo => layer.fifo(path, meta)?,
                EntryKind::CharDevice { rdev } => layer.char_device(path, *rdev, meta)?,
                EntryKind::BlockDevice { rdev } => layer.block_device(path, *rdev, meta)?,
                EntryKind::Whiteout | EntryKind::Dir { opaque: true } => return Ok(None),
            }
        }
        let tar = HashTar::Later;
        let committed = layer.commit(&CommitOptions { tar, ..*options })?;
        if let HashTar::Now { epoch } = options.tar
            && let Some(packed) = self.known_diff_id(scion.id(), epoch)?
            && committed.snapshot.listing()?.entries() == listing.entries()
        {
            self.remember_packed(committed.snapshot.id(), epoch, &packed)?;
        }
        Ok(Some(committed))
    }
}
