//! What can be wrong with a document of an image.

/// A document that is refused.
#[derive(Debug, thiserror::Error)]
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
}
