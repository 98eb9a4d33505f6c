//! Locks that processes share: one per cache key, the lists of what is leased, cache mounts, and the pins that keep
//! the garbage collector away: files under `locks/`.
//!
//! Not here: what is done under a lock.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError};

use rbuild_layer::SnapshotId;
use rbuild_oci::Digest;

use crate::error::{IoContext, StoreError};
use crate::file_lock::{Lock, Mode};
use crate::key::Key;
use crate::lease::{List, Name};
use crate::store::Store;

pub use crate::lease::Lease;

/// The right to do the work that a cache key names. While one process holds it the others wait.
#[derive(Debug)]
pub struct KeyLock(Lock);

impl Drop for KeyLock {
    fn drop(&mut self) {
        self.0.remove_file();
    }
}

/// The answer to [`Locks::try_key`].
#[derive(Debug)]
pub enum Claim {
    /// The work is ours. Look the record up once more before starting: the last holder may just have written it.
    Held(KeyLock),
    /// Somebody else does it: tell the user, then [`Locks::wait_key`].
    Busy {
        /// The process that holds the lock, if it said so (it may be in another pid namespace).
        pid: Option<u32>,
    },
}

/// While it lives no blob and no image record is removed: held from the first blob that arrives to the image
/// record that refers to it, and while blobs are read for an export.
#[derive(Debug)]
pub struct BlobPin(#[allow(dead_code)] Lock);

/// Access to the locks of one store.
#[derive(Clone, Copy, Debug)]
pub struct Locks<'a> {
    store: &'a Store,
}

impl Store {
    /// Locks shared with other processes.
    pub fn locks(&self) -> Locks<'_> {
        Locks { store: self }
    }
}

impl<'a> Locks<'a> {
    fn key_path(&self, key: &Key) -> PathBuf {
        self.store.path("locks/keys").join(key.as_str())
    }

    pub(crate) fn blob_pin_path(&self) -> PathBuf {
        self.store.path("locks/blobs")
    }

    /// Takes the lock of a cache key, or says who holds it.
    pub fn try_key(&self, key: &Key) -> Result<Claim, StoreError> {
        let path = self.key_path(key);
        if let Some(lock) = Lock::try_take(&path, Mode::Exclusive)? {
            lock.write_holder();
            return Ok(Claim::Held(KeyLock(lock)));
        }
        let mut text = String::new();
        let pid = File::open(&path)
            .and_then(|mut file| file.read_to_string(&mut text))
            .ok()
            .and_then(|_| text.trim().parse().ok());
        Ok(Claim::Busy { pid })
    }

    /// Waits until the lock of a cache key is free, then holds it. When the holder dies the lock is free.
    pub fn wait_key(&self, key: &Key) -> Result<KeyLock, StoreError> {
        let lock = Lock::wait(&self.key_path(key), Mode::Exclusive)?;
        lock.write_holder();
        Ok(KeyLock(lock))
    }

    /// As [`wait_key`](Self::wait_key), but gives up (`None`) soon after `stop` says so: looks every 20 ms at most.
    pub fn wait_key_or(&self, key: &Key, stop: &dyn Fn() -> bool) -> Result<Option<KeyLock>, StoreError> {
        let lock = Lock::wait_or(&self.key_path(key), Mode::Exclusive, stop)?;
        Ok(lock.map(|lock| {
            lock.write_holder();
            KeyLock(lock)
        }))
    }

    /// Keeps all blobs and image records. Waits while a collector is removing some.
    pub fn pin_blobs(&self) -> Result<BlobPin, StoreError> {
        Lock::wait(&self.blob_pin_path(), Mode::Shared).map(BlobPin)
    }

    /// Serialises changes of tags and image records against each other.
    pub(crate) fn images(&self) -> Result<Lock, StoreError> {
        Lock::wait(&self.store.path("locks/images"), Mode::Exclusive)
    }

    /// Serialises the numbering of builds.
    pub(crate) fn builds(&self) -> Result<Lock, StoreError> {
        Lock::wait(&self.store.path("locks/builds"), Mode::Exclusive)
    }
}

impl Locks<'_> {
    /// The list of this process, new if it holds nothing.
    fn list(&self) -> Result<Arc<List>, StoreError> {
        let mut list = self.store.leases().lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(list) = list.upgrade() {
            return Ok(list);
        }
        let new = Arc::new(List::new(self.store.root())?);
        *list = Arc::downgrade(&new);
        Ok(new)
    }

    /// Keeps a committed snapshot, and all below it, from the garbage collector. `None` when there is no such snapshot
    /// (any more): then it is a cache miss.
    pub fn lease(&self, snapshot: &SnapshotId) -> Result<Option<Lease>, StoreError> {
        let lease = self.lease_new(snapshot)?;
        // Looked for behind the name: from here on nobody removes it.
        let directory = self.store.snapshots_dir().join(snapshot.to_string());
        Ok(exists(&directory)?.then_some(lease))
    }

    /// Leases a snapshot that is about to be committed: taken before its directory is renamed into place there is
    /// no moment in which it stands unprotected.
    pub fn lease_new(&self, snapshot: &SnapshotId) -> Result<Lease, StoreError> {
        self.list()?.hold(snapshot.as_bytes())
    }

    /// Keeps what has this name, there or about to be.
    pub(crate) fn lease_name(&self, name: &Name) -> Result<Lease, StoreError> {
        self.list()?.hold(name)
    }

    /// What this process keeps, in a form for [`take_over`](Self::take_over).
    pub fn kept(&self) -> Vec<String> {
        let list = self.store.leases().lock().unwrap_or_else(PoisonError::into_inner);
        let names = list.upgrade().map(|list| list.names()).unwrap_or_default();
        names
            .iter()
            .map(|name| Digest::from_bytes(*name).to_hex())
            .collect()
    }

    /// Keeps what another process keeps, which does so until this returns.
    pub fn take_over(&self, kept: &[String]) -> Result<Vec<Lease>, StoreError> {
        let names = kept.iter().filter_map(|name| Digest::from_hex(name).ok());
        names.map(|name| self.lease_name(name.as_bytes())).collect()
    }

    /// Keeps a stored list of files, there or about to be.
    pub(crate) fn lease_tree(&self, tree: &Digest) -> Result<Lease, StoreError> {
        self.list()?.hold(tree.as_bytes())
    }
}

fn exists(path: &Path) -> Result<bool, StoreError> {
    path.try_exists().at("examine", path)
}

#[cfg(test)]
mod tests;
