//! What can be wrong with a document of an image.

/// A document that is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DocumentError {
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
    /// It was announced as one thing and calls itself another (CVE-2021-41190).
    #[error(
        "the manifest is announced as `{}`, and calls itself `{}`; refused as ambiguous",
        announced.escape_debug(),
        own.escape_debug()
    )]
    MediaTypeMismatch {
        /// Media type in the descriptor or HTTP header.
        announced: String,
        /// Media type in the document.
        own: String,
    },
    /// Fields of two kinds of document at once (CVE-2021-41190).
    #[error("the manifest has both `{0}` and `{1}`; refused as ambiguous")]
    Ambiguous(&'static str, &'static str),
    /// A required field is not there.
    #[error("the manifest has no `{0}`")]
    Missing(&'static str),
    /// `schemaVersion` is not 2.
    #[error("manifest schema version {0} is not supported")]
    SchemaVersion(u64),
    /// Docker image manifest version 2 schema 1 has no config and no layer digests worth the name.
    #[error(
        "the image is in Docker's obsolete manifest format (version 2, schema 1), which is not supported"
    )]
    SchemaOne,
    /// The manifest belongs to something else (a chart, a signature).
    #[error("this is not a container image, its config is `{}`", media_type.escape_debug())]
    NotAnImage {
        /// Media type of its config.
        media_type: String,
    },
    /// The manifest and the config do not agree.
    #[error("the manifest lists {layers} layers but the config lists {diff_ids}")]
    LayerCount {
        /// Layers in the manifest.
        layers: usize,
        /// Diff ids in the config.
        diff_ids: usize,
    },
}
