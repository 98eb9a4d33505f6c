//! Why a container does not start.

use crate::kept::KeptError;
use rbuild_layer::tree::TreeError;
use rbuild_rootfs::MountPointError;
use rbuild_rootfs::users::UserError;
use rbuild_sandbox::SpawnError;
use rbuild_sandbox::cgroup::LimitError;
use rbuild_store::StoreError;
use rbuild_store::containers::ContainerError;
use rbuild_store::snapshot::SnapshotError;

/// Why a container does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Neither the image nor the request names a command.
    #[error("the image names no command, and none was given")]
    NoCommand,
    /// The program has the empty name, which no file has.
    #[error("cannot execute ``: the command's name is empty")]
    EmptyCommand,
    /// The directory to work in is something else.
    #[error("the working directory `{path}` is not a directory in the image")]
    WorkingDirectory {
        /// Path in the container.
        path: String,
    },
    /// The image does not know the user.
    #[error(transparent)]
    User(UserError),
    /// Something cannot be mounted where it was asked for.
    #[error(transparent)]
    Mount(MountPointError),
    /// The image's files could not be looked up.
    #[error(transparent)]
    Tree(#[from] TreeError),
    /// The files of the image or the container's own could not be read or made.
    #[error(transparent)]
    Snapshot(#[from] SnapshotError),
    /// A limit cannot be had on this host.
    #[error(transparent)]
    Limits(#[from] LimitError),
    /// A container in the store could not be read or made.
    #[error(transparent)]
    Kept(#[from] KeptError),
    /// The sandbox could not be made, or the program is not there or cannot be executed.
    #[error(transparent)]
    Spawn(#[from] SpawnError),
}

impl From<UserError> for StartError {
    fn from(error: UserError) -> Self {
        match error {
            UserError::Tree(error) => StartError::Tree(error),
            other => StartError::User(other),
        }
    }
}

impl From<MountPointError> for StartError {
    fn from(error: MountPointError) -> Self {
        match error {
            MountPointError::NotADirectory { path } => StartError::WorkingDirectory { path },
            MountPointError::Tree(error) => StartError::Tree(error),
            MountPointError::Snapshot(error) => StartError::Snapshot(error),
            MountPointError::WrongKind { .. } | MountPointError::OfHost { .. } => StartError::Mount(error),
        }
    }
}

impl From<StoreError> for StartError {
    fn from(error: StoreError) -> Self {
        StartError::Kept(error.into())
    }
}

impl From<ContainerError> for StartError {
    fn from(error: ContainerError) -> Self {
        StartError::Kept(error.into())
    }
}
