//! Agents for `RUN --mount=type=ssh`.

use std::path::PathBuf;

/// Where an agent comes from.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum SshSource {
    /// The socket of an agent.
    Socket(PathBuf),
    /// Key files: an agent of our own holds them.
    Keys(Vec<PathBuf>),
}
