//! [`ContextError`]: a context, an ignore file or the Dockerfile cannot be had.

use super::OpError;
use super::TextError;
use dockerfile_parser::source::DecodeError;
use std::io;
use std::path::PathBuf;

/// A context, an ignore file or the Dockerfile cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum ContextError {
    /// It cannot be found.
    #[error("{what} `{}` cannot be opened: {source}", path.display())]
    NotFound {
        /// Which context.
        what: String,
        /// Where it should be.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// It is something else.
    #[error("{what} `{}` is not a directory", path.display())]
    NotADirectory {
        /// Which context.
        what: String,
        /// What is named.
        path: PathBuf,
    },
    /// It cannot be opened.
    #[error("opening {what}")]
    Open {
        /// Which context.
        what: String,
        /// Why not.
        source: rbuild_rootdir::Error,
    },
    /// A Dockerfile came in place of it.
    #[error("the named context `{name}` is no archive")]
    NoArchive {
        /// Its name.
        name: String,
    },
    /// It was neither fetched nor is it a directory.
    #[error("internal error: the context is nowhere")]
    Nowhere,
    /// It cannot be read.
    #[error("reading the context from {name}: {source}")]
    Read {
        /// Where it comes from.
        name: String,
        /// Why not.
        source: TextError,
    },
    /// Nothing came.
    #[error("the context from {name} is empty")]
    Empty {
        /// Where it comes from.
        name: String,
    },
    /// It is too long for a Dockerfile.
    #[error("the context from {name} is no archive, and for a Dockerfile {source}")]
    NeitherArchive {
        /// Where it comes from.
        name: String,
        /// Why it is no Dockerfile.
        source: TextError,
    },
    /// Its archive cannot be unpacked.
    #[error("unpacking the context from {name}")]
    Unpack {
        /// Where it comes from.
        name: String,
        /// Why not.
        source: Box<OpError>,
    },
    /// There is no place for it.
    #[error("making room for the context: {0}")]
    Room(#[source] io::Error),
    /// An ignore file that the request names cannot be read.
    #[error("reading `{}`: {source}", path.display())]
    IgnoreFile {
        /// Its path.
        path: PathBuf,
        /// Why not.
        source: TextError,
    },
    /// An ignore file of a context cannot be read.
    #[error("reading `{name}` of {context}: {source}")]
    IgnoreFileInside {
        /// Its name.
        name: String,
        /// Which context.
        context: String,
        /// Why not.
        source: TextError,
    },
    /// There is no Dockerfile.
    #[error("there is no Dockerfile in {place}")]
    NoDockerfile {
        /// Where it was looked for.
        place: String,
        /// What is there instead.
        instead: Option<&'static str>,
    },
    /// The Dockerfile of a context cannot be read.
    #[error("reading the Dockerfile `{name}` of the context: {source}")]
    DockerfileInside {
        /// Its name.
        name: String,
        /// Why not.
        source: TextError,
    },
    /// The Dockerfile cannot be read.
    #[error("reading the Dockerfile `{}`: {source}", path.display())]
    Dockerfile {
        /// Its path.
        path: PathBuf,
        /// A file that is called nearly so.
        near: Option<PathBuf>,
        /// Why not.
        source: TextError,
    },
    /// The Dockerfile cannot be read from standard input.
    #[error("reading the Dockerfile from standard input: {0}")]
    DockerfileInput(#[source] TextError),
    /// The Dockerfile is no text.
    #[error("{name}: {source}")]
    NoText {
        /// As the user calls it.
        name: String,
        /// What is wrong.
        source: DecodeError,
    },
    /// The Dockerfile is for a preprocessor.
    #[error("{name}: `{directive}` is for a preprocessor, and there is none")]
    Template {
        /// As the user calls it.
        name: String,
        /// What shows it.
        directive: String,
    },
}
