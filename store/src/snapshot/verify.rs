//! Comparing a snapshot's files with its listing.
//!
//! Nothing is synced when a snapshot is committed, so after a power loss files may be empty or missing. That is found
//! here: once per snapshot, in the first boot after the one it was committed in.

use std::collections::HashSet;
use std::path::Path;
use std::sync::atomic::Ordering;

use rbuild_layer::fill::{Content, FileJob, fill_and_hash};
use rbuild_layer::inode::Creator;
use rbuild_layer::listing::{Entry, EntryKind, Listing, ListingFile, file_name, join, parent};
use rbuild_layer::{FileHash, LayerError, SnapshotId, Stop};
use rbuild_rootdir::{Errno, Kind, Root, Stat};

use super::{FS, LISTING, META, Snapshot, SnapshotError, SnapshotStore};

impl SnapshotStore {
    /// Verifies a snapshot and all below it that have not been since the last boot, and notes that. A damaged one is
    /// removed, and the answer is `false`.
    pub(super) fn confirm(&self, snapshot: &Snapshot) -> Result<bool, SnapshotError> {
        // What stands on something sound was looked at only together with it.
        let chain: Vec<&Snapshot> = snapshot.chain().take_while(|below| below.needs_check()).collect();
        for snapshot in chain.into_iter().rev() {
            let meta = &snapshot.0.meta;
            if meta.confirmed || meta.boot_id == self.store.boot_id() || self.was_confirmed(snapshot)? {
                snapshot.0.sound.store(true, Ordering::Release);
                continue;
            }
            match snapshot.verify(self.store.stop()) {
                Ok(()) => {
                    let path = snapshot.0.dir.join(META);
                    let meta = super::Meta {
                        confirmed: true,
                        ..meta.clone()
                    };
                    self.store.write_file(&path, &meta.to_bytes(&path)?)?;
                    snapshot.0.sound.store(true, Ordering::Release);
                }
                Err(error) if error.is_damage() => {
                    self.remove(snapshot.id())?;
                    self.lock().clear();
                    return Ok(false);
                }
                Err(e) => return Err(e),
            }
        }
        Ok(true)
    }

    /// Another thread or process may have done it since the record was read.
    fn was_confirmed(&self, snapshot: &Snapshot) -> Result<bool, SnapshotError> {
        let meta = super::Meta::read(&snapshot.0.dir.join(META))?;
        Ok(meta.is_some_and(|meta| meta.confirmed))
    }
}

impl Snapshot {
    /// True when a power loss since its commit may have hurt it, or one below it, and nobody has looked yet.
    pub fn needs_check(&self) -> bool {
        !self.0.sound.load(Ordering::Acquire)
    }

    /// Compares the files of its own layer with its listing: nothing missing, nothing besides, types, sizes, hashes.
    ///
    /// # Errors
    /// [`SnapshotError::Damaged`] names the first path that differs.
    pub fn verify(&self, stop: &Stop) -> Result<(), SnapshotError> {
        let listing = self.listing()?;
        if self.imported_layers().is_none() {
            let parent = self.parent();
            let same = listing.snapshot_id(parent.map(Snapshot::id)) == *self.id()
                && listing.content_id(parent.map(Snapshot::content_id)) == *self.content_id();
            if !same {
                return Err(self.damaged(b"", "has a listing that makes another name"));
            }
        }
        let root = self.layer()?.root()?;
        verify_entries(self.id(), &listing, &root)?;
        verify_names(self.id(), &listing, &root)?;
        self.verify_contents(&listing, stop)
    }

    fn damaged(&self, path: &[u8], what: &'static str) -> SnapshotError {
        damaged(self.id(), path, what)
    }

    fn verify_contents(&self, listing: &Listing, stop: &Stop) -> Result<(), SnapshotError> {
        let mut expected: Vec<FileHash> = Vec::new();
        let mut jobs = Vec::new();
        for entry in listing.entries() {
            if let EntryKind::File { size, hash } = entry.kind {
                let (path, meta) = (entry.path.clone(), entry.meta.clone());
                jobs.push(FileJob {
                    path,
                    size,
                    hash: None,
                    meta,
                    content: Content::InPlace,
                });
                expected.push(hash);
            }
        }
        let root = self.layer()?.root()?;
        let hashes = match fill_and_hash(&root, Creator::current(), &jobs, stop) {
            Err(LayerError::Changed { path }) => return Err(self.damaged(&path, "is too short")),
            other => other?,
        };
        for (job, (hash, expected)) in jobs.iter().zip(hashes.iter().zip(&expected)) {
            if hash != expected {
                return Err(self.damaged(&job.path, "has another content"));
            }
        }
        Ok(())
    }
}

