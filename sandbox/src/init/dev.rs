//! `/dev`: the few devices that every program expects, terminals of its own, shared memory.

use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::{FileType, Mode, OFlags, major, minor};
use rustix::io::Errno;
use rustix::mount::MountAttrFlags;

use super::{Init, Outcome, proc, tree};
use crate::spawn_error::{Phase, SpawnError};

/// The group that terminals belong to.
pub(super) const TTY_GROUP: u32 = 5;

/// Devices by name and number. A user namespace may not make device files, so the host's are bound.
pub(crate) const DEVICES: [(&str, u32, u32); 6] = [
    ("null", 1, 3),
    ("zero", 1, 5),
    ("full", 1, 7),
    ("random", 1, 8),
    ("urandom", 1, 9),
    ("tty", 5, 0),
];

pub(crate) const LINKS: [(&str, &str); 5] = [
    ("fd", "/proc/self/fd"),
    ("ptmx", "pts/ptmx"),
    ("stdin", "/proc/self/fd/0"),
    ("stdout", "/proc/self/fd/1"),
    ("stderr", "/proc/self/fd/2"),
];

/// Mounts `/dev` and everything in it.
pub(super) fn dev(init: &mut Init) -> Outcome {
    let fail = |errno| SpawnError::new(Phase::Dev, errno);
    let at = |name: &str| {
        let path = format!("/dev/{name}");
        move |errno| SpawnError::new(Phase::Dev, errno).at(path.clone())
    };
    let root = init
        .root
        .as_ref()
        .ok_or_else(|| SpawnError::words(Phase::Dev, "no root"))?;
    let target = proc::mount_point(root, "dev", Phase::Dev)?;
    let options = [("mode", "755"), ("size", "65536k")];
    let dev = tree::new_fs("tmpfs", &options, MountAttrFlags::MOUNT_ATTR_NOSUID).map_err(fail)?;
    tree::attach(&dev, target.as_fd()).map_err(fail)?;
    for (name, major, minor) in DEVICES {
        // CVE-2025-31133: the source is the host's file, looked at before it is trusted.
        let device = host_device(name, major, minor).map_err(at(name))?;
        bind_file(&dev, name, &device).map_err(at(name))?;
    }
    for (name, target) in LINKS {
        rustix::fs::symlinkat(target, &dev, name).map_err(at(name))?;
    }
    let group = TTY_GROUP.to_string();
    let mut options = vec![("mode", "620"), ("ptmxmode", "666")];
    if init.host.tty_group {
        options.push(("gid", &group));
    }
    let no_suid_exec = MountAttrFlags::MOUNT_ATTR_NOSUID | MountAttrFlags::MOUNT_ATTR_NOEXEC;
    let devpts = mount_directory(&dev, "pts", "devpts", &options, no_suid_exec).map_err(at("pts"))?;
    let options = [("mode", "1777"), ("size", "65536k")];
    mount_directory(&dev, "shm", "tmpfs", &options, tree::NO_SUID_DEV_EXEC).map_err(at("shm"))?;
    match mount_directory(&dev, "mqueue", "mqueue", &[], tree::NO_SUID_DEV_EXEC) {
        // A kernel without POSIX message queues.
        Ok(_) | Err(Errno::NODEV) => {}
        Err(errno) => return Err(at("mqueue")(errno)),
    }
    init.dev = Some(dev);
    init.devpts = Some(devpts);
    Ok(())
}

/// Opens a device file of the host and checks that it is one.
pub(super) fn host_device(name: &str, wanted_major: u32, wanted_minor: u32) -> Result<OwnedFd, Errno> {
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let device = rustix::fs::open(format!("/dev/{name}"), flags, Mode::empty())?;
    let stat = rustix::fs::fstat(&device)?;
    let number = (major(stat.st_rdev), minor(stat.st_rdev));
    if FileType::from_raw_mode(stat.st_mode) != FileType::CharacterDevice
        || number != (wanted_major, wanted_minor)
    {
        return Err(Errno::NODEV);
    }
    Ok(device)
}

/// Makes an empty file in `/dev` and binds `source` on it.
pub(super) fn bind_file(dev: &OwnedFd, name: &str, source: &OwnedFd) -> Result<(), Errno> {
    let flags = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let target = rustix::fs::openat(dev, name, flags, Mode::from_raw_mode(0o666))?;
    let mount = tree::clone_mount(source.as_fd(), false)?;
    tree::attach(&mount, target.as_fd())
}

fn mount_directory(
    dev: &OwnedFd,
    name: &str,
    kind: &str,
    options: &[(&str, &str)],
    attributes: MountAttrFlags,
) -> Result<OwnedFd, Errno> {
    rustix::fs::mkdirat(dev, name, Mode::from_raw_mode(0o755))?;
    let mount = tree::new_fs(kind, options, attributes)?;
    tree::attach(&mount, tree::place(dev, name, OFlags::DIRECTORY)?.as_fd())?;
    Ok(mount)
}

/// Whether an id of the namespace is in a map as `/proc/self/gid_map` shows it.
pub(super) fn is_mapped(map: &str, id: u32) -> bool {
    map.lines().any(|line| {
        let mut numbers = line
            .split_ascii_whitespace()
            .filter_map(|word| word.parse::<u64>().ok());
        let (Some(inside), Some(_), Some(count)) = (numbers.next(), numbers.next(), numbers.next()) else {
            return false;
        };
        (inside..inside + count).contains(&u64::from(id))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_terminal_group_is_given_only_where_it_exists() {
        assert!(is_mapped("0 0 4294967295\n", 5));
        assert!(is_mapped("0 1001 1\n1 100000 65536\n", 5));
        assert!(!is_mapped("0 1001 1\n", 5));
        assert!(!is_mapped("", 5));
    }

    #[test]
    fn a_file_that_is_no_device_is_refused() {
        assert!(host_device("null", 1, 3).is_ok());
        assert_eq!(host_device("null", 1, 5).unwrap_err(), Errno::NODEV);
        assert!(host_device("fd", 1, 3).is_err());
    }
}
