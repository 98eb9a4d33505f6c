//! What can be wrong with an image that comes in, or go wrong with one that goes out.

use std::path::PathBuf;

use crate::error::StoreError;

/// A refused image, archive or layout.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ImageError {
    /// The store said no.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A document does not say what it must.
    #[error("the {what} is not valid: {detail}")]
    Invalid {
        /// `image config`, `manifest`, `index`, …
        what: &'static str,
        /// What is wrong with it.
        detail: String,
    },
    /// A document is larger than any honest one.
    #[error("the {what} is larger than {limit} bytes")]
    TooLarge {
        /// Which document.
        what: String,
        /// The limit in bytes.
        limit: u64,
    },
    /// A media type this program does not handle.
    #[error("the {what} has media type `{}`, which is not supported", media_type.escape_debug())]
    MediaType {
        /// Which document or layer.
        what: String,
        /// Its media type.
        media_type: String,
    },
    /// Two statements about the same document do not agree (CVE-2021-41190).
    #[error("the {what} was announced as `{}` but says that it is `{}`", announced.escape_debug(), found.escape_debug())]
    MediaTypeConfusion {
        /// Which document.
        what: &'static str,
        /// Media type in the descriptor or header.
        announced: String,
        /// Media type in the document, or what its fields say.
        found: String,
    },
    /// Docker image manifest version 2 schema 1 has no config and no layer digests worth the name.
    #[error(
        "this is a Docker schema 1 manifest, which is not supported; pull it with a tool that converts it"
    )]
    SchemaOne,
    /// The manifest and the config do not agree.
    #[error("the manifest lists {layers} layers but the config lists {diff_ids}")]
    LayerCount {
        /// Layers in the manifest.
        layers: usize,
        /// Diff ids in the config.
        diff_ids: usize,
    },
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
