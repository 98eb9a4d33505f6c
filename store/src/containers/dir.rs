//! [`ContainerDir`]: the directory of one container, its files and its two locks.
//!
//! ```text
//! config.json   what it is: written once, and by who changes it under `lock`
//! state.json    what has become of it: written by rename under `lock`
//! lock          flock: held by whoever changes one of both, and while the container starts
//! alive         flock: held by the process that looks after it while it runs, and by nobody else
//! layer/fs      its writable layer; layer.work is overlay's own
//! control       a fifo to that process
//! stdin         a fifo to the command's standard input, where that is kept open
//! log, log.1    what it printed
//! ```

use std::fs::File;
use std::io::{ErrorKind, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::path::{Path, PathBuf};

use super::ContainerId;
use crate::disk_usage::disk_usage;
use crate::error::{IoContext, StoreError};
use crate::file_lock::{Lock, Mode};
use crate::small_file::{read_if_there, write_private};
use crate::store::Store;

/// The directory of one container. Cheap to clone.
#[derive(Clone, Debug)]
pub struct ContainerDir {
    store: Store,
    id: ContainerId,
    path: PathBuf,
}

/// The right to change a container's files.
#[derive(Debug)]
pub struct ChangeLock(Lock);

impl ChangeLock {
    /// What holds it. A process that has a copy of it shares the lock.
    #[must_use]
    pub fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.file.as_fd()
    }
}

/// What says that a container is looked after.
#[derive(Debug)]
pub struct AliveLock(Lock);

impl AliveLock {
    /// Leaves the exit code for those who wait for the end: the container may be gone when they hear of it.
    ///
    /// # Errors
    /// No room.
    pub fn leave(&self, code: i32) -> Result<(), StoreError> {
        (&self.0.file)
            .write_all(code.to_string().as_bytes())
            .at("write", &self.0.path)
    }
}

impl ContainerDir {
    pub(super) fn new(store: &Store, id: &ContainerId) -> Self {
        Self {
            store: store.clone(),
            id: id.clone(),
            path: store.path(super::CONTAINERS).join(id.as_str()),
        }
    }

    /// Whose it is.
    #[must_use]
    pub fn id(&self) -> &ContainerId {
        &self.id
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The store that it is part of.
    #[must_use]
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// Where the snapshot that it writes to is.
    #[must_use]
    pub fn layer(&self) -> PathBuf {
        self.path.join("layer")
    }

    /// Bytes on disk of what it has written.
    #[must_use]
    pub fn written_bytes(&self) -> u64 {
        disk_usage(&self.layer().join("fs"))
    }

    /// Whether it is there.
    #[must_use]
    pub fn exists(&self) -> bool {
        self.path.exists()
    }

    /// Reads one of its small files; `None` when it is not there.
    ///
    /// # Errors
    /// The kernel's refusal.
    pub fn read(&self, name: &str) -> Result<Option<Vec<u8>>, StoreError> {
        read_if_there(&self.path.join(name))
    }

    /// Writes one of its small files, whole or not at all. `_lock` is this container's.
    ///
    /// # Errors
    /// No room, or the kernel's refusal.
    pub fn write(&self, _lock: &ChangeLock, name: &str, bytes: &[u8]) -> Result<(), StoreError> {
        self.write_unlocked(name, bytes)
    }

    /// The same for who has another process hold the lock for it.
    ///
    /// # Errors
    /// As [`write`](Self::write).
    pub fn write_unlocked(&self, name: &str, bytes: &[u8]) -> Result<(), StoreError> {
        // Renaming into a directory that is gone would make it again.
        let new = self.path.join(format!("{name}.new"));
        write_private(&new, bytes)?;
        let path = self.path.join(name);
        std::fs::rename(&new, &path).at("rename to", &path)
    }

    /// Waits for the right to change it; `None` when the container is gone.
    ///
    /// # Errors
    /// The kernel's refusal.
    pub fn lock(&self) -> Result<Option<ChangeLock>, StoreError> {
        self.when_there(|| Lock::wait_existing(&self.path.join("lock"), Mode::Exclusive))
            .map(|lock| lock.map(ChangeLock))
    }

    /// As [`lock`](Self::lock), without waiting: `None` too when somebody else has it.
    ///
    /// # Errors
    /// The kernel's refusal.
    pub fn try_lock(&self) -> Result<Option<ChangeLock>, StoreError> {
        let path = self.path.join("lock");
        Ok(Lock::try_take_existing(&path, Mode::Exclusive)?.map(ChangeLock))
    }

    /// Begins to look after it. Nobody else does: the caller has the right to change it, and has seen that.
    ///
    /// # Errors
    /// The kernel's refusal.
    pub fn live(&self) -> Result<AliveLock, StoreError> {
        // Others ask for a moment whether it is held.
        let lock = self.when_there(|| Lock::wait_existing(&self.path.join("alive"), Mode::Exclusive))?;
        let lock = lock.ok_or_else(|| StoreError::from_io("lock", &self.path, ErrorKind::NotFound.into()))?;
        lock.file.set_len(0).at("empty", &lock.path)?;
        Ok(AliveLock(lock))
    }

    /// Waits until nobody looks after it: the exit code that was left. `None`: it is gone already, or was abandoned.
    ///
    /// # Errors
    /// The kernel's refusal.
    pub fn wait_until_over(&self) -> Result<Option<i32>, StoreError> {
        let path = self.path.join("alive");
        let mut file = match File::open(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            other => other.at("open", &path)?,
        };
        while let Err(error) = file.lock_shared() {
            if error.kind() != ErrorKind::Interrupted {
                return Err(error).at("lock", &path);
            }
        }
        let mut text = String::new();
        file.read_to_string(&mut text).at("read", &path)?;
        Ok(text.parse().ok())
    }

    /// Whether somebody looks after it.
    ///
    /// # Errors
    /// The kernel's refusal.
    pub fn is_alive(&self) -> Result<bool, StoreError> {
        let path = self.path.join("alive");
        let file = match File::open(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(false),
            other => other.at("open", &path)?,
        };
        // Shared, so that two who ask do not take each other for it.
        Ok(file.try_lock_shared().is_err())
    }

    fn when_there<T>(
        &self,
        take: impl FnOnce() -> Result<Option<T>, StoreError>,
    ) -> Result<Option<T>, StoreError> {
        match take() {
            Err(error) if error.is_not_found() => Ok(None),
            other => other,
        }
    }
}
