//! Where a context that comes as a stream or a repository is put while it is used.
//!
//! In the store's `tmp/`, which nobody else can read and from which the next build takes away what a killed one has left.
//! Only what builds nothing, such as `--check`, may have no store yet: then it is a directory among the temporary files of
//! the system, private to the user.

use crate::error::{ContextError, Error};
use rbuild_store::{Store, TmpDir};
use std::fs::{File, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// A directory that goes with its owner.
#[derive(Debug)]
pub enum Place {
    /// Of the store.
    Store(TmpDir),
    /// Of the system.
    System(tempfile::TempDir),
}

impl Place {
    /// Makes one: in the store, else in the directory of the system for temporary files.
    ///
    /// # Errors
    /// There is no room, or no permission.
    pub fn new(store: Option<&Store>, temporary: &Path) -> Result<Self, Error> {
        match store {
            Some(store) => Ok(Place::Store(store.tmp_dir()?)),
            None => tempfile::Builder::new()
                .prefix("rbuild-context-")
                .permissions(Permissions::from_mode(0o700))
                .tempdir_in(temporary)
                .map(Place::System)
                .map_err(|error| ContextError::Room(error).into()),
        }
    }

    /// Makes the directory of the context in it. Files of the context decide about the modes inside, never about this one.
    ///
    /// # Errors
    /// As [`Place::new`].
    #[expect(clippy::disallowed_methods, reason = "the directory that was just made")]
    pub(super) fn context(&self) -> Result<PathBuf, Error> {
        let path = self.path().join("context");
        std::fs::create_dir(&path)
            .and_then(|()| path.canonicalize())
            .map_err(|error| ContextError::Room(error).into())
    }

    /// A file without a name for what comes.
    ///
    /// # Errors
    /// As [`Place::new`].
    pub(super) fn spool(&self) -> Result<File, Error> {
        tempfile::tempfile_in(self.path()).map_err(|error| ContextError::Room(error).into())
    }

    fn path(&self) -> &Path {
        match self {
            Place::Store(dir) => dir.path(),
            Place::System(dir) => dir.path(),
        }
    }
}
