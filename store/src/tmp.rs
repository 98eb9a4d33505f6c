//! [`TmpDir`]: a directory under `tmp/` that lives as long as its owner, and the sweep of those whose owner died.
//!
//! The owner holds a kernel lock on the directory itself, so `kill -9` frees it and a sweep can tell.

use std::fs::{DirBuilder, File, TryLockError};
use std::io::ErrorKind;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use crate::error::{IoContext, StoreError};
use crate::remove::remove_tree;
use crate::small_file::list_dir;

/// Makes names unique within the process; the pid makes them unique among most processes, mkdir(2) among all.
static SERIAL: AtomicU64 = AtomicU64::new(0);

/// A locked directory under `tmp/`, removed with everything in it on drop.
#[derive(Debug)]
pub struct TmpDir {
    path: PathBuf,
    lock: File,
}

impl TmpDir {
    pub(crate) fn create(parent: &Path) -> Result<TmpDir, StoreError> {
        loop {
            let serial = SERIAL.fetch_add(1, Ordering::Relaxed);
            let path = parent.join(format!("{}-{serial}", std::process::id()));
            match DirBuilder::new().mode(0o700).create(&path) {
                // Another pid namespace may share the store and use the same number.
                Err(error) if error.kind() == ErrorKind::AlreadyExists => continue,
                other => other.at("create", &path)?,
            }
            // A sweep may come between mkdir and lock: then the directory is gone, and the next name is tried.
            let lock = match File::open(&path) {
                Err(error) if error.kind() == ErrorKind::NotFound => continue,
                other => other.at("open", &path)?,
            };
            lock.lock().at("lock", &path)?;
            if still_there(&lock, &path)? {
                return Ok(TmpDir { path, lock });
            }
        }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for TmpDir {
    fn drop(&mut self) {
        // What cannot be removed now (no room, other ids) is left for a sweep.
        let _ = remove_tree(&self.path);
        // A forked child may hold a copy of the descriptor; closing ours would not free the lock.
        let _ = self.lock.unlock();
    }
}

/// Whether `path` still names the open file `handle`.
pub(crate) fn still_there(handle: &File, path: &Path) -> Result<bool, StoreError> {
    let ours = handle.metadata().at("examine", path)?;
    match std::fs::symlink_metadata(path) {
        Ok(now) => Ok(now.dev() == ours.dev() && now.ino() == ours.ino()),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        Err(error) => Err(StoreError::from_io("examine", path, error)),
    }
}

/// The lock on a directory that nobody uses; `None`: somebody does, or it is gone.
pub(crate) fn take_unused(path: &Path) -> Result<Option<File>, StoreError> {
    let Ok(handle) = File::open(path) else {
        return Ok(None);
    };
    match handle.try_lock() {
        Ok(()) => Ok(still_there(&handle, path)?.then_some(handle)),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => Err(StoreError::from_io("lock", path, error)),
    }
}

/// What a sweep of `tmp/` did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Swept {
    /// Directories of dead owners that were removed.
    pub removed: usize,
    /// Directories whose owner lives.
    pub in_use: usize,
    /// What could not be removed, with the reason. Files of subordinate ids need the user namespace.
    pub failed: Vec<(PathBuf, String)>,
}

/// Removes the directories in `tmp` whose owners are dead.
pub(crate) fn sweep(tmp: &Path) -> Result<Swept, StoreError> {
    let mut swept = Swept::default();
    for name in list_dir(tmp)? {
        let path = tmp.join(name);
        let Some(_lock) = take_unused(&path)? else {
            swept.in_use += usize::from(path.exists());
            continue;
        };
        match remove_tree(&path) {
            Ok(()) => swept.removed += 1,
            Err(error) => swept.failed.push((path, error.to_string())),
        }
    }
    Ok(swept)
}
