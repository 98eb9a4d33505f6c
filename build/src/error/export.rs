//! [`ExportError`]: a result could not be made or written.

use super::Error;
use rbuild_oci::Digest;
use std::io;
use std::path::PathBuf;

/// A result could not be made or written.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// Files of a layer are gone.
    #[error("the snapshot {snapshot} of image {image} is gone")]
    SnapshotGone {
        /// Which.
        snapshot: rbuild_layer::SnapshotId,
        /// Of which image.
        image: Digest,
    },
    /// A directory cannot be made.
    #[error("creating `{}`: {source}", path.display())]
    Create {
        /// Where.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// A file or stream cannot be written.
    #[error("writing {name}: {source}")]
    Stream {
        /// Its path in backticks, or what it is.
        name: String,
        /// Why not.
        source: io::Error,
    },
    /// What is written there cannot be made.
    #[error("writing {name}")]
    Write {
        /// Its path in backticks, or what it is.
        name: String,
        /// Why not.
        source: Box<Error>,
    },
    /// Files cannot be written into a directory.
    #[error("writing to `{}`", path.display())]
    Directory {
        /// The directory.
        path: PathBuf,
        /// Why not.
        source: Box<Error>,
    },
    /// Nobody reads an archive on a terminal.
    #[error("refusing to write an archive to a terminal")]
    Terminal,
    /// A stage with layers and without a snapshot.
    #[error("internal error: an image with layers has no files")]
    NoFiles,
    /// Snapshots are missing.
    #[error("internal error: the image has fewer layers than steps")]
    FewerLayers,
}
