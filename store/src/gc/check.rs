//! `store check`: everything is read and compared with what it should be.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use rbuild_layer::SnapshotId;
use rbuild_oci::Digest;

use crate::error::StoreError;
use crate::file_lock::{Lock, Mode};
use crate::gc::mark::Graph;
use crate::image::Tag;
use crate::image::export::parse_index;
use crate::lease::Collection;
use crate::records::FileListRef;
use crate::small_file::{list_dir, list_if_there, make_dirs, read_if_there, remove_if_there};
use crate::snapshot::{self, SnapshotError, SnapshotStore, flattened_snapshot, verify_flattened};
use crate::store::Store;

/// Something that is not as it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The file or directory.
    pub path: PathBuf,
    /// What is wrong with it, in words.
    pub what: String,
    /// Whether it was mended: removed, so that it is a miss from now on.
    pub repaired: bool,
}

struct Check<'a> {
    store: &'a Store,
    repair: bool,
    /// For removing snapshots.
    leases: Option<Collection>,
    problems: Vec<Problem>,
}

pub(super) fn check(store: &Store, repair: bool) -> Result<Vec<Problem>, StoreError> {
    let mut missing = missing_dirs(store, repair)?;
    if missing.iter().any(|problem| !problem.repaired) {
        // Without them there is no looking further.
        return Ok(missing);
    }
    // Nobody may bring in blobs between finding one damaged and removing it.
    let _pin = match repair {
        true => Some(Lock::wait(&store.locks().blob_pin_path(), Mode::Exclusive)?),
        false => None,
    };
    let mut check = Check {
        store,
        repair,
        leases: repair.then(|| Collection::begin(store.root())).transpose()?,
        problems: Vec::new(),
    };
    check.snapshots()?;
    check.flattened()?;
    check.blobs()?;
    check.images()?;
    check.tags()?;
    check.records()?;
    check.trees()?;
    check.indexes()?;
    check.builds()?;
    missing.append(&mut check.problems);
    Ok(missing)
}

/// Makes the directories of the layout again where asked to.
fn missing_dirs(store: &Store, repair: bool) -> Result<Vec<Problem>, StoreError> {
    let mut problems = Vec::new();
    for path in store.missing_dirs() {
        if repair {
            make_dirs(&path)?;
        }
        let what = "the directory is missing".to_owned();
        problems.push(Problem {
            path,
            what,
            repaired: repair,
        });
    }
    Ok(problems)
}

