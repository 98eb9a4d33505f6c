//! What can go wrong with snapshots.

use std::io;
use std::path::{Path, PathBuf};

use rbuild_layer::listing::ListingError;
use rbuild_layer::tree::TreeError;
use rbuild_layer::{LayerError, SnapshotId};

use crate::error::StoreError;

/// A snapshot could not be made, found or verified.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    /// The layer could not be read, made or applied.
    #[error(transparent)]
    Layer(#[from] LayerError),
    /// A part of the store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A listing failed.
    #[error(transparent)]
    Listing(#[from] ListingError),
    /// A tree failed.
    #[error(transparent)]
    Tree(#[from] TreeError),
    /// A file below a root failed.
    #[error(transparent)]
    Access(#[from] rbuild_rootdir::Error),
    /// An operation on a path of the store failed.
    #[error("cannot {operation} {}: {source}", .path.display())]
    Io {
        /// What was attempted.
        operation: &'static str,
        /// The host path.
        path: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
    /// A snapshot's record cannot be understood.
    #[error("the snapshot record {} is damaged: {what}", .path.display())]
    Record {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
    },
    /// A snapshot's files are not what its listing says.
    #[error("snapshot {id} is damaged: `{}` {what}", String::from_utf8_lossy(.path))]
    Damaged {
        /// The snapshot.
        id: SnapshotId,
        /// The first path that differs.
        path: Vec<u8>,
        /// How.
        what: &'static str,
    },
}

impl SnapshotError {
    pub(crate) fn io(operation: &'static str, path: &Path, source: io::Error) -> Self {
        SnapshotError::Io {
            operation,
            path: path.to_owned(),
            source,
        }
    }

    /// True when the snapshot is not what it should be; false when it could not be looked at: no descriptor or memory to be
    /// had, no permission, a device that does not answer.
    pub fn is_damage(&self) -> bool {
        let missing = |error: &rbuild_rootdir::Error| {
            let kind = io::Error::from(error.errno).kind();
            matches!(kind, io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
        };
        let listing = |error: &ListingError| match error {
            ListingError::Io { source, .. } => {
                matches!(
                    source.kind(),
                    io::ErrorKind::NotFound | io::ErrorKind::UnexpectedEof
                )
            }
            _ => true,
        };
        match self {
            SnapshotError::Damaged { .. } | SnapshotError::Record { .. } => true,
            SnapshotError::Listing(error)
            | SnapshotError::Layer(LayerError::Listing(error))
            | SnapshotError::Tree(TreeError::Listing(error)) => listing(error),
            SnapshotError::Access(error)
            | SnapshotError::Layer(LayerError::Access(error))
            | SnapshotError::Tree(TreeError::Access(error)) => missing(error),
            SnapshotError::Layer(LayerError::Changed { .. } | LayerError::NotADirectory { .. }) => true,
            _ => false,
        }
    }

    /// True when what came from outside is not as it should be; false when it could not be kept.
    pub fn is_of_input(&self) -> bool {
        match self {
            SnapshotError::Layer(error) => error.is_input(),
            SnapshotError::Listing(ListingError::Invalid { .. }) => true,
            _ => false,
        }
    }

    /// True when a file may not be read or written by this process: outside of the user namespace that owns it.
    pub fn is_permission_denied(&self) -> bool {
        let denied = |error: &io::Error| error.kind() == io::ErrorKind::PermissionDenied;
        match self {
            SnapshotError::Io { source, .. } => denied(source),
            SnapshotError::Access(error) | SnapshotError::Layer(LayerError::Access(error)) => {
                denied(&io::Error::from(error.errno))
            }
            SnapshotError::Tree(TreeError::Access(error)) => denied(&io::Error::from(error.errno)),
            SnapshotError::Layer(LayerError::Content { source, .. }) => denied(source),
            _ => false,
        }
    }

    /// True when the file system is full.
    pub fn is_no_space(&self) -> bool {
        let full = |error: &io::Error| {
            matches!(
                error.kind(),
                io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
            )
        };
        match self {
            SnapshotError::Layer(error) => error.is_no_space(),
            SnapshotError::Store(error) => error.is_no_space(),
            SnapshotError::Access(error) => full(&io::Error::from(error.errno)),
            SnapshotError::Io { source, .. } => full(source),
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rbuild_rootdir::Errno;

    #[test]
    fn what_could_not_be_looked_at_is_not_damaged() {
        for errno in [
            Errno::MFILE,
            Errno::NFILE,
            Errno::NOMEM,
            Errno::AGAIN,
            Errno::IO,
            Errno::ACCESS,
        ] {
            let access = || rbuild_rootdir::Error::new("open", b"f", errno);
            let listing = || ListingError::Io {
                operation: "open",
                path: "listing".into(),
                source: errno.into(),
            };
            for error in [
                SnapshotError::Access(access()),
                SnapshotError::Layer(LayerError::Access(access())),
                SnapshotError::Tree(TreeError::Access(access())),
                SnapshotError::Listing(listing()),
                SnapshotError::io("read", Path::new("meta.json"), errno.into()),
            ] {
                assert!(!error.is_damage(), "{error:?}");
            }
        }
        let gone = rbuild_rootdir::Error::new("open", b"f", Errno::NOENT);
        assert!(SnapshotError::Access(gone).is_damage());
        let short = ListingError::Io {
            operation: "read",
            path: "listing".into(),
            source: io::ErrorKind::UnexpectedEof.into(),
        };
        assert!(SnapshotError::Listing(short).is_damage());
    }
}
