//! [`RequestError`]: the request asks for what there is not.

use dockerfile_parser::Diagnostic;

/// The request asks for what there is not.
#[derive(Debug, thiserror::Error)]
pub enum RequestError {
    /// A stage whose steps are to run anyway is not in the Dockerfile.
    #[error("--no-cache-filter={name}: the Dockerfile has no such stage")]
    NoSuchStage {
        /// As asked for.
        name: String,
        /// A stage that is called nearly so.
        near: Option<String>,
    },
    /// `BUILDKIT_DOCKERFILE_CHECK` names what there is not.
    #[error("BUILDKIT_DOCKERFILE_CHECK: {}", .0.message())]
    Check(Box<Diagnostic>),
    /// The Dockerfile's own `SOURCE_DATE_EPOCH` is no time.
    #[error("ARG SOURCE_DATE_EPOCH: `{text}` is not a number of seconds since 1970")]
    Epoch {
        /// As written.
        text: String,
    },
    /// Another frontend than the built-in one is asked for.
    #[error("BUILDKIT_SYNTAX: the frontend `{image}` is not used")]
    ForeignFrontend {
        /// Its image.
        image: String,
    },
}
