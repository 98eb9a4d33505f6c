//! [`Gate`]: keeps the writing of names and the collector's "read all names, then remove" apart.

use std::fs::File;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use crate::error::{IoContext, StoreError};
use crate::file_lock::open;

/// `locks/gate`, open. Not to be used by two threads at once: they would share the lock.
#[derive(Debug)]
pub(super) struct Gate {
    file: File,
    path: PathBuf,
}

impl Gate {
    pub(super) fn open(root: &Path) -> Result<Gate, StoreError> {
        let path = root.join("locks/gate");
        let file = open(&path)?;
        Ok(Gate { file, path })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Does `work` while nobody is alone inside.
    pub(super) fn shared<T>(&self, work: impl FnOnce() -> Result<T, StoreError>) -> Result<T, StoreError> {
        self.inside(File::lock_shared, work)
    }

    /// Does `work` while nobody else is inside.
    pub(super) fn alone<T>(&self, work: impl FnOnce() -> Result<T, StoreError>) -> Result<T, StoreError> {
        self.inside(File::lock, work)
    }

    fn inside<T>(
        &self,
        enter: impl Fn(&File) -> io::Result<()>,
        work: impl FnOnce() -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        while let Err(error) = enter(&self.file) {
            if error.kind() != ErrorKind::Interrupted {
                return Err(error).at("lock", &self.path);
            }
        }
        let done = work();
        let _ = self.file.unlock();
        done
    }
}
