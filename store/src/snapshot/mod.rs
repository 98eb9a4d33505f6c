//! Snapshots: committed layers on disk, each on top of its parent.
//!
//! A snapshot is born under `tmp/`, gets its listing, its name from the listing, and is renamed into place: it is there
//! whole or not at all. Mounting is the sandbox's work, deciding when to run or reuse a step the solver's.

mod active;
mod builder;
mod chain;
mod error;
mod flat;
mod form;
mod import;
mod kept;
mod meta;
mod open;
mod packed;
mod restore;
mod seal;
mod stubs;
mod transplant;
mod usage;
mod verify;

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use rbuild_layer::listing::ListingFile;
use rbuild_layer::tree::TreeLayer;
use rbuild_layer::{ContentId, SnapshotId};
use rbuild_oci::DiffId;

use crate::lease::{Lease, Name};
use crate::remove::remove_tree;
use crate::small_file::list_dir;
use crate::store::Store;
use crate::tmp::TmpDir;
use chain::Place;
use meta::Meta;

pub(crate) use flat::flattened_snapshot;
pub(crate) use packed::packed_snapshot;
pub(crate) use verify::verify_flattened;

pub use active::ActiveSnapshot;
pub use builder::LayerBuilder;
pub use error::SnapshotError;
pub use form::{Form, SnapshotRoot};
pub use import::{ImportLayer, ImportOptions};
pub use open::{Held, Opened};
pub use restore::ForeignLayer;
pub use seal::{CommitOptions, Committed, HashTar};
pub use stubs::StubKind;

/// A committed snapshot. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Snapshot(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    id: SnapshotId,
    meta: Meta,
    dir: PathBuf,
    parent: Option<Snapshot>,
    place: Place,
    /// No power loss can have hurt this or anything below it: made in this boot, or verified in it or a later one.
    sound: AtomicBool,
    /// Opened when it is first asked: a build in which everything is cached needs no listing.
    layer: OnceLock<TreeLayer>,
}

impl Drop for Inner {
    /// One after the other: a chain of many thousands would end the stack.
    fn drop(&mut self) {
        let mut next = self.leave();
        while let Some(Snapshot(inner)) = next {
            next = Arc::into_inner(inner).and_then(|mut inner| inner.leave());
        }
    }
}

impl Inner {
    /// Gives up what is below; the answer is its parent, which may be nobody else's.
    fn leave(&mut self) -> Option<Snapshot> {
        self.place.leave();
        self.parent.take()
    }
}

impl Snapshot {
    /// Its name.
    pub fn id(&self) -> &SnapshotId {
        &self.0.id
    }

    /// What it contains, without times.
    pub fn content_id(&self) -> &ContentId {
        &self.0.meta.content_id
    }

    /// What it was made on top of; `None` for the lowest.
    pub fn parent(&self) -> Option<&Snapshot> {
        self.0.parent.as_ref()
    }

    /// The layers of the image that it was imported from, bottom first; `None` for one that a step made.
    pub fn imported_layers(&self) -> Option<&[DiffId]> {
        self.0.meta.imported.as_deref()
    }

    /// Sum of the sizes of its own layer's files, in bytes.
    pub fn content_bytes(&self) -> u64 {
        self.0.meta.bytes
    }

    /// The number of entries of its own layer.
    pub fn entries(&self) -> u64 {
        self.0.meta.entries
    }

    /// When it was committed, in seconds since 1970.
    pub fn created(&self) -> i64 {
        self.0.meta.created
    }

    /// The directory with its own layer's files, in overlay form.
    pub fn fs(&self) -> PathBuf {
        self.0.dir.join(FS)
    }

    /// Its own layer.
    pub fn layer(&self) -> Result<&TreeLayer, SnapshotError> {
        if let Some(layer) = self.0.layer.get() {
            return Ok(layer);
        }
        let listing = ListingFile::open(self.0.dir.join(LISTING))?;
        Ok(self
            .0
            .layer
            .get_or_init(|| TreeLayer::new(Arc::new(listing), self.fs())))
    }

    /// Its own layer's listing, as a whole.
    pub fn listing(&self) -> Result<rbuild_layer::listing::Listing, SnapshotError> {
        Ok(ListingFile::open(self.0.dir.join(LISTING))?.load()?)
    }
}

const FS: &str = "fs";
const LISTING: &str = "listing";
const META: &str = "meta.json";

/// Whether snapshots that a power loss may have hurt are verified before they are given out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Check {
    /// Verify those of an earlier boot that were not verified yet; drop the ones that differ. May read much, and needs
    /// to read every file: do it where the ids of the files are mapped.
    Now,
    /// Give them out as they are. For looking only.
    Skip,
}

