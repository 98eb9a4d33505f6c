//! From a filled directory to a committed snapshot.

use std::fs::File;
use std::io::ErrorKind;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use rbuild_layer::stage::{Finished, Tar};
use rbuild_layer::{ContentId, SnapshotId};
use rbuild_oci::DiffId;

use super::meta::{Meta, PackedAtCommit, VERSION};
use super::{FS, Held, LISTING, META, Snapshot, SnapshotError, SnapshotStore};
use crate::lock::Lease;
use crate::remove::remove_tree;
use crate::tmp::TmpDir;

/// How a snapshot is committed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CommitOptions {
    /// Seconds since 1970, for its record.
    pub now: i64,
    /// Whether its tar is hashed while its files are read anyway.
    pub tar: HashTar,
}

/// Whether the layer's `DiffId` is computed at commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HashTar {
    /// With the files, which are read once for both.
    Now {
        /// `SOURCE_DATE_EPOCH`: the times in the tar follow it.
        epoch: Option<i64>,
    },
    /// When it is asked for ([`SnapshotStore::diff_id`]).
    Later,
}

impl HashTar {
    pub(super) fn tar(self) -> Tar {
        match self {
            HashTar::Now { epoch } => Tar::Hashed { epoch },
            HashTar::Later => Tar::NotNow,
        }
    }
}

/// A committed snapshot, held against garbage collection.
#[derive(Debug)]
pub struct Committed {
    /// The snapshot: the one just made, or one with the same content that was there before.
    pub snapshot: Snapshot,
    /// It was there before.
    pub adopted: bool,
    /// Holds it.
    pub lease: Lease,
}

/// Where a snapshot is made: a directory of its own in the one that this process has under `tmp/`, or one that stays.
#[derive(Debug)]
pub(super) struct StagingDir {
    /// `None`: it is somebody else's, and stays.
    tmp: Option<Arc<TmpDir>>,
    dir: PathBuf,
    has_work: bool,
}

impl StagingDir {
    pub(super) fn new(store: &SnapshotStore) -> Result<StagingDir, SnapshotError> {
        let tmp = store.tmp()?;
        let dir = tmp
            .path()
            .join(store.serial.fetch_add(1, Ordering::Relaxed).to_string());
        make_dir(&dir)?;
        let staging = StagingDir {
            tmp: Some(tmp),
            dir,
            has_work: false,
        };
        make_dir(&staging.fs())?;
        Ok(staging)
    }

    /// In a directory that there is, or was.
    pub(super) fn kept(dir: PathBuf) -> StagingDir {
        StagingDir {
            tmp: None,
            dir,
            has_work: true,
        }
    }

    pub(super) fn path(&self) -> &Path {
        &self.dir
    }

    pub(super) fn fs(&self) -> PathBuf {
        self.dir.join(FS)
    }

    /// Overlay's work directory, beside the snapshot.
    pub(super) fn work(&self) -> PathBuf {
        self.dir.with_extension("work")
    }

    pub(super) fn make_work(&mut self) -> Result<(), SnapshotError> {
        self.has_work = true;
        make_dir(&self.work())
    }

    /// An empty one: of an overlay that was not unmounted in order nothing is to be taken over.
    pub(super) fn renew_work(&mut self) -> Result<(), SnapshotError> {
        remove_tree(&self.work())?;
        self.make_work()
    }

    /// Of the content index.
    fn index(&self) -> PathBuf {
        self.dir.with_extension("content")
    }
}

impl Drop for StagingDir {
    fn drop(&mut self) {
        if self.tmp.is_none() {
            return;
        }
        // What cannot be removed now goes with the directory that it is in, or is left for a sweep.
        let _ = remove_tree(&self.dir);
        let _ = std::fs::remove_file(self.index());
        if self.has_work {
            let _ = remove_tree(&self.work());
        }
    }
}

