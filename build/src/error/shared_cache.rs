//! [`SharedCacheError`]: what goes wrong with a cache that machines share.

use rbuild_layer::LayerError;
use rbuild_layer::listing::ListingError;
use rbuild_oci::{Digest, DocumentError, ReferenceError};
use rbuild_registry::ErrorKind;
use rbuild_store::image::ImageError;
use rbuild_store::snapshot::SnapshotError;
use rbuild_store::{Key, StoreError};
use std::io;
use std::path::PathBuf;

/// What goes wrong with a cache that machines share.
#[derive(Debug, thiserror::Error)]
pub enum SharedCacheError {
    /// A file of it cannot be read or written.
    #[error("cannot {operation} `{}`", path.display())]
    File {
        /// What was attempted.
        operation: &'static str,
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// A record is not one.
    #[error("the record of {key} cannot be read")]
    Unreadable {
        /// Whose record it should be.
        key: Key,
        /// Why not.
        source: serde_json::Error,
    },
    /// A record is not what it says.
    #[error("the record of {key} {what}")]
    Record {
        /// Whose record it should be.
        key: Key,
        /// What is wrong with it.
        what: &'static str,
    },
    /// What a record names is not there.
    #[error("{digest}, which the record of {key} names, is not there")]
    Absent {
        /// Whose record names it.
        key: Key,
        /// What is missing.
        digest: Digest,
    },
    /// The list of a layer's files is none.
    #[error("the record of {key} names a list of files that is none")]
    Listing {
        /// Whose record names it.
        key: Key,
        /// Why not.
        source: ListingError,
    },
    /// What came is not what the record says.
    #[error("the result of {key} is not what its record says")]
    Content {
        /// Whose record.
        key: Key,
        /// What is wrong.
        source: SnapshotError,
    },
    /// The bytes of a layer could not be read.
    #[error("the result of {key} cannot be read")]
    Read {
        /// Whose record.
        key: Key,
        /// Why not.
        source: io::Error,
    },
    /// A list of files that came cannot be unpacked.
    #[error("the result of {key} cannot be unpacked")]
    Unpack {
        /// Whose record.
        key: Key,
        /// Why not.
        source: LayerError,
    },
    /// A layer that is sent cannot be read.
    #[error("a result cannot be read")]
    Snapshot(#[from] SnapshotError),
    /// A layer that is sent cannot be compressed.
    #[error("a result cannot be compressed")]
    Compress(#[from] ImageError),
    /// A list of files that is sent cannot be compressed.
    #[error("a list of files cannot be compressed")]
    Pack(#[source] io::Error),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A registry or another server failed.
    #[error(transparent)]
    Server(Box<rbuild_registry::Error>),
    /// A record has no place in a registry.
    #[error("the tag of a record")]
    Reference {
        /// Why not.
        source: ReferenceError,
    },
    /// The manifest of a record cannot be written.
    #[error("the manifest of the record of {key}")]
    Manifest {
        /// Whose record.
        key: Key,
        /// Why not.
        source: DocumentError,
    },
    /// No thread could be had to send results.
    #[error("starting a thread")]
    Thread(#[source] io::Error),
}

impl SharedCacheError {
    /// Whether the place itself cannot be used, rather than one of its records: then it is not tried again.
    #[must_use]
    pub fn is_of_place(&self) -> bool {
        match self {
            SharedCacheError::File { .. } | SharedCacheError::Thread(_) => true,
            SharedCacheError::Server(error) => !is_of_content(error),
            _ => false,
        }
    }
}

/// Whether a server has answered with something that is wrong, rather than not at all.
fn is_of_content(error: &rbuild_registry::Error) -> bool {
    matches!(
        error.kind,
        ErrorKind::Document(_)
            | ErrorKind::DigestMismatch { .. }
            | ErrorKind::SizeMismatch { .. }
            | ErrorKind::TooLarge { .. }
            | ErrorKind::Source(_)
    )
}

impl From<rbuild_registry::Error> for SharedCacheError {
    fn from(error: rbuild_registry::Error) -> Self {
        SharedCacheError::Server(Box::new(error))
    }
}