/// The snapshots of a store. Shared between threads.
#[derive(Debug)]
pub struct SnapshotStore {
    store: Store,
    known: Mutex<HashMap<SnapshotId, Snapshot>>,
    /// Where snapshots are born; made with the first.
    tmp: Mutex<Option<Arc<TmpDir>>>,
    /// Stub layers that are in use.
    stubs: Mutex<HashMap<Name, Lease>>,
    /// Held while layers are flattened: two steps of a build would do the same.
    flattening: Mutex<()>,
    /// Directories for the next commands, by the snapshots that they show.
    kept: Mutex<HashMap<SnapshotId, kept::Kept>>,
    serial: AtomicU64,
}

impl SnapshotStore {
    /// The snapshots of this store.
    pub fn new(store: Store) -> Self {
        SnapshotStore {
            store,
            known: Mutex::default(),
            tmp: Mutex::default(),
            stubs: Mutex::default(),
            flattening: Mutex::default(),
            kept: Mutex::default(),
            serial: AtomicU64::new(0),
        }
    }

    /// The store it is part of.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// The directory under `tmp/` of this process's snapshots.
    fn tmp(&self) -> Result<Arc<TmpDir>, SnapshotError> {
        let mut slot = self.tmp.lock().unwrap_or_else(PoisonError::into_inner);
        match &*slot {
            Some(tmp) => Ok(Arc::clone(tmp)),
            None => Ok(Arc::clone(slot.insert(Arc::new(self.store.tmp_dir()?)))),
        }
    }

    /// A new name under `tmp/`, for what is removed.
    fn trash(&self) -> Result<PathBuf, SnapshotError> {
        let serial = self.serial.fetch_add(1, Ordering::Relaxed);
        Ok(self.tmp()?.path().join(format!("{serial}.removed")))
    }

    fn dir(&self, id: &SnapshotId) -> PathBuf {
        self.store.snapshots_dir().join(id.to_hex())
    }

    /// Finds a snapshot with all below it; `None` when one of them is not there.
    pub fn get(&self, id: &SnapshotId, check: Check) -> Result<Option<Snapshot>, SnapshotError> {
        let Some(snapshot) = self.load(id)? else {
            return Ok(None);
        };
        if check == Check::Now && !self.confirm(&snapshot)? {
            return Ok(None);
        }
        Ok(Some(snapshot))
    }

    fn load(&self, id: &SnapshotId) -> Result<Option<Snapshot>, SnapshotError> {
        if let Some(known) = self.lock().get(id) {
            return Ok(Some(known.clone()));
        }
        // Down to one that is known or has no parent; then up again.
        let mut metas = Vec::new();
        let mut next = Some(*id);
        let mut parent = None;
        while let Some(id) = next {
            if let Some(known) = self.lock().get(&id) {
                parent = Some(known.clone());
                break;
            }
            let Some(meta) = Meta::read(&self.dir(&id).join(META))? else {
                return Ok(None);
            };
            next = meta.parent;
            metas.push((id, meta));
        }
        let mut snapshot = parent;
        for (id, meta) in metas.into_iter().rev() {
            let parent = snapshot.take();
            let unhurt = meta.confirmed || meta.boot_id == self.store.boot_id();
            let sound = unhurt && !parent.as_ref().is_some_and(Snapshot::needs_check);
            let inner = Inner {
                id,
                place: Place::new(parent.as_ref(), &meta),
                meta,
                dir: self.dir(&id),
                parent,
                sound: AtomicBool::new(sound),
                layer: OnceLock::new(),
            };
            let made = Snapshot(Arc::new(inner));
            self.lock().insert(id, made.clone());
            snapshot = Some(made);
        }
        Ok(snapshot)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<SnapshotId, Snapshot>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The names of all snapshots, sorted.
    pub fn list(&self) -> Result<Vec<SnapshotId>, SnapshotError> {
        let names = list_dir(&self.store.snapshots_dir())?;
        Ok(names
            .iter()
            .filter_map(|name| SnapshotId::from_hex(name).ok())
            .collect())
    }

    /// The parent that a snapshot's record names, without loading anything else. For garbage collection.
    pub fn parent_of(&self, id: &SnapshotId) -> Result<Option<SnapshotId>, SnapshotError> {
        Ok(Meta::read(&self.dir(id).join(META))?.and_then(|meta| meta.parent))
    }

    /// Removes a snapshot. That nothing is on top of it and nobody holds it is the caller's business.
    ///
    /// It is gone at once, and its files after that: a crash in between leaves them to the sweep of `tmp/`.
    pub fn remove(&self, id: &SnapshotId) -> Result<(), SnapshotError> {
        self.lock().remove(id);
        let dir = self.dir(id);
        let meta = Meta::read(&dir.join(META)).ok().flatten();
        let trash = self.trash()?;
        match std::fs::rename(&dir, &trash) {
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(()),
            other => other.map_err(|e| SnapshotError::io("remove", &dir, e))?,
        }
        if let Some(meta) = meta {
            self.forget_content(id, &meta)?;
        }
        self.forget_packed(id)?;
        Ok(remove_tree(&trash)?)
    }
}

#[cfg(test)]
mod tests;
