//! Locks that processes share: one per cache key, the lists of what is leased, cache mounts, and the pins that keep
//! the garbage collector away. All are kernel locks (flock(2)) on files under `locks/`, so they die with their holder.
//!
//! A lock file may be removed by its holder. Therefore whoever got a lock looks whether the path still names the
//! file that it locked, and starts again if not.
//!
//! Not here: what is done under a lock.

mod collection;
mod gate;
mod lease;

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::{Timespec, Timestamps, UTIME_NOW};

use crate::error::{IoContext, StoreError};
use crate::records::Key;
use crate::store::{Store, make_dirs};
use crate::tmp::still_there;

pub(crate) use collection::{Collection, used};
pub use lease::Lease;
pub(crate) use lease::List;

/// Exclusive, or shared with other shared holders.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    Shared,
    Exclusive,
}

/// A held lock. Dropping it frees the lock, even when a forked child still has the descriptor.
#[derive(Debug)]
pub(crate) struct Lock {
    file: File,
    path: PathBuf,
}

impl Lock {
    /// Takes the lock if nobody holds it in a conflicting mode.
    pub(crate) fn try_take(path: &Path, mode: Mode) -> Result<Option<Lock>, StoreError> {
        loop {
            let file = open(path)?;
            let taken = match mode {
                Mode::Shared => file.try_lock_shared(),
                Mode::Exclusive => file.try_lock(),
            };
            match taken {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => return Ok(None),
                Err(TryLockError::Error(error)) => return Err(StoreError::from_io("lock", path, error)),
            }
            if still_there(&file, path)? {
                return Ok(Some(Lock {
                    file,
                    path: path.to_owned(),
                }));
            }
        }
    }

    /// As [`try_take`](Self::try_take) with [`Mode::Exclusive`]; also says whether the file is new, which means
    /// that nobody ever held the lock.
    pub(crate) fn try_take_noting(path: &Path) -> Result<Option<(Lock, bool)>, StoreError> {
        loop {
            let made = OpenOptions::new()
                .read(true)
                .write(true)
                .create_new(true)
                .mode(0o600)
                .open(path);
            let (file, new) = match made {
                Ok(file) => (file, true),
                Err(error) if error.kind() == ErrorKind::AlreadyExists => (open(path)?, false),
                Err(error) => return Err(StoreError::from_io("create", path, error)),
            };
            match file.try_lock() {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => return Ok(None),
                Err(TryLockError::Error(error)) => return Err(StoreError::from_io("lock", path, error)),
            }
            if still_there(&file, path)? {
                return Ok(Some((
                    Lock {
                        file,
                        path: path.to_owned(),
                    },
                    new,
                )));
            }
        }
    }

    /// Waits for the lock, as long as it takes.
    pub(crate) fn wait(path: &Path, mode: Mode) -> Result<Lock, StoreError> {
        loop {
            let file = open(path)?;
            loop {
                let taken = match mode {
                    Mode::Shared => file.lock_shared(),
                    Mode::Exclusive => file.lock(),
                };
                match taken {
                    Err(error) if error.kind() == ErrorKind::Interrupted => {}
                    other => break other.at("lock", path)?,
                }
            }
            if still_there(&file, path)? {
                return Ok(Lock {
                    file,
                    path: path.to_owned(),
                });
            }
        }
    }

    /// As [`try_take`](Self::try_take) with [`Mode::Exclusive`], of a file that is there.
    pub(crate) fn try_take_existing(path: &Path) -> Result<Option<Lock>, StoreError> {
        let file = match File::open(path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            other => other.at("open", path)?,
        };
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Ok(None),
            Err(TryLockError::Error(error)) => return Err(StoreError::from_io("lock", path, error)),
        }
        let path = path.to_owned();
        Ok(still_there(&file, &path)?.then_some(Lock { file, path }))
    }

    /// When it was last stamped, in nanoseconds since 1970.
    pub(crate) fn stamped(&self) -> Result<i64, StoreError> {
        let metadata = self.file.metadata().at("examine", &self.path)?;
        Ok(metadata
            .mtime()
            .saturating_mul(1_000_000_000)
            .saturating_add(metadata.mtime_nsec()))
    }

    /// Waits for the lock until `stop` says to give up. A blocking flock(2) could only be ended by a signal that
    /// arrives at this very thread, so this one looks again and again, at first often.
    pub(crate) fn wait_or(
        path: &Path,
        mode: Mode,
        stop: &dyn Fn() -> bool,
    ) -> Result<Option<Lock>, StoreError> {
        let mut pause = Duration::from_millis(1);
        loop {
            if let Some(lock) = Self::try_take(path, mode)? {
                return Ok(Some(lock));
            }
            if stop() {
                return Ok(None);
            }
            std::thread::sleep(pause);
            pause = (pause * 2).min(Duration::from_millis(20));
        }
    }

    /// Whether nobody holds the lock in any mode. True only for the moment; for display.
    pub(crate) fn is_free(path: &Path) -> bool {
        File::open(path).is_ok_and(|file| file.try_lock().is_ok()) || !path.exists()
    }

    /// Removes the lock file. Only for exclusive holders: a waiter then makes a new one.
    pub(crate) fn remove_file(&self) {
        let _ = std::fs::remove_file(&self.path);
    }

    /// Sets the file's time to now: the time of last use that the garbage collector goes by.
    pub(crate) fn stamp(&self) -> Result<(), StoreError> {
        let now = Timespec {
            tv_sec: 0,
            tv_nsec: UTIME_NOW,
        };
        let times = Timestamps {
            last_access: now,
            last_modification: now,
        };
        rustix::fs::futimens(&self.file, &times).at("set the time of", &self.path)
    }

    fn write_holder(&self) {
        // Only for messages to other users of the key; so nothing depends on it.
        let _ = self.file.set_len(0);
        let _ = (&self.file).write_all(std::process::id().to_string().as_bytes());
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        let _ = self.file.unlock();
    }
}

fn open(path: &Path) -> Result<File, StoreError> {
    let attempt = || {
        OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(path)
    };
    match attempt() {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            if let Some(parent) = path.parent() {
                make_dirs(parent)?;
            }
            attempt().at("open", path)
        }
        other => other.at("open", path),
    }
}

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

impl<'a> Locks<'a> {
    pub(crate) fn new(store: &'a Store) -> Self {
        Locks { store }
    }

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

fn exists(path: &Path) -> Result<bool, StoreError> {
    path.try_exists().at("examine", path)
}

#[cfg(test)]
mod tests;
