//! Locks the mounts of a step that may mount, so that it cannot take apart what it was given.
//!
//! The mounts of a sandbox belong to the user namespace in which they were made. Who holds `CAP_SYS_ADMIN` there may
//! unmount the masks of `/proc`, make read-only mounts writable and mount a second `/proc` beside the first. For root,
//! whose step has the uid that owns the host's settings, that would be the host: `/proc/sys/kernel/core_pattern` names a
//! program that the kernel starts. So such a step runs in a user namespace of its own, one further in, with the same
//! ids. In the mount namespace that belongs to it the kernel keeps every mount where it is and as read-only as it is,
//! and refuses another `/proc` or `/sys` that would show more than these (`mount_namespaces(7)`, "Restrictions on mount
//! namespaces").
//!
//! That does not hold for cgroups: who makes a cgroup namespace may mount its hierarchy, and would stand in the cgroup
//! of the build, with the ids of its owner. So there are none to be made.

use std::os::fd::OwnedFd;

use nix::sched::{CloneFlags, unshare};
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

use super::{Init, Outcome};
use crate::idmap::IdMapping;
use crate::spawn_error::{Phase, SpawnError};
use crate::userns::enter;

/// How many cgroup namespaces this user namespace, and those inside of it, may have: `namespaces(7)`.
const CGROUP_LIMIT: &str = "sys/user/max_cgroup_namespaces";

/// Moves this process into a user namespace and a mount namespace further in.
pub(super) fn locked(init: &mut Init) -> Outcome {
    let Some(proc) = init.bare_proc.take() else {
        return Ok(());
    };
    let words = |reason: String| SpawnError::words(Phase::LockedMounts, reason);
    let ids = IdMapping::unchanged().map_err(|error| words(error.to_string()))?;
    enter(&ids).map_err(|error| words(error.to_string()))?;
    // Only from inside does the file mean this namespace.
    forbid_cgroup_namespaces(&proc)
        .map_err(|errno| SpawnError::new(Phase::LockedMounts, errno).at(format!("/proc/{CGROUP_LIMIT}")))?;
    unshare(CloneFlags::CLONE_NEWNS)
        .map_err(|errno| SpawnError::new(Phase::LockedMounts, Errno::from_raw_os_error(errno as i32)))
}

fn forbid_cgroup_namespaces(proc: &OwnedFd) -> Result<(), Errno> {
    let flags = OFlags::WRONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    let limit = rustix::fs::openat(proc, CGROUP_LIMIT, flags, Mode::empty())?;
    rustix::io::write(&limit, b"0").map(|_| ())
}
