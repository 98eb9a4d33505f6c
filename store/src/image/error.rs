//! What can be wrong with an image that comes in, or go wrong with one that goes out.

use std::path::PathBuf;

use rbuild_oci::DocumentError;

use crate::error::StoreError;

/// A refused image, archive or layout.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ImageError {
    /// The store said no.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A document of the image is refused.
    #[error(transparent)]
    Document(#[from] DocumentError),
    /// A file that is neither a directory layout nor an archive we know.
    #[error("`{}` is not an image archive: {detail}", path.display())]
    NotAnImage {
        /// The file or directory.
        path: PathBuf,
        /// What was looked for.
        detail: String,
    },
    /// An archive without the image that is asked for, or with several that could be meant.
    #[error("`{}` {detail}", path.display())]
    NotChosen {
        /// The archive or layout.
        path: PathBuf,
        /// What it has, or has not.
        detail: String,
    },
    /// An archive that tries something.
    #[error("`{}` is refused: {detail}", path.display())]
    Hostile {
        /// The archive.
        path: PathBuf,
        /// What it tried, with the entry's name.
        detail: String,
    },
    /// An archive that ends too early, or is damaged in its structure.
    #[error("`{}` is damaged: {detail}", path.display())]
    Damaged {
        /// The archive.
        path: PathBuf,
        /// What is wrong.
        detail: String,
    },
    /// Something that the archive refers to is not in it.
    #[error("`{name}` is missing in `{}`", path.display())]
    MissingEntry {
        /// The archive or layout.
        path: PathBuf,
        /// What it should contain.
        name: String,
    },
    /// The program that makes a layer's tar failed.
    #[error("cannot make layer {diff_id}")]
    Layer {
        /// Which layer.
        diff_id: String,
        /// Why.
        source: std::io::Error,
    },
    /// Writing the result failed.
    #[error("cannot write the image to {}", to)]
    Write {
        /// The destination, as text.
        to: String,
        /// The kernel's answer.
        source: std::io::Error,
    },
}

impl ImageError {
    /// Takes a [`StoreError`] out of an [`std::io::Error`] that carries one.
    pub(crate) fn from_read(path: &std::path::Path, error: std::io::Error) -> ImageError {
        match error.downcast::<ImageError>() {
            Ok(inner) => inner,
            Err(error) => match error.downcast::<StoreError>() {
                Ok(inner) => ImageError::Store(inner),
                Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => ImageError::Damaged {
                    path: path.to_owned(),
                    detail: "it ends too early".to_owned(),
                },
                Err(error) => ImageError::Store(StoreError::from_io("read", path, error)),
            },
        }
    }
}
