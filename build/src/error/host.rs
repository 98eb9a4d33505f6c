//! [`HostError`]: the host does not allow to build.

use rbuild_sandbox::EnterError;
use rbuild_sandbox::IdMapError;
use rbuild_sandbox::SpawnError;
use rbuild_sandbox::cgroup::LimitError;
use rbuild_sandbox::probe;
use std::io;

/// The host does not allow to build.
#[derive(Debug, thiserror::Error)]
pub enum HostError {
    /// Something that a build cannot do without does not work.
    #[error("this host does not let rbuild build yet")]
    Obstacle(#[source] Obstacle),
    /// There are not enough ids.
    #[error("this host does not let rbuild build yet")]
    Ids(#[source] IdMapError),
    /// No user namespace can be entered.
    #[error("this host does not let rbuild make a user namespace")]
    Namespace(#[source] EnterError),
    /// There is no more of something at this moment.
    #[error(transparent)]
    Shortage(EnterError),
    /// The process that starts steps could not be started.
    #[error(transparent)]
    Zygote(SpawnError),
    /// A limit cannot be had.
    #[error(transparent)]
    Limits(LimitError),
    /// The observer would not go on.
    #[error(transparent)]
    Observer(io::Error),
}

/// What was tried, and does not work.
#[derive(Debug, thiserror::Error)]
#[error("{}: {}", .0.name, .0.detail)]
pub struct Obstacle(pub probe::Check);