/// Makes a directory with mode 0700 whatever the umask, and without a setgid bit whatever its parent has: a bit that
/// is inherited would change the group of everything made in it.
pub(super) fn make_dir(path: &Path) -> Result<(), SnapshotError> {
    use std::os::unix::fs::PermissionsExt;
    std::fs::create_dir(path).map_err(|e| SnapshotError::io("create", path, e))?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o700))
        .map_err(|e| SnapshotError::io("change mode of", path, e))
}

/// The names of a snapshot about to be committed.
pub(super) struct Identity {
    pub(super) id: SnapshotId,
    pub(super) content_id: ContentId,
    /// Set for an imported image.
    pub(super) imported: Option<Vec<DiffId>>,
}

impl SnapshotStore {
    /// Commits what a step made.
    pub(super) fn seal_layer(
        &self,
        staging: StagingDir,
        parent: Option<&Snapshot>,
        finished: Finished,
        options: &CommitOptions,
    ) -> Result<Committed, SnapshotError> {
        let content_id = finished.listing.content_id(parent.map(Snapshot::content_id));
        let id = finished.listing.snapshot_id(parent.map(Snapshot::id));
        let identity = Identity {
            id,
            content_id,
            imported: None,
        };
        self.seal(staging, parent, finished, identity, options)
    }

    pub(super) fn seal(
        &self,
        staging: StagingDir,
        parent: Option<&Snapshot>,
        finished: Finished,
        identity: Identity,
        options: &CommitOptions,
    ) -> Result<Committed, SnapshotError> {
        let index = self.content_path(parent.map(Snapshot::content_id), &identity.content_id);
        if let Some(adopted) = self.adopt(&index)? {
            return Ok(adopted);
        }
        let id = identity.id;
        let path = staging.dir.join(LISTING);
        write_new(&path, |file| {
            finished
                .listing
                .write_to(std::io::BufWriter::with_capacity(64 * 1024, file))
        })?;
        let path = staging.dir.join(META);
        let bytes = self.meta(identity, parent, finished, options).to_bytes(&path)?;
        write_new(&path, |mut file| std::io::Write::write_all(&mut file, &bytes))?;

        let lease = self.store.locks().lease_new(&id)?;
        self.move_home(&staging, &id)?;
        if let Some(adopted) = self.enter_in_index(&staging, &index, &id)? {
            if *adopted.snapshot.id() != id {
                drop(lease);
                self.remove_files(&id)?;
            }
            return Ok(adopted);
        }
        let Some(snapshot) = self.load(&id)? else {
            return Err(SnapshotError::io(
                "find",
                &self.dir(&id),
                ErrorKind::NotFound.into(),
            ));
        };
        Ok(Committed {
            snapshot,
            adopted: false,
            lease,
        })
    }

    /// The record of a snapshot.
    fn meta(
        &self,
        identity: Identity,
        parent: Option<&Snapshot>,
        finished: Finished,
        options: &CommitOptions,
    ) -> Meta {
        Meta {
            version: VERSION,
            parent: parent.map(|parent| *parent.id()),
            content_id: identity.content_id,
            imported: identity.imported,
            bytes: finished.listing.content_bytes(),
            entries: finished.listing.len() as u64,
            created: options.now,
            boot_id: self.store.boot_id().to_owned(),
            packed: match (finished.packed, options.tar) {
                (Some(layer), HashTar::Now { epoch }) => Some(PackedAtCommit { epoch, layer }),
                _ => None,
            },
            confirmed: false,
        }
    }

    /// Renames a snapshot to its place, unless the very same is there and whole.
    fn move_home(&self, staging: &StagingDir, id: &SnapshotId) -> Result<(), SnapshotError> {
        let home = self.dir(id);
        loop {
            match std::fs::rename(&staging.dir, &home) {
                Ok(()) => return Ok(()),
                // Another process committed the very same, or an earlier boot did: then it may have been hurt since, and
                // is taken away by the check.
                Err(e) if matches!(e.kind(), ErrorKind::AlreadyExists | ErrorKind::DirectoryNotEmpty) => {
                    if self.get(id, super::Check::Now)?.is_some() {
                        return Ok(());
                    }
                    // A power loss may have taken the record of one, which nobody can use then.
                    if !home.join(META).exists() {
                        self.remove_files(id)?;
                    }
                }
                Err(e) => return Err(SnapshotError::io("rename to", &home, e)),
            }
        }
    }

