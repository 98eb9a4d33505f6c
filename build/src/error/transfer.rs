//! [`TransferError`]: an image could not be brought in, or sent.

use super::Error;
use rbuild_oci::Digest;
use rbuild_oci::DocumentError;
use rbuild_store::image::ImageError;
use std::io;
use std::path::PathBuf;

/// An image could not be brought in, or sent.
#[derive(Debug, thiserror::Error)]
pub enum TransferError {
    /// The registry does not do it.
    #[error(transparent)]
    Registry(Box<rbuild_registry::Error>),
    /// Its config is not what one is.
    #[error("the image `{name}`")]
    Config {
        /// Which image.
        name: String,
        /// What is wrong.
        source: DocumentError,
    },
    /// Its documents contradict each other.
    #[error("`{name}`: the manifest has {manifest} layers, the config {config}")]
    LayerCount {
        /// Which image.
        name: String,
        /// How many the one has.
        manifest: usize,
        /// How many the other has.
        config: usize,
    },
    /// A layer has another size.
    #[error("the manifest of {name} says that layer {digest} has {expected} bytes, but it has {actual}")]
    LayerSize {
        /// Which image.
        name: String,
        /// Which layer.
        digest: Digest,
        /// As the manifest says.
        expected: u64,
        /// What it has.
        actual: u64,
    },
    /// A layer cannot be read.
    #[error("{layer}: {source}")]
    ReadLayer {
        /// Which layer.
        layer: String,
        /// Why not.
        source: io::Error,
    },
    /// A layout or archive cannot be brought in.
    #[error("loading `{}`", path.display())]
    Load {
        /// Where.
        path: PathBuf,
        /// Why not.
        source: Box<Error>,
    },
    /// It was built here, and there are no blobs to make its files from.
    #[error("the files of image {id} are gone from the store")]
    FilesGone {
        /// Its id.
        id: Digest,
    },
    /// The documents for a registry cannot be made.
    #[error("preparing the image for the registry")]
    Prepare(#[source] ImageError),
    /// An export without an image.
    #[error("internal error: nothing to push")]
    NothingToPush,
    /// A layer of a snapshot where one of a blob should be.
    #[error("internal error: a layer to import has no blob")]
    NoBlob,
    /// A transfer panicked.
    #[error("internal error: a transfer panicked")]
    Panicked,
}