/// Compares what layers were flattened to with its listing. The contents are those of the snapshots.
///
/// # Errors
/// [`SnapshotError::Damaged`] names the first path that differs.
pub(crate) fn verify_flattened(id: &SnapshotId, dir: &Path) -> Result<(), SnapshotError> {
    let listing = ListingFile::open(dir.join(LISTING))?.load()?;
    let root = Root::open(dir.join(FS))?;
    verify_entries(id, &listing, &root)?;
    verify_names(id, &listing, &root)
}

fn damaged(id: &SnapshotId, path: &[u8], what: &'static str) -> SnapshotError {
    SnapshotError::Damaged {
        id: *id,
        path: path.to_vec(),
        what,
    }
}

fn verify_entries(id: &SnapshotId, listing: &Listing, root: &Root) -> Result<(), SnapshotError> {
    let mut last: Option<(&[u8], rbuild_rootdir::Dir)> = None;
    for entry in listing.entries().iter().filter(|entry| !entry.path.is_empty()) {
        let above = parent(&entry.path).unwrap_or_default();
        if last.as_ref().is_none_or(|(have, _)| *have != above) {
            let dir = match root.open_dir(above) {
                Err(e) if e.is_not_found() => return Err(damaged(id, above, "is missing")),
                other => other?,
            };
            last = Some((above, dir));
        }
        let Some((_, dir)) = &last else { continue };
        let stat = match dir.lstat(file_name(&entry.path)) {
            Ok(stat) => Some(stat),
            Err(e) if e.errno == Errno::NOENT => None,
            Err(e) => return Err(e.at(&entry.path).into()),
        };
        if let Some(what) = differs(entry, stat.as_ref()) {
            return Err(damaged(id, &entry.path, what));
        }
        if let EntryKind::Symlink { target } = &entry.kind
            && dir.readlink(file_name(&entry.path))? != *target
        {
            return Err(damaged(id, &entry.path, "has another target"));
        }
    }
    Ok(())
}

fn verify_names(id: &SnapshotId, listing: &Listing, root: &Root) -> Result<(), SnapshotError> {
    let known: HashSet<&[u8]> = listing
        .entries()
        .iter()
        .map(|entry| entry.path.as_slice())
        .collect();
    let dirs = listing
        .entries()
        .iter()
        .filter(|entry| entry.is_dir() && !entry.path.is_empty());
    for dir in std::iter::once(&b""[..]).chain(dirs.map(|entry| entry.path.as_slice())) {
        for item in root.read_dir(dir)? {
            let path = join(dir, &item.name);
            if !known.contains(path.as_slice()) {
                return Err(damaged(id, &path, "is not in the listing"));
            }
        }
    }
    Ok(())
}

/// How an inode differs from its entry.
fn differs(entry: &Entry, stat: Option<&Stat>) -> Option<&'static str> {
    let is = |kind: Kind| stat.is_some_and(|stat| stat.kind == kind);
    // On an overlay, which keeps those devices for itself, an empty file stands for one.
    let is_whiteout = stat.is_some_and(|stat| match stat.kind {
        Kind::CharDevice => stat.rdev == 0,
        Kind::File => stat.size == 0,
        _ => false,
    });
    let same = match &entry.kind {
        EntryKind::File { size, .. } => {
            if is(Kind::File) && stat.is_some_and(|stat| stat.size != *size) {
                return Some("has another size");
            }
            is(Kind::File)
        }
        EntryKind::Hardlink { .. } => is(Kind::File),
        EntryKind::Dir { .. } => is(Kind::Dir),
        EntryKind::Symlink { .. } => is(Kind::Symlink),
        EntryKind::Fifo => is(Kind::Fifo),
        // A device that could not be made has a whiteout in its place.
        EntryKind::CharDevice { .. } => is(Kind::CharDevice) || is_whiteout,
        EntryKind::BlockDevice { .. } => is(Kind::BlockDevice) || is_whiteout,
        EntryKind::Whiteout => is_whiteout,
    };
    match (same, stat) {
        (true, _) => None,
        (false, None) => Some("is missing"),
        (false, Some(_)) => Some("has another type"),
    }
}
