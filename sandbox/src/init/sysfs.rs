//! `/sys`, read-only, with what tells of the host's firmware hidden, and `/sys/fs/cgroup` of the step's own namespace.

use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

use super::{Init, Outcome, dev, proc, tree};
use crate::mountinfo::unescape;
use crate::spawn_error::{Phase, SpawnError};
use crate::spec::Network;

const MASKED: [&str; 3] = ["devices/virtual/powercap", "firmware", "fs/selinux"];
const CGROUP: &str = "fs/cgroup";

/// Mounts `/sys`.
pub(super) fn sysfs(init: &mut Init) -> Outcome {
    let fail = |errno| SpawnError::new(Phase::Sys, errno);
    let root = init
        .root
        .as_ref()
        .ok_or_else(|| SpawnError::words(Phase::Sys, "no root"))?;
    let target = proc::mount_point(root, "sys", Phase::Sys)?;
    let fresh = match init.spec.network {
        Network::None | Network::Private => tree::new_fs("sysfs", &[], tree::READ_ONLY_SPECIAL).ok(),
        // A sysfs belongs to a network namespace, and the host's is not ours: only its mount can be copied.
        Network::Host => None,
    };
    let (sys, covered): (OwnedFd, &[PathBuf]) = match fresh {
        Some(sys) => (sys, &[]),
        None => (copy_of_the_hosts().map_err(fail)?, &init.host.sys_mounts),
    };
    tree::attach(&sys, target.as_fd()).map_err(fail)?;
    let masks = tree::Masks {
        null: dev::host_device("null", 1, 3).map_err(|errno| fail(errno).at("/dev/null"))?,
    };
    // debugfs, tracefs and their like came along; as root of the host we could read them.
    let covered = covered
        .iter()
        .map(PathBuf::as_path)
        .filter(|path| *path != Path::new(CGROUP));
    for path in covered.chain(MASKED.map(Path::new)) {
        tree::mask(&sys, path, &masks).map_err(|errno| fail(errno).at(Path::new("/sys").join(path)))?;
    }
    cgroup(&sys, &masks).map_err(|errno| fail(errno).at("/sys/fs/cgroup"))
}

/// A recursive copy, because a part of a tree that a more privileged namespace mounted cannot be left out.
fn copy_of_the_hosts() -> Result<OwnedFd, Errno> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let host = rustix::fs::open("/sys", flags, Mode::empty())?;
    let sys = tree::clone_mount(host.as_fd(), true)?;
    tree::restrict(&sys, true, tree::READ_ONLY_SPECIAL)?;
    Ok(sys)
}

/// CVE-2023-25809: a view of the own cgroup namespace, read-only; where there is none, nothing.
fn cgroup(sys: &OwnedFd, masks: &tree::Masks) -> Result<(), Errno> {
    let Ok(cgroup) = tree::new_fs("cgroup2", &[], tree::READ_ONLY_SPECIAL) else {
        return tree::mask(sys, Path::new(CGROUP), masks);
    };
    match tree::place(sys, CGROUP, OFlags::DIRECTORY) {
        Err(Errno::NOENT) => Ok(()),
        target => tree::attach(&cgroup, target?.as_fd()),
    }
}

/// Mount points beneath `/sys` in a `mountinfo` (`proc_pid_mountinfo(5)`), relative to it, sorted, without those
/// beneath another one.
pub(super) fn mounts_beneath_sys(mountinfo: &[u8]) -> Vec<PathBuf> {
    let mut points: Vec<PathBuf> = mountinfo
        .split(|byte| *byte == b'\n')
        .filter_map(|line| line.split(|byte| *byte == b' ').nth(4))
        .filter_map(|point| point.strip_prefix(b"/sys/"))
        .map(|point| PathBuf::from(std::ffi::OsStr::from_bytes(&unescape(point))))
        .collect();
    points.sort();
    let mut outermost: Vec<PathBuf> = Vec::new();
    for point in points {
        if !outermost.iter().any(|outer| point.starts_with(outer)) {
            outermost.push(point);
        }
    }
    outermost
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_outermost_mounts_are_listed() {
        let mountinfo = b"22 1 0:20 / /sys rw - sysfs sysfs rw\n\
            23 22 0:21 / /sys/kernel/debug rw - debugfs d rw\n\
            24 22 0:22 / /sys/fs/cgroup rw - tmpfs t rw\n\
            25 24 0:23 / /sys/fs/cgroup/cpu rw - cgroup c rw\n\
            26 22 0:24 / /sys/a\\040b rw - tmpfs t rw\n\
            27 1 0:25 / /system rw - tmpfs t rw\n";
        let expected: [&Path; 3] = ["a b".as_ref(), "fs/cgroup".as_ref(), "kernel/debug".as_ref()];
        assert_eq!(mounts_beneath_sys(mountinfo), expected);
    }
}
