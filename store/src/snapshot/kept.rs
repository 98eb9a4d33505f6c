//! Directories in which a command has run, kept for the next one: a chain of steps has its files copied once.
//!
//! What a command changed was moved out of its directory, into the snapshot. When the next command stands on that snapshot,
//! what is missing is copied back; so is what other steps have put between the two. One directory serves one command: a
//! second one on the same snapshot has all files copied.

use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};

use rbuild_layer::plain::{Record, Stale, bring_up};
use rbuild_rootdir::Root;

use super::{Snapshot, SnapshotError, SnapshotStore};
use crate::remove::remove_tree;
use crate::tmp::TmpDir;

/// A directory that shows a snapshot, but for the paths at which something was taken away.
#[derive(Debug)]
pub(super) struct Kept {
    place: Place,
    record: Record,
    taken: Vec<Vec<u8>>,
}

/// Where it is; removed with this.
#[derive(Debug)]
struct Place {
    _tmp: Arc<TmpDir>,
    path: PathBuf,
}

impl Drop for Place {
    fn drop(&mut self) {
        // What cannot be removed now goes with the directory that it is in, or is left for a sweep.
        let _ = remove_tree(&self.path);
    }
}

impl Kept {
    /// Moves a directory out of what goes away with a command.
    pub(super) fn new(
        store: &SnapshotStore,
        dir: &Path,
        record: Record,
        taken: Vec<Vec<u8>>,
    ) -> Result<Kept, SnapshotError> {
        let tmp = store.tmp()?;
        let serial = store.serial.fetch_add(1, Ordering::Relaxed);
        let path = tmp.path().join(format!("{serial}.kept"));
        std::fs::rename(dir, &path).map_err(|e| SnapshotError::io("move", dir, e))?;
        let place = Place { _tmp: tmp, path };
        Ok(Kept { place, record, taken })
    }
}

impl SnapshotStore {
    /// Keeps a directory for the next command on a snapshot.
    pub(super) fn keep(&self, snapshot: &Snapshot, kept: Kept) {
        let mut all = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        all.insert(*snapshot.id(), kept);
    }

    /// Moves the directory that shows the nearest of a chain to `home` and brings it up to the top; `None`: there is none.
    pub(super) fn take_kept(&self, top: &Snapshot, home: &Path) -> Result<Option<Record>, SnapshotError> {
        let mut stale = Stale::new();
        for snapshot in top.chain() {
            let kept = self.lock_kept().remove(snapshot.id());
            let Some(Kept {
                place,
                mut record,
                taken,
            }) = kept
            else {
                // Not of an image: what it is made of is more than what it differs in.
                if snapshot.imported_layers().is_some() {
                    return Ok(None);
                }
                note(&mut stale, snapshot)?;
                continue;
            };
            if snapshot.imported_layers().is_none() {
                note(&mut stale, snapshot)?;
            }
            for path in taken {
                stale.entry(path).or_default();
            }
            std::fs::rename(&place.path, home).map_err(|e| SnapshotError::io("move", &place.path, e))?;
            bring_up(
                &Root::open(home)?,
                &mut record,
                &top.tree()?,
                &stale,
                self.store.stop(),
            )?;
            return Ok(Some(record));
        }
        Ok(None)
    }

    fn lock_kept(
        &self,
    ) -> std::sync::MutexGuard<'_, std::collections::HashMap<rbuild_layer::SnapshotId, Kept>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Notes what a snapshot has of its own.
fn note(stale: &mut Stale, snapshot: &Snapshot) -> Result<(), SnapshotError> {
    for entry in snapshot.listing()?.entries() {
        *stale.entry(entry.path.clone()).or_default() |= entry.is_opaque();
    }
    Ok(())
}
