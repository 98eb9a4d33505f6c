//! Where the context and the Dockerfile of a build come from.

use crate::address::Remote;
use std::path::PathBuf;

/// Where the context is.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum ContextSource {
    /// A directory.
    Directory(PathBuf),
    /// `-`: a tar, or a Dockerfile without a context.
    Stdin,
    /// A git repository, or a tar (or Dockerfile) at a URL.
    Remote(Remote),
}

/// Where the Dockerfile is.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum DockerfileSource {
    /// `Dockerfile` (or `dockerfile`) in the context.
    Default,
    /// `-f PATH`.
    Path(PathBuf),
    /// `-f -`.
    Stdin,
}
