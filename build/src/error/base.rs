//! [`BaseError`]: a name leads to no base image.

use rbuild_oci::Digest;
use rbuild_oci::ReferenceError;
use rbuild_store::image::ImageError;
use std::path::PathBuf;

/// A name leads to no base image.
#[derive(Debug, thiserror::Error)]
pub enum BaseError {
    /// It is no name of an image.
    #[error("`{name}` is no image reference: {source}")]
    NoReference {
        /// As written.
        name: String,
        /// What is wrong.
        source: ReferenceError,
    },
    /// It would have to be fetched.
    #[error("`{name}` is not in the store, and --pull=never forbids fetching it")]
    Forbidden {
        /// As written.
        name: String,
    },
    /// It is not there, and nobody else is asked.
    #[error("`{name}` is not in the store")]
    NotStored {
        /// As written.
        name: String,
    },
    /// A layout or archive does not give it.
    #[error("named context `{name}` (`{}`)", path.display())]
    Layout {
        /// The context's name.
        name: String,
        /// Where.
        path: PathBuf,
        /// Why not.
        source: ImageError,
    },
    /// The store no longer has what it had.
    #[error("the base image {id} is not in the store any more")]
    Gone {
        /// Its id.
        id: Digest,
    },
    /// A name that was not asked for.
    #[error("internal error: nobody was asked for `{name}`")]
    NobodyAsked {
        /// As written.
        name: String,
    },
    /// A context that is no image.
    #[error("internal error: named context `{name}` is no image")]
    NoImage {
        /// Its name.
        name: String,
    },
    /// An id that is none.
    #[error("internal error: image id {id}: {source}")]
    Id {
        /// As recorded.
        id: String,
        /// What is wrong.
        source: rbuild_oci::DigestError,
    },
}
