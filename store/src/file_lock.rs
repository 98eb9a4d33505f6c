//! [`Lock`]: a kernel lock (flock(2)) on a file, which dies with its holder.
//!
//! A lock file may be removed by its holder. Therefore whoever got a lock looks whether the path still names the
//! file that it locked, and starts again if not.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::{Timespec, Timestamps, UTIME_NOW};

use crate::error::{IoContext, StoreError};
use crate::small_file::make_dirs;
use crate::tmp::still_there;

/// Exclusive, or shared with other shared holders.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    Shared,
    Exclusive,
}

/// A held lock. Dropping it frees the lock, even when a forked child still has the descriptor.
#[derive(Debug)]
pub(crate) struct Lock {
    pub(crate) file: File,
    pub(crate) path: PathBuf,
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
            wait_for(&file, path, mode)?;
            if still_there(&file, path)? {
                return Ok(Lock {
                    file,
                    path: path.to_owned(),
                });
            }
        }
    }

    /// As [`wait`](Self::wait), of a file that is there; `None`: it went while we waited.
    pub(crate) fn wait_existing(path: &Path, mode: Mode) -> Result<Option<Lock>, StoreError> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .open(path)
            .at("open", path)?;
        wait_for(&file, path, mode)?;
        let path = path.to_owned();
        Ok(still_there(&file, &path)?.then_some(Lock { file, path }))
    }

    /// As [`try_take`](Self::try_take), of a file that is there.
    pub(crate) fn try_take_existing(path: &Path, mode: Mode) -> Result<Option<Lock>, StoreError> {
        let file = match File::open(path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            other => other.at("open", path)?,
        };
        let taken = match mode {
            Mode::Shared => file.try_lock_shared(),
            Mode::Exclusive => file.try_lock(),
        };
        match taken {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Ok(None),
            Err(TryLockError::Error(error)) => return Err(StoreError::from_io("lock", path, error)),
        }
        let path = path.to_owned();
        Ok(still_there(&file, &path)?.then_some(Lock { file, path }))
    }

    /// Whether nothing is in the file.
    pub(crate) fn is_empty(&self) -> Result<bool, StoreError> {
        Ok(self.file.metadata().at("examine", &self.path)?.len() == 0)
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

    /// Removes the lock file: a waiter then makes a new one. Only for those who know that nobody else holds it.
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

    pub(crate) fn write_holder(&self) {
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

fn wait_for(file: &File, path: &Path, mode: Mode) -> Result<(), StoreError> {
    loop {
        let taken = match mode {
            Mode::Shared => file.lock_shared(),
            Mode::Exclusive => file.lock(),
        };
        match taken {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            other => return other.at("lock", path),
        }
    }
}

/// Opens a lock file; makes it, and the directory it is in, when they are missing.
pub(crate) fn open(path: &Path) -> Result<File, StoreError> {
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
