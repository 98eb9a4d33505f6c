//! [`Confinement`]: what closes a command in, by what the host allows.

use serde::{Deserialize, Serialize};

/// What closes a command in, the strongest first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Confinement {
    /// Namespaces of its own, with a `/proc` of its own.
    #[default]
    Namespaces,
    /// The same without a pid namespace, and with the `/proc` that is there: where parts of that are covered, the kernel
    /// mounts no new one. The command sees the processes around the build; it cannot touch them.
    SharedProcesses,
    /// A directory as its root, and what a process can give up by itself: for root where there are neither user
    /// namespaces nor mounts.
    Chroot,
}

impl Confinement {
    /// Whether a namespace ends all processes of a command with its first one. Else somebody must look for them.
    pub(crate) fn has_own_processes(self) -> bool {
        self == Confinement::Namespaces
    }

    /// Whether file systems can be mounted.
    pub fn mounts(self) -> bool {
        self != Confinement::Chroot
    }
}
