//! What can go wrong with the metadata half of the store: blobs, records, images, locks.
//!
//! Errors are data; the program decides kind, hints and exit code. Parsing and validating images has its own
//! [`ImageError`](crate::image::ImageError).

use std::io;
use std::path::{Path, PathBuf};

/// A failed operation on the store directory.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The kernel refused an operation on one path.
    #[error("cannot {action} `{}`", path.display())]
    Io {
        /// What was attempted, as a verb: `create`, `read`, `rename`.
        action: &'static str,
        /// On which path.
        path: PathBuf,
        /// The kernel's answer.
        source: io::Error,
    },
    /// The file system (or the user's quota) is full. Nothing that was complete before is lost.
    #[error("no space left on the file system of `{}` (tried to {action})", path.display())]
    NoSpace {
        /// What was attempted, as a verb.
        action: &'static str,
        /// On which path.
        path: PathBuf,
    },
    /// The store was written by another version of rbuild.
    #[error("the store `{}` has layout version `{found}`, this rbuild knows version {supported}", root.display())]
    Version {
        /// Root of the store.
        root: PathBuf,
        /// What its `version` file says.
        found: String,
        /// What this program can read and write.
        supported: u32,
    },
    /// The directory cannot hold a store.
    #[error("`{}` cannot hold the store: {problem}", root.display())]
    Unsuitable {
        /// Root of the store.
        root: PathBuf,
        /// Why not.
        problem: Unsuitable,
    },
    /// The directory has content that is not a store; nothing in it was touched.
    #[error("`{}` is not empty and is not a store (it has no `version` file)", root.display())]
    NotAStore {
        /// The directory.
        root: PathBuf,
    },
    /// Bytes do not have the digest they are named by.
    #[error("{what} has digest {actual}, expected {expected}")]
    DigestMismatch {
        /// Which object, for example ``blob `…` ``.
        what: String,
        /// The digest it should have.
        expected: String,
        /// The digest of the bytes read.
        actual: String,
    },
    /// More or fewer bytes than announced. Reading stops as soon as there is one byte too many.
    #[error("{what} has {}{actual} bytes, expected {expected}", if actual > expected { "at least " } else { "" })]
    SizeMismatch {
        /// Which object.
        what: String,
        /// Announced size in bytes.
        expected: u64,
        /// Bytes seen until the difference was noticed.
        actual: u64,
    },
    /// A blob that something refers to is not there.
    #[error("blob {digest} is not in the store")]
    MissingBlob {
        /// Its digest.
        digest: String,
    },
    /// A metadata file cannot be understood. `rbuild store check --repair` removes it.
    #[error("{what} `{}` is damaged: {detail}", path.display())]
    Corrupt {
        /// What kind of file.
        what: &'static str,
        /// Which one.
        path: PathBuf,
        /// What is wrong with it.
        detail: String,
    },
    /// A string that should be a cache key is not 64 lower-case hexadecimal digits.
    #[error("`{0}` is not a cache key (64 lower-case hexadecimal digits)")]
    BadKey(String),
    /// No image has this name, id or digest.
    #[error("no image is named `{0}`")]
    NoSuchImage(String),
    /// An id prefix fits several images.
    #[error("`{prefix}` fits {} images: {}", ids.len(), ids.join(", "))]
    AmbiguousImage {
        /// What was typed.
        prefix: String,
        /// The ids it fits, sorted, at most ten.
        ids: Vec<String>,
    },
    /// A name that cannot be a tag (empty, too long, or with control characters).
    #[error("`{}` cannot name an image: {reason}", name.escape_debug())]
    BadName {
        /// The name.
        name: String,
        /// Why not.
        reason: &'static str,
    },
}

/// Why a directory cannot hold a store.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Unsuitable {
    /// Overlay snapshots keep "this directory hides the one below" in a user extended attribute.
    #[error("its file system ({0}) has no user extended attributes")]
    NoUserXattr(&'static str),
    /// Locks and renames of a network file system are not what a store shared by processes needs.
    #[error("it is on a network file system ({0}); use a local disk")]
    Network(&'static str),
    /// Mounted read-only.
    #[error("its file system is mounted read-only")]
    ReadOnly,
    /// Another user's directory: what is in there could be changed under us.
    #[error("it belongs to uid {owner}, not to uid {caller} who runs rbuild")]
    Owner {
        /// Who owns it.
        owner: u32,
        /// Who wants to use it.
        caller: u32,
    },
    /// A directory that others can put files into.
    #[error("others may write to it (mode {mode:04o}); `chmod 700` it if nobody else has")]
    Shared {
        /// Its permissions.
        mode: u32,
    },
}

/// Turns an [`io::Error`] into a [`StoreError`] that says what was attempted on which path.
pub(crate) trait IoContext<T> {
    /// `action` is a verb: `read`, `create`, `rename`.
    fn at(self, action: &'static str, path: &Path) -> Result<T, StoreError>;
}

impl<T> IoContext<T> for Result<T, io::Error> {
    fn at(self, action: &'static str, path: &Path) -> Result<T, StoreError> {
        self.map_err(|source| StoreError::from_io(action, path, source))
    }
}

impl<T> IoContext<T> for Result<T, rustix::io::Errno> {
    fn at(self, action: &'static str, path: &Path) -> Result<T, StoreError> {
        self.map_err(|errno| StoreError::from_io(action, path, errno.into()))
    }
}

impl StoreError {
    /// Wraps `source`; a full disk or quota becomes [`StoreError::NoSpace`].
    pub fn from_io(action: &'static str, path: &Path, source: io::Error) -> Self {
        match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => StoreError::NoSpace {
                action,
                path: path.to_owned(),
            },
            _ => StoreError::Io {
                action,
                path: path.to_owned(),
                source,
            },
        }
    }

    /// Whether the file system is full.
    pub fn is_no_space(&self) -> bool {
        matches!(self, StoreError::NoSpace { .. })
    }

    /// Whether something is not there.
    pub(crate) fn is_not_found(&self) -> bool {
        matches!(self, StoreError::Io { source, .. } if source.kind() == io::ErrorKind::NotFound)
    }

    /// Whether a digest, size or format check failed, as opposed to the kernel refusing something.
    pub fn is_corruption(&self) -> bool {
        matches!(
            self,
            StoreError::DigestMismatch { .. } | StoreError::SizeMismatch { .. } | StoreError::Corrupt { .. }
        )
    }
}
