//! How a step fails, as data; the program finds the words for the user.

use super::{Error, ProgramError};
use crate::request::SecretError;
use crate::step_check::{CopyPart, StepCheck};
use rbuild_layer::LayerError;
use rbuild_layer::listing::ListingError;
use rbuild_rootfs::MountPointError;
use rbuild_rootfs::users::UserError;
use rbuild_sandbox::cgroup::Statistics;
use rbuild_sandbox::{ExitStatus, SpawnError};
use rbuild_store::snapshot::SnapshotError;
use std::path::PathBuf;

/// A failed vertex.
#[derive(Debug, thiserror::Error)]
pub enum OpError {
    /// A source without wildcards is not there.
    #[error("`{path}` is not there{}", hidden_by.as_ref().map_or(String::new(), |(pattern, file)| format!(": `{pattern}` in {file} hides it")))]
    MissingSource {
        /// Which source of the instruction.
        source_at: usize,
        /// Cleaned path.
        path: String,
        /// A name beside it that looks like it.
        near: Option<String>,
        /// The pattern that hides it, and the ignore file.
        hidden_by: Option<(String, String)>,
    },
    /// A source is a symbolic link to something that is not there, seen from the root of the source.
    #[error("`{path}` is a link to `{target}`, which is not there")]
    DanglingLink {
        /// Which source of the instruction.
        source_at: usize,
        /// Cleaned path.
        path: String,
        /// The link's text.
        target: String,
    },
    /// The directory to work in is something else.
    #[error("`{path}` is no directory in the image")]
    WorkdirIsNone {
        /// Path in the image.
        path: String,
    },
    /// A directory is to be written where something else is.
    #[error("cannot copy to non-directory: `{path}`")]
    NotADirectory {
        /// Path in the image.
        path: String,
    },
    /// A file is to be written where a directory is.
    #[error("cannot replace directory `{path}` with a file")]
    ReplacesDirectory {
        /// Path in the image.
        path: String,
    },
    /// A wildcard pattern is malformed.
    #[error("`{pattern}` is not a valid pattern: {why}")]
    Pattern {
        /// As written.
        pattern: String,
        /// What is wrong.
        why: String,
    },
    /// A check of what is copied found something, and the file makes an error of that.
    #[error("{}", .0.message)]
    Check(Box<StepCheck>),
    /// USER names nobody.
    #[error(transparent)]
    User(UserError),
    /// `--chown` names nobody.
    #[error("--chown={owner}: {cause}")]
    Chown {
        /// As it was given.
        owner: String,
        /// Why.
        cause: UserError,
    },
    /// A file is to be mounted on a directory, or the other way round.
    #[error(transparent)]
    Mount(MountPointError),
    /// The command ended badly.
    #[error("{}{}", exit_text(*status), if out_of_memory.is_some() { ": out of memory" } else { "" })]
    CommandFailed {
        /// How it ended.
        status: ExitStatus,
        /// Its last lines, oldest first.
        tail: Vec<String>,
        /// Where all of its output is.
        log: Option<PathBuf>,
        /// The store had no room left.
        disk_full: bool,
        /// What its group counted, where the kernel killed a process of it because memory ran out.
        out_of_memory: Option<Box<Statistics>>,
    },
    /// The program is not there or cannot be executed.
    #[error(transparent)]
    Program(ProgramError),
    /// The sandbox could not be made.
    #[error(transparent)]
    Sandbox(#[from] SpawnError),
    /// A secret cannot be read.
    #[error("secret `{id}`: {why}")]
    Secret {
        /// Which.
        id: String,
        /// What is wrong.
        why: SecretError,
    },
    /// What a spec calls a device is none.
    #[error("`{}` is no device file", path.display())]
    NoDevice {
        /// The file on the host.
        path: PathBuf,
    },
    /// A device of the host is not what its spec says.
    #[error("`{}` is the {} device {major}:{minor}, which is not what its spec says", path.display(), if *is_block { "block" } else { "character" })]
    OtherDevice {
        /// The file on the host.
        path: PathBuf,
        /// Or a character device.
        is_block: bool,
        /// Its numbers.
        major: u32,
        /// Its numbers.
        minor: u32,
    },
    /// The source of a mount is not there.
    #[error("the source `{path}` of the mount on `{target}` is not there")]
    MissingMountSource {
        /// Path in the source.
        path: String,
        /// Where it was to be mounted.
        target: String,
    },
    /// A tree could not be read.
    #[error(transparent)]
    Tree(#[from] rbuild_layer::tree::TreeError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] rbuild_store::StoreError),
    /// A snapshot could not be made or read.
    #[error(transparent)]
    Snapshot(#[from] SnapshotError),
    /// An archive could not be unpacked.
    #[error(transparent)]
    Layer(#[from] rbuild_layer::LayerError),
    /// A file could not be reached.
    #[error(transparent)]
    Access(#[from] rbuild_rootdir::Error),
    /// A system call outside of any root failed.
    #[error("{attempt}: {source}")]
    Io {
        /// What was attempted.
        attempt: String,
        /// Why it failed.
        source: std::io::Error,
    },
    /// A base image, or what its unpacking needs.
    #[error(transparent)]
    Other(Box<Error>),
    /// What is elsewhere cannot be fetched.
    #[error(transparent)]
    Fetch(Box<Error>),
    /// The user of the command has an id that there is not.
    #[error(transparent)]
    NoSuchId(SpawnError),
    /// A mount on a path that is not there, in another mount.
    #[error("`{}` is not in what is mounted on `{around}`, so that nothing can be mounted there", path.display())]
    NoMountPoint {
        /// Where it was to be mounted.
        path: PathBuf,
        /// The mount around it.
        around: String,
    },
    /// The files of an image went away.
    #[error("the files of `{name}` are gone from the store")]
    FilesGone {
        /// Which image.
        name: String,
    },
    /// An archive of the context has a name that no file can have.
    #[error("the context archive has an entry `{name}`, which {what}")]
    ArchiveName {
        /// As it stands there.
        name: String,
        /// What is wrong with it.
        what: &'static str,
    },
    /// `ssh-agent` cannot be run.
    #[error("running ssh-agent: {0}")]
    RunAgent(#[source] std::io::Error),
    /// `ssh-agent` ends at once.
    #[error("ssh-agent does not start")]
    NoAgent,
    /// `ssh-add` does not take the keys.
    #[error("ssh-add refused the keys of `--ssh`: {said}")]
    KeysRefused {
        /// What it says.
        said: String,
    },
    /// No thread is to be had.
    #[error("starting a thread: {0}")]
    Thread(#[source] std::io::Error),
    /// A fault of rbuild.
    #[error("internal error: {0}")]
    Internal(&'static str),
    /// Stopped by the user or because another step failed.
    #[error("cancelled")]
    Cancelled,
}

impl From<UserError> for OpError {
    fn from(error: UserError) -> Self {
        match error {
            UserError::Tree(error) => OpError::Tree(error),
            UserError::Read { path, source } => OpError::io(format!("reading the image's /{path}"), source),
            UserError::Lookup(_) | UserError::NotAFile(_) | UserError::TooLarge(_) => OpError::User(error),
        }
    }
}

impl From<MountPointError> for OpError {
    fn from(error: MountPointError) -> Self {
        match error {
            MountPointError::NotADirectory { path } => OpError::WorkdirIsNone { path },
            MountPointError::Tree(error) => OpError::Tree(error),
            MountPointError::Snapshot(error) => OpError::Snapshot(error),
            MountPointError::OfHost { path, source } => {
                OpError::io(format!("reading {path} of the host"), source)
            }
            MountPointError::WrongKind { .. } => OpError::Mount(error),
        }
    }
}

impl From<Error> for OpError {
    fn from(error: Error) -> Self {
        OpError::Other(Box::new(error))
    }
}

impl From<OpError> for Error {
    fn from(error: OpError) -> Self {
        match error {
            OpError::Other(error) => *error,
            other => Error::Op(Box::new(other)),
        }
    }
}

impl OpError {
    /// A malformed pattern.
    pub fn pattern(pattern: &str, why: &dyn std::fmt::Display) -> Self {
        OpError::Pattern {
            pattern: pattern.to_owned(),
            why: why.to_string(),
        }
    }

    /// The part of the COPY or ADD that is at fault, where one is.
    #[must_use]
    pub fn guilty_part(&self) -> Option<CopyPart> {
        match self {
            OpError::MissingSource { source_at, .. } | OpError::DanglingLink { source_at, .. } => {
                Some(CopyPart::Source(*source_at))
            }
            OpError::Check(check) => Some(check.part),
            OpError::Chown { .. } => Some(CopyPart::Owner),
            _ => None,
        }
    }

    /// A layer that could not be made. A fault in what a step was given, or made, is the user's to mend: no failure of
    /// the store.
    pub(crate) fn of_layer(error: SnapshotError) -> Self {
        match error {
            SnapshotError::Layer(layer) if layer.is_input() => OpError::Layer(layer),
            SnapshotError::Listing(error @ ListingError::Invalid { .. }) => {
                OpError::Layer(LayerError::Listing(error))
            }
            other => other.into(),
        }
    }

    /// A failed system call.
    pub fn io(attempt: impl Into<String>, source: std::io::Error) -> Self {
        OpError::Io {
            attempt: attempt.into(),
            source,
        }
    }
}

/// "exit code: 2" or "killed by SIGKILL".
#[must_use]
pub fn exit_text(status: ExitStatus) -> String {
    match status {
        ExitStatus::Code(code) => format!("the command failed with exit code {code}"),
        ExitStatus::Signal(signal) => {
            format!("the command was killed by SIG{}", crate::signal::name(signal))
        }
    }
}
