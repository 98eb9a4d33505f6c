//! [`RemoteError`]: a file or a repository elsewhere cannot be had.

use crate::request::SecretError;
use rbuild_layer::tree::TreeError;
use rbuild_oci::Digest;
use std::io;

/// A file or a repository elsewhere cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum RemoteError {
    /// The program `git` cannot be run.
    #[error("running git: {0}")]
    RunGit(#[source] io::Error),
    /// git failed.
    #[error("git {verb} of {url} failed")]
    Git {
        /// What it should do.
        verb: String,
        /// The repository.
        url: String,
        /// What it said.
        said: String,
        /// Whether it had credentials.
        authorized: bool,
    },
    /// The repository has no such reference.
    #[error("{url} has no branch or tag `{reference}`")]
    NoReference {
        /// The repository.
        url: String,
        /// As asked for.
        reference: String,
    },
    /// The commit is another one.
    #[error("{url}: `{reference}` is commit {commit}, which does not begin with the checksum {checksum}")]
    OtherCommit {
        /// The repository.
        url: String,
        /// As asked for.
        reference: String,
        /// What it is.
        commit: String,
        /// What it should begin with.
        checksum: String,
    },
    /// A checkout cannot be looked at.
    #[error("looking for submodules")]
    Submodules(#[source] rbuild_rootdir::Error),
    /// A checkout cannot be cleaned.
    #[error("removing `.git` of a checkout")]
    GitDirs(#[source] rbuild_rootdir::Error),
    /// The repository has no such directory.
    #[error("{url} has no directory `{subdir}` in commit {commit}")]
    NoSubdirectory {
        /// The repository.
        url: String,
        /// As asked for.
        subdir: String,
        /// Which commit was looked at.
        commit: String,
    },
    /// A context's repository has no such directory.
    #[error("{url} has no directory `{subdir}`: {}", source.as_ref().map_or("it is not there".to_owned(), ToString::to_string))]
    NoContext {
        /// The repository.
        url: String,
        /// As asked for.
        subdir: String,
        /// Why not; `None`: it is not there.
        source: Option<TreeError>,
    },
    /// A server does not give a file.
    #[error("{source}")]
    Download {
        /// The file.
        url: String,
        /// Whether credentials were sent.
        authorized: bool,
        /// Why not.
        source: Box<rbuild_registry::Error>,
    },
    /// A file cannot be kept.
    #[error("keeping {url}: {source}")]
    Keep {
        /// The file.
        url: String,
        /// Why not.
        source: io::Error,
    },
    /// A server answers what nobody asked.
    #[error("{url} says that nothing changed, but nothing was asked")]
    Unasked {
        /// The file.
        url: String,
    },
    /// A file has another content.
    #[error("{url} has digest {actual}, the checksum says {expected}")]
    OtherDigest {
        /// The file.
        url: String,
        /// What came.
        actual: Digest,
        /// What should have come.
        expected: Digest,
    },
    /// A secret with credentials cannot be used.
    #[error("secret `{name}`: {source}")]
    Secret {
        /// Its id.
        name: String,
        /// Why not.
        source: SecretError,
    },
}
