//! [`LimitError`]: why a limit cannot be had, and what to do.

use std::io;
use std::path::{Path, PathBuf};

use rustix::io::Errno;

use super::controller::Controller;
use crate::remedy::Remedy;

/// A limit that cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum LimitError {
    /// Nothing in sight limits it.
    #[error("cannot limit {limited}: no cgroup hierarchy with the controller `{controller}` is mounted")]
    NotMounted {
        /// What was to be limited.
        limited: &'static str,
        /// What does it.
        controller: &'static str,
    },
    /// The group that we are in may not hand a controller on.
    #[error("cannot limit {limited}: the controller `{controller}` is not delegated to {}", group.display())]
    NotDelegated {
        /// What was to be limited.
        limited: &'static str,
        /// What does it.
        controller: &'static str,
        /// Where it is missing.
        group: PathBuf,
    },
    /// No group can be made where we are.
    #[error("cannot limit {limited}: no group of the controller `{controller}` can be made in {}: {}",
        group.display(), io::Error::from_raw_os_error(*errno))]
    NotOurs {
        /// What was to be limited.
        limited: &'static str,
        /// What does it.
        controller: &'static str,
        /// Where it would be.
        group: PathBuf,
        /// The kernel's answer.
        errno: i32,
        /// Whether the hierarchy is one of version 2.
        unified: bool,
    },
    /// The kernel has no such limit.
    #[error("cannot limit {limited}: this kernel has no {file}")]
    NoSuchFile {
        /// What was to be limited.
        limited: &'static str,
        /// The file, or those of which one would do.
        file: String,
    },
    /// What is no block device has no rates.
    #[error("cannot limit the use of {}: {why}", device.display())]
    Device {
        /// As it was given.
        device: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// A processor or memory node that is not there for us.
    #[error("{what} {number} is not available: there are {available}")]
    NotAvailable {
        /// `processor` or `memory node`.
        what: &'static str,
        /// The first one.
        number: u32,
        /// Those that are.
        available: String,
    },
    /// The kernel does not take a value.
    #[error("cannot set {} to {value}: {}", file.display(), io::Error::from_raw_os_error(*errno))]
    Refused {
        /// Where it was written.
        file: PathBuf,
        /// The value.
        value: String,
        /// The kernel's answer.
        errno: i32,
    },
    /// Another access failed.
    #[error("{attempt} {}: {error}", path.display())]
    Io {
        /// What was attempted.
        attempt: &'static str,
        /// On what.
        path: PathBuf,
        /// How it failed.
        error: io::Error,
    },
}

impl LimitError {
    pub(super) fn io(attempt: &'static str, path: &Path, error: &io::Error) -> Self {
        let error = match error.raw_os_error() {
            Some(errno) => io::Error::from_raw_os_error(errno),
            None => io::Error::other(error.to_string()),
        };
        LimitError::Io {
            attempt,
            path: path.to_owned(),
            error,
        }
    }

    pub(super) fn errno(attempt: &'static str, path: &Path, errno: Errno) -> Self {
        Self::io(attempt, path, &errno.into())
    }

    pub(super) fn not_mounted(controller: Controller) -> Self {
        LimitError::NotMounted {
            limited: controller.limited(),
            controller: controller.in_v2().unwrap_or(controller.in_v1()),
        }
    }

    pub(super) fn not_delegated(controller: Controller, group: &Path) -> Self {
        LimitError::NotDelegated {
            limited: controller.limited(),
            controller: controller.in_v2().unwrap_or(controller.in_v1()),
            group: group.to_owned(),
        }
    }

    pub(super) fn not_ours(controller: Controller, group: &Path, errno: Errno, unified: bool) -> Self {
        LimitError::NotOurs {
            limited: controller.limited(),
            controller: match unified {
                true => controller.in_v2().unwrap_or(controller.in_v1()),
                false => controller.in_v1(),
            },
            group: group.to_owned(),
            errno: errno.raw_os_error(),
            unified,
        }
    }

    /// What to do about it, where there is something.
    pub fn remedy(&self) -> Option<Remedy> {
        match self {
            LimitError::NotMounted { .. } => Some(Remedy::MountedCgroups),
            LimitError::NotDelegated { .. } => Some(Remedy::DelegatedControllers),
            LimitError::NotOurs { errno, .. } if *errno == Errno::ROFS.raw_os_error() => {
                Some(Remedy::WritableCgroups)
            }
            LimitError::NotOurs { unified: true, .. } => Some(Remedy::DelegatedCgroup),
            LimitError::NotOurs { controller, .. } => Some(Remedy::CgroupOfUser((*controller).to_owned())),
            LimitError::NoSuchFile { .. }
            | LimitError::Device { .. }
            | LimitError::NotAvailable { .. }
            | LimitError::Refused { .. }
            | LimitError::Io { .. } => None,
        }
    }
}