    /// Writes the index entry. It comes last: whoever is first there wins, and the others take what it names, which is the
    /// answer then.
    fn enter_in_index(
        &self,
        staging: &StagingDir,
        index: &std::path::Path,
        id: &SnapshotId,
    ) -> Result<Option<Committed>, SnapshotError> {
        let entry = staging.index();
        write_new(&entry, |mut file| {
            std::io::Write::write_all(&mut file, id.to_hex().as_bytes())
        })?;
        for _ in 0..8 {
            match std::fs::hard_link(&entry, index) {
                Ok(()) => break,
                Err(e) if e.kind() == ErrorKind::AlreadyExists => {
                    if let Some(adopted) = self.adopt(index)? {
                        return Ok(Some(adopted));
                    }
                    // It names a snapshot that is gone: adopt() took it away.
                }
                Err(e) => return Err(SnapshotError::io("create", index, e)),
            }
        }
        Ok(None)
    }

    /// The snapshot that the index names, held. An entry that names nothing is taken away.
    pub(super) fn adopt(&self, index: &Path) -> Result<Option<Committed>, SnapshotError> {
        let text = match std::fs::read_to_string(index) {
            Ok(text) => text,
            Err(e) if e.kind() == ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(SnapshotError::io("read", index, e)),
        };
        if let Ok(id) = SnapshotId::from_hex(text.trim())
            && let Some(Held { snapshot, lease }) = self.open(&id, super::Check::Now)?.sound()
        {
            return Ok(Some(Committed {
                snapshot,
                adopted: true,
                lease,
            }));
        }
        match std::fs::remove_file(index) {
            Err(e) if e.kind() != ErrorKind::NotFound => Err(SnapshotError::io("remove", index, e)),
            _ => Ok(None),
        }
    }

    /// `content/<parent>-<ContentId>`.
    pub(super) fn content_path(&self, parent: Option<&ContentId>, content: &ContentId) -> PathBuf {
        let parent = parent.map_or_else(|| "scratch".to_owned(), ContentId::to_hex);
        self.store
            .content_dir()
            .join(format!("{parent}-{}", content.to_hex()))
    }

    /// Takes the index entry of a removed snapshot away, if it is that snapshot's.
    pub(super) fn forget_content(&self, id: &SnapshotId, meta: &Meta) -> Result<(), SnapshotError> {
        let parent = match &meta.parent {
            Some(parent) => Meta::read(&self.dir(parent).join(META))?.map(|meta| meta.content_id),
            None => None,
        };
        // When the parent went first its name is not known any more: adopt() clears the entry when it meets it.
        let index = self.content_path(parent.as_ref(), &meta.content_id);
        match std::fs::read_to_string(&index) {
            Ok(text) if text.trim() == id.to_hex() => {
                std::fs::remove_file(&index).map_err(|e| SnapshotError::io("remove", &index, e))
            }
            _ => Ok(()),
        }
    }

    /// Removes a snapshot that was committed in vain, without touching the index.
    fn remove_files(&self, id: &SnapshotId) -> Result<(), SnapshotError> {
        self.lock().remove(id);
        let trash = self.trash()?;
        let dir = self.dir(id);
        match std::fs::rename(&dir, &trash) {
            Err(e) if e.kind() != ErrorKind::NotFound => Err(SnapshotError::io("remove", &dir, e)),
            _ => {
                remove_tree(&trash)?;
                self.forget_packed(id)
            }
        }
    }
}

pub(super) fn write_new(
    path: &Path,
    write: impl FnOnce(&File) -> std::io::Result<()>,
) -> Result<(), SnapshotError> {
    let file = File::options()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .map_err(|e| SnapshotError::io("create", path, e))?;
    write(&file).map_err(|e| SnapshotError::io("write", path, e))
}