impl Check<'_> {
    /// What another process removes meanwhile is no problem.
    fn report(&mut self, path: &Path, what: String, repaired: bool) {
        if !repaired && !path.exists() {
            return;
        }
        self.problems.push(Problem {
            path: path.to_owned(),
            what,
            repaired,
        });
    }

    /// Reports a file, and removes it if asked to.
    fn drop_file(&mut self, path: &Path, what: String) -> Result<(), StoreError> {
        let repaired = self.repair && remove_if_there(path)?;
        self.report(path, what, repaired);
        Ok(())
    }

    /// Compares every file of every snapshot with its listing.
    fn snapshots(&mut self) -> Result<(), StoreError> {
        let snapshots = SnapshotStore::new(self.store.clone());
        for name in list_dir(&self.store.snapshots_dir())? {
            let path = self.store.snapshots_dir().join(&name);
            let Ok(id) = SnapshotId::from_hex(&name) else {
                self.report(&path, "it is not named by a snapshot id".to_owned(), false);
                continue;
            };
            let verified = match snapshots.get(&id, snapshot::Check::Skip) {
                Ok(Some(snapshot)) => snapshot.verify(self.store.stop()),
                Ok(None) => {
                    // Either it was removed meanwhile, or a parent is missing.
                    if path.exists() {
                        self.drop_snapshot(&snapshots, &id, &path, "its parent is missing".to_owned())?;
                    }
                    continue;
                }
                Err(error) => Err(error),
            };
            match verified {
                Ok(()) => {}
                Err(error) if !error.is_damage() => {
                    self.report(&path, format!("it cannot be checked: {error}"), false);
                }
                Err(error) => self.drop_snapshot(&snapshots, &id, &path, error.to_string())?,
            }
        }
        if self.problems.iter().any(|problem| problem.repaired) {
            self.orphans()?;
        }
        Ok(())
    }

    /// What stands on a snapshot that was removed goes too: its name may have come before.
    fn orphans(&mut self) -> Result<(), StoreError> {
        // A new one: the other may still know a parent that was removed.
        let snapshots = SnapshotStore::new(self.store.clone());
        for name in list_dir(&self.store.snapshots_dir())? {
            let path = self.store.snapshots_dir().join(&name);
            let Ok(id) = SnapshotId::from_hex(&name) else {
                continue;
            };
            if matches!(snapshots.get(&id, snapshot::Check::Skip), Ok(None))
                && self.unless_used(&id, || snapshots.remove(&id).is_ok())?
            {
                self.report(&path, "its parent is missing".to_owned(), true);
            }
        }
        Ok(())
    }

    /// Removes a snapshot, or what was made of it: whether that was done. What is used is left, by itself or by what
    /// stands on it, and so is what cannot be removed.
    fn unless_used(&mut self, id: &SnapshotId, remove: impl FnOnce() -> bool) -> Result<bool, StoreError> {
        let Some(leases) = &mut self.leases else {
            return Ok(false);
        };
        let snapshots = SnapshotStore::new(self.store.clone());
        let needs = |used: &[u8; 32]| {
            let used = SnapshotId::from_bytes(*used);
            used == *id
                || match snapshots.get(&used, snapshot::Check::Skip) {
                    Ok(found) => found.is_some_and(|found| found.chain().any(|below| below.id() == id)),
                    // It cannot be known.
                    Err(_) => true,
                }
        };
        Ok(leases.unless_needed(needs, || Ok(remove()))? == Some(true))
    }

    fn drop_snapshot(
        &mut self,
        snapshots: &SnapshotStore,
        id: &SnapshotId,
        path: &Path,
        what: String,
    ) -> Result<(), StoreError> {
        let repaired = self.unless_used(id, || snapshots.remove(id).is_ok())?;
        self.report(path, what, repaired);
        Ok(())
    }

    /// Compares what layers were flattened to with its listing. What an earlier boot made is used no more.
    fn flattened(&mut self) -> Result<(), StoreError> {
        let snapshots = SnapshotStore::new(self.store.clone());
        let dir = self.store.flattened_dir();
        for name in list_if_there(&dir)? {
            let path = dir.join(&name);
            let Some(id) = flattened_snapshot(&name) else {
                self.report(&path, "it is not named by a snapshot id".to_owned(), false);
                continue;
            };
            let what = match verify_flattened(&id, &path) {
                // Made anew it may have the same name, and other contents than these.
                _ if !self.has_snapshot(&id) => "its snapshot is missing".to_owned(),
                Ok(()) => continue,
                Err(SnapshotError::Damaged { path: file, what, .. }) => {
                    format!("`{}` {what}", String::from_utf8_lossy(&file))
                }
                Err(error) if error.is_damage() => error.to_string(),
                Err(error) => {
                    self.report(&path, format!("it cannot be checked: {error}"), false);
                    continue;
                }
            };
            let repaired = self.unless_used(&id, || snapshots.drop_flattened(&path).is_ok())?;
            self.report(&path, what, repaired);
        }
        Ok(())
    }

    fn blobs(&mut self) -> Result<(), StoreError> {
        let dir = self.store.path("blobs/sha256");
        for name in list_dir(&dir)? {
            let path = dir.join(&name);
            let Ok(digest) = Digest::from_hex(&name) else {
                self.drop_file(&path, "it is not named by a digest".to_owned())?;
                continue;
            };
            match self.store.blobs().verify(&digest) {
                Ok(()) | Err(StoreError::MissingBlob { .. }) => {}
                Err(error) if error.is_corruption() => self.drop_file(&path, error.to_string())?,
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn images(&mut self) -> Result<(), StoreError> {
        for id in self.store.images().ids()? {
            let path = self.store.path("images").join(format!("{}.json", id.to_hex()));
            let record = match self.store.images().get(&id) {
                Ok(Some(record)) => record,
                Ok(None) => continue,
                Err(error) if error.is_corruption() => {
                    self.drop_file(&path, error.to_string())?;
                    continue;
                }
                Err(error) => return Err(error),
            };
            if let Err(error) = record.parse_config() {
                self.drop_file(&path, error.to_string())?;
                continue;
            }
            // An image with a missing part can still be pulled or built again under its name; dropping it would
            // lose the name for nothing.
            for descriptor in record.blobs() {
                match self.store.blobs().size(&descriptor.digest)? {
                    Some(size) if size == descriptor.size => {}
                    Some(size) => self.report(
                        &path,
                        format!(
                            "blob {} has {size} bytes, expected {}",
                            descriptor.digest, descriptor.size
                        ),
                        false,
                    ),
                    None => self.report(&path, format!("blob {} is missing", descriptor.digest), false),
                }
            }
            for snapshot in record.snapshots() {
                if !self.has_snapshot(snapshot) {
                    self.report(&path, format!("snapshot {snapshot} is missing"), false);
                }
            }
        }
        Ok(())
    }

    fn has_snapshot(&self, id: &SnapshotId) -> bool {
        self.store.snapshots_dir().join(id.to_string()).is_dir()
    }

    fn tags(&mut self) -> Result<(), StoreError> {
        let dir = self.store.path("tags");
        let good: HashMap<PathBuf, Tag> = self.store.images().tag_files()?.into_iter().collect();
        for name in list_dir(&dir)? {
            let path = dir.join(name);
            match good.get(&path) {
                None => self.drop_file(&path, "it names no image".to_owned())?,
                // An empty list is being put together.
                Some(tag) if tag.list.as_ref().is_some_and(|list| list.images.is_empty()) => {}
                Some(tag) => {
                    let image = |id: &Digest| self.store.path("images").join(format!("{}.json", id.to_hex()));
                    if let Some(id) = tag.images().find(|id| !image(id).exists()) {
                        self.drop_file(&path, format!("it names the image {id}, which is missing"))?;
                    }
                }
            }
        }
        Ok(())
    }

    fn records(&mut self) -> Result<(), StoreError> {
        let graph = Graph::read(self.store)?;
        for key in &graph.bad_records {
            self.drop_file(&self.store.records().path(key), "it is damaged".to_owned())?;
        }
        for record in &graph.records {
            if let Some(id) = record.snapshot
                && !self.has_snapshot(&id)
            {
                let path = self.store.records().path(&record.key);
                self.drop_file(&path, format!("its snapshot {id} is missing"))?;
            }
        }
        Ok(())
    }

    fn trees(&mut self) -> Result<(), StoreError> {
        let dir = self.store.path("records/trees");
        for name in list_dir(&dir)? {
            let path = dir.join(&name);
            let Some(bytes) = read_if_there(&path)? else {
                continue;
            };
            let actual = Digest::of(&bytes);
            if actual.to_hex() != name {
                self.drop_file(&path, format!("it has digest {actual}"))?;
                continue;
            }
            let reference = FileListRef {
                digest: actual,
                entries: 0,
            };
            if self.store.records().tree(&reference)?.is_none() {
                self.drop_file(&path, "it is not a file list".to_owned())?;
            }
        }
        Ok(())
    }

    /// `compressed/` and `content/`: what they point to must be there.
    fn indexes(&mut self) -> Result<(), StoreError> {
        let dir = self.store.compressed_dir();
        for name in list_dir(&dir)? {
            let path = dir.join(name);
            let Some(bytes) = read_if_there(&path)? else {
                continue;
            };
            let blob = parse_index(&bytes);
            let size = match &blob {
                Some(blob) => self.store.blobs().size(&blob.digest)?,
                None => None,
            };
            if blob.is_none() || size != blob.map(|blob| blob.size) {
                self.drop_file(&path, "its blob is missing or has another size".to_owned())?;
            }
        }
        let dir = self.store.content_dir();
        for name in list_dir(&dir)? {
            let path = dir.join(name);
            let Some(bytes) = read_if_there(&path)? else {
                continue;
            };
            let text = String::from_utf8_lossy(&bytes);
            if !SnapshotId::from_hex(text.trim()).is_ok_and(|id| self.has_snapshot(&id)) {
                self.drop_file(&path, "its snapshot is missing".to_owned())?;
            }
        }
        Ok(())
    }

    fn builds(&mut self) -> Result<(), StoreError> {
        for number in self.store.builds().numbers()? {
            if self.store.builds().get(number)?.is_none() {
                let path = self.store.path("builds").join(format!("{number}.json"));
                if path.exists() {
                    self.drop_file(&path, "it is damaged".to_owned())?;
                }
            }
        }
        Ok(())
    }
}
