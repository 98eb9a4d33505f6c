//! [`Error`]: why something else than a step failed, as data, by where it happens. What is said about it beside its cause,
//! and how a program ends with it, is the program's.

use super::{
    BaseError, ContextError, ExportError, HostError, OpError, RemoteError, RequestError, SharedCacheError,
    TransferError,
};
use crate::request::CachePlace;
use rbuild_layer::LayerError;
use rbuild_layer::tree::TreeError;
use rbuild_oci::DocumentError;
use rbuild_store::StoreError;
use rbuild_store::image::ImageError;
use rbuild_store::snapshot::SnapshotError;
use std::path::PathBuf;

/// Why something else than a step failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The request asks for what there is not.
    #[error(transparent)]
    Request(#[from] RequestError),
    /// A context, an ignore file or the Dockerfile cannot be had.
    #[error(transparent)]
    Context(#[from] ContextError),
    /// A file or a repository elsewhere cannot be had.
    #[error(transparent)]
    Remote(#[from] RemoteError),
    /// A name leads to no base image.
    #[error(transparent)]
    Base(#[from] BaseError),
    /// An image could not be brought in, or sent.
    #[error(transparent)]
    Transfer(#[from] TransferError),
    /// A result could not be made or written.
    #[error(transparent)]
    Export(#[from] ExportError),
    /// The host does not allow to build.
    #[error(transparent)]
    Host(#[from] HostError),
    /// Results could not be sent to a shared cache, and the caller wants that to count.
    #[error("sending results to {place}")]
    SharedCache {
        /// The cache.
        place: Box<CachePlace>,
        /// Why not.
        source: Box<SharedCacheError>,
    },
    /// The store could not be opened.
    #[error("opening the store `{}`", root.display())]
    OpenStore {
        /// Where.
        root: PathBuf,
        /// Why.
        source: Box<StoreError>,
    },
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A snapshot could not be made or read.
    #[error(transparent)]
    Snapshot(#[from] SnapshotError),
    /// An image of the store, or one that comes, is not what it should be.
    #[error(transparent)]
    Image(#[from] ImageError),
    /// A layer could not be read or made.
    #[error(transparent)]
    Layer(#[from] LayerError),
    /// A tree could not be read.
    #[error(transparent)]
    Tree(#[from] TreeError),
    /// A document could not be read or written.
    #[error(transparent)]
    Document(#[from] DocumentError),
    /// A file below a directory could not be reached.
    #[error(transparent)]
    Access(#[from] rbuild_rootdir::Error),
    /// The work of a step, where there is none.
    #[error(transparent)]
    Op(Box<OpError>),
    /// It was told to end.
    #[error("interrupted")]
    Stopped,
}

/// An error and its causes in one line, to be said at a place in a Dockerfile.
#[must_use]
pub fn one_line(error: &dyn std::error::Error) -> String {
    let mut line = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let text = cause.to_string();
        // A message may end with its cause already.
        if !line.ends_with(&text) {
            line.push_str(": ");
            line.push_str(&text);
        }
        next = cause.source();
    }
    line
}
