//! Files without a name, for what comes over the network and is read from its start then.

use crate::error::SharedCacheError;
use rbuild_store::Store;
use std::fs::File;
use std::io::{self, Seek, SeekFrom};
use std::path::PathBuf;

/// Makes files in the store's `tmp/`. Nothing is left of them, whatever ends the process.
pub(super) struct Spool {
    directory: PathBuf,
}

impl Spool {
    pub(super) fn new(store: &Store) -> Self {
        let directory = store.path("tmp");
        Self { directory }
    }

    pub(super) fn file(&self) -> Result<File, SharedCacheError> {
        tempfile::tempfile_in(&self.directory).map_err(|source| self.failed("make a file in", source))
    }

    pub(super) fn rewound(&self, mut file: File) -> Result<File, SharedCacheError> {
        let at_start = file.seek(SeekFrom::Start(0));
        at_start.map_err(|source| self.failed("read a file in", source))?;
        Ok(file)
    }

    fn failed(&self, operation: &'static str, source: io::Error) -> SharedCacheError {
        SharedCacheError::File {
            operation,
            path: self.directory.clone(),
            source,
        }
    }
}
