//! What an overlay is made of. The kernel takes 500 lower directories (`OVL_MAX_STACK`), and looks into each of them for
//! a name that is not there; so of a long chain, every 64 layers become one directory of their own, made when something
//! is mounted and kept under `flattened/` for the next mount.
//!
//! Which layers are taken together depends on where they stand alone, as in [`chain`](super::chain), so all chains on
//! one snapshot share theirs. What a name stands for never changes: a snapshot's name says all of what is below it.
//!
//! Nothing is synced, so after a reboot all is made anew. One is removed when its snapshot is gone: a lease on a
//! snapshot, which covers all below it, covers these too.

use std::io::{BufWriter, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError};

use rbuild_layer::SnapshotId;
use rbuild_layer::listing::ListingFile;
use rbuild_layer::tree::{Folded, Run, Tree, TreeLayer, default_root};
use rbuild_rootdir::Root;

use super::seal::{StagingDir, write_new};
use super::{FS, LISTING, Snapshot, SnapshotError, SnapshotStore};
use crate::remove::remove_tree;
use crate::small_file::make_dirs;
use crate::store::Store;

/// Up to so many layers are mounted as they are.
const MANY: usize = 128;

/// How many parts become one.
const FAN: usize = 64;

/// A directory of an overlay: a snapshot's own layer, or several.
#[derive(Debug)]
enum Part<'s> {
    One(&'s Snapshot),
    Several(PathBuf),
}

impl Part<'_> {
    fn fs(&self) -> PathBuf {
        match self {
            Part::One(snapshot) => snapshot.fs(),
            Part::Several(dir) => dir.join(FS),
        }
    }

    fn layer(&self) -> Result<TreeLayer, SnapshotError> {
        match self {
            Part::One(snapshot) => snapshot.layer().cloned(),
            Part::Several(dir) => {
                let listing = ListingFile::open(dir.join(LISTING))?;
                Ok(TreeLayer::new(Arc::new(listing), self.fs()))
            }
        }
    }
}

impl SnapshotStore {
    /// The lower directories of an overlay that shows a snapshot's files, topmost first. The caller holds a lease on the
    /// snapshot and runs where the ids of its files are mapped.
    pub fn lowers(&self, snapshot: &Snapshot) -> Result<Vec<PathBuf>, SnapshotError> {
        Ok(self.parts(snapshot)?.iter().map(Part::fs).collect())
    }

    /// The same with what is in them.
    pub fn layers(&self, snapshot: &Snapshot) -> Result<Vec<TreeLayer>, SnapshotError> {
        self.parts(snapshot)?.iter().map(Part::layer).collect()
    }

    fn parts<'s>(&self, snapshot: &'s Snapshot) -> Result<Vec<Part<'s>>, SnapshotError> {
        let mut largest = 1;
        if snapshot.height() > MANY {
            while snapshot.height() / largest > FAN {
                largest *= FAN;
            }
        }
        let mut parts = Vec::new();
        let mut next = Some(snapshot);
        while let Some(at) = next {
            let mut layers = 1;
            while layers < largest && at.height() > 0 && at.height().is_multiple_of(layers * FAN) {
                layers *= FAN;
            }
            parts.push(self.part(at, layers)?);
            next = at.chain().nth(layers);
        }
        Ok(parts)
    }

    /// This layer and those below it, so many in all.
    fn part<'s>(&self, top: &'s Snapshot, layers: usize) -> Result<Part<'s>, SnapshotError> {
        if layers == 1 {
            return Ok(Part::One(top));
        }
        let home = self.store.flattened_dir().join(format!("{}+{layers}", top.id()));
        if !home.exists() {
            self.flatten(top, layers, &home)?;
        }
        Ok(Part::Several(home))
    }

    /// Another process may do the same meanwhile; what one of them has made serves both.
    fn flatten(&self, top: &Snapshot, layers: usize, home: &Path) -> Result<(), SnapshotError> {
        let mut stack = Vec::with_capacity(FAN);
        for at in top.chain().step_by(layers / FAN).take(FAN) {
            stack.push(Run::Layer(self.part(at, layers / FAN)?.layer()?));
        }
        let _alone = self.flattening.lock().unwrap_or_else(PoisonError::into_inner);
        if home.exists() {
            return Ok(());
        }
        let folded = Folded::new(&stack)?;
        let staging = StagingDir::new(self)?;
        let root = top.tree()?.lookup(b"")?.unwrap_or_else(default_root);
        rbuild_layer::flatten(&folded, &Root::open(staging.fs())?, &root.meta, self.store.stop())?;
        write_new(&staging.path().join(LISTING), |file| {
            folded
                .listing()
                .write_to(BufWriter::with_capacity(64 * 1024, file))
        })?;
        make_dirs(&self.store.flattened_dir())?;
        match std::fs::rename(staging.path(), home) {
            Err(e) if matches!(e.kind(), ErrorKind::AlreadyExists | ErrorKind::DirectoryNotEmpty) => Ok(()),
            other => other.map_err(|e| SnapshotError::io("rename to", home, e)),
        }
    }
}

impl SnapshotStore {
    /// Removes one, so that it is made again.
    pub(crate) fn drop_flattened(&self, home: &Path) -> Result<(), SnapshotError> {
        let trash = self.trash()?;
        std::fs::rename(home, &trash).map_err(|e| SnapshotError::io("remove", home, e))?;
        Ok(remove_tree(&trash)?)
    }
}

/// The topmost of the snapshots that a directory in `flattened/` is made of.
pub(crate) fn flattened_snapshot(name: &str) -> Option<SnapshotId> {
    SnapshotId::from_hex(name.split('+').next()?).ok()
}

impl Store {
    /// Where this boot's are.
    pub(crate) fn flattened_dir(&self) -> PathBuf {
        let boot = match self.boot_id() {
            "" => "unknown",
            known => known,
        };
        self.path("flattened").join(boot)
    }
}
