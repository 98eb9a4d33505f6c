//! Reading, renaming and removing the small files that most of the store consists of.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

use rustix::fs::{Timespec, Timestamps, UTIME_NOW};

use crate::error::{IoContext, StoreError};

/// Renames `from` over `to`; makes the parent of `to` when it is missing.
pub(crate) fn rename_in(from: &Path, to: &Path) -> Result<(), StoreError> {
    // A collector may remove the parent again while it is empty, but not forever.
    for _ in 0..100 {
        match std::fs::rename(from, to) {
            Err(error) if error.kind() == ErrorKind::NotFound => match to.parent() {
                Some(parent) if from.try_exists().at("examine", from)? => make_dirs(parent)?,
                _ => return Err(StoreError::from_io("rename to", to, error)),
            },
            other => return other.at("rename to", to),
        }
    }
    std::fs::rename(from, to).at("rename to", to)
}

/// Makes a directory and its parents, private to the user.
pub(crate) fn make_dirs(path: &Path) -> Result<(), StoreError> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .at("create", path)
}

/// Writes a whole file, private to the user whatever the umask is.
///
/// # Errors
/// No room, or the kernel's refusal.
pub fn write_private(path: &Path, bytes: &[u8]) -> Result<(), StoreError> {
    OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(path)
        .and_then(|mut file| file.write_all(bytes))
        .at("write", path)
}

/// Reads a small file; `None` when it is not there.
pub(crate) fn read_if_there(path: &Path) -> Result<Option<Vec<u8>>, StoreError> {
    match std::fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(StoreError::from_io("read", path, error)),
    }
}

/// As [`read_if_there`], with the file, so that it can be [stamped](stamp_used).
pub(crate) fn open_if_there(path: &Path) -> Result<Option<(File, Vec<u8>)>, StoreError> {
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(StoreError::from_io("open", path, error)),
    };
    let mut bytes = Vec::with_capacity(4096);
    file.read_to_end(&mut bytes)
        .map_err(|error| StoreError::from_io("read", path, error))?;
    Ok(Some((file, bytes)))
}

/// Sets a file's time to now: by it a collection knows what is still used. Best effort: only how long it is kept
/// depends on it.
pub(crate) fn stamp_used(file: &File) {
    // By the file system's clock, which a collection compares with.
    let now = Timespec {
        tv_sec: 0,
        tv_nsec: UTIME_NOW,
    };
    let times = Timestamps {
        last_access: now,
        last_modification: now,
    };
    let _ = rustix::fs::futimens(file, &times);
}

/// Removes a file; `false` when it was not there.
pub(crate) fn remove_if_there(path: &Path) -> Result<bool, StoreError> {
    match std::fs::remove_file(path) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        Err(error) => Err(StoreError::from_io("remove", path, error)),
    }
}

/// As [`list_dir`]; nothing where there is no directory.
pub(crate) fn list_if_there(path: &Path) -> Result<Vec<String>, StoreError> {
    match list_dir(path) {
        Err(error) if error.is_not_found() => Ok(Vec::new()),
        other => other,
    }
}

/// The UTF-8 names in a directory, sorted. Names that are not UTF-8 are not ours and are left out.
pub(crate) fn list_dir(path: &Path) -> Result<Vec<String>, StoreError> {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(path).at("list", path)? {
        if let Ok(name) = entry.at("list", path)?.file_name().into_string() {
            names.push(name);
        }
    }
    names.sort_unstable();
    Ok(names)
}
