//! The things that are put into a root, made out of the command's sight under the name of a number.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::path::{Component, Path};

use rustix::fs::{AtFlags, CWD, FileType, Gid, Mode, OFlags, Uid, makedev};
use rustix::io::Errno;

use super::Room;
use crate::init::{dev, tree};
use crate::spawn_error::Phase;

type Make = fn(&OwnedFd, usize) -> Result<(), Errno>;

/// What every root has, where it goes and how it is made.
pub(super) const OF_EVERY_ROOT: [(&str, Phase, Make); 3] = [
    ("/dev", Phase::Dev, devices),
    ("/proc", Phase::Proc, proc),
    ("/sys", Phase::Sys, sys),
];

/// What programs read in `/proc` that is the same for each of them. It is copied: of the processes of a command nothing
/// can be shown, since `/proc/self` differs for whoever looks.
const OF_PROC: [&str; 14] = [
    "cpuinfo",
    "filesystems",
    "loadavg",
    "meminfo",
    "stat",
    "sys/kernel/cap_last_cap",
    "sys/kernel/hostname",
    "sys/kernel/osrelease",
    "sys/kernel/ostype",
    "sys/kernel/pid_max",
    "sys/vm/max_map_count",
    "sys/vm/overcommit_memory",
    "uptime",
    "version",
];

const READABLE: Mode = Mode::RUSR.union(Mode::RGRP).union(Mode::ROTH);

/// A directory with a mode.
pub(super) fn directory(aside: &OwnedFd, serial: usize, mode: u32) -> Result<(), Errno> {
    let name = serial.to_string();
    rustix::fs::mkdirat(aside, &name, Mode::RWXU)?;
    let dir = open_directory(aside, &name)?;
    rustix::fs::fchmod(&dir, Mode::from_raw_mode(mode & 0o7777))
}

/// A file that everybody may read.
pub(super) fn file(aside: &OwnedFd, serial: usize, content: &[u8]) -> Result<(), Errno> {
    write(aside, &serial.to_string(), content, READABLE | Mode::WUSR)
}

/// A copy of a file of the host with its owner and mode, or another name of its socket.
pub(super) fn copy_of_file(
    aside: &OwnedFd,
    serial: usize,
    source: &Path,
    source_root: Option<&Path>,
) -> Result<(), Errno> {
    let place = match source_root {
        Some(root) => tree::place_following(open_directory(CWD, root)?, source)?,
        None => rustix::fs::openat(CWD, source, OFlags::PATH | OFlags::CLOEXEC, Mode::empty())?,
    };
    let stat = rustix::fs::fstat(&place)?;
    let name = serial.to_string();
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile => {}
        FileType::Socket if source_root.is_none() => {
            return rustix::fs::linkat(CWD, source, aside, &name, AtFlags::empty());
        }
        FileType::Directory => return Err(Errno::ISDIR),
        _ => return Err(Errno::NODEV),
    }
    let opened = rustix::fs::open(
        format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&place)),
        OFlags::RDONLY | OFlags::CLOEXEC,
        Mode::empty(),
    )?;
    let flags = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::CLOEXEC;
    let copy = rustix::fs::openat(aside, &name, flags, Mode::RUSR | Mode::WUSR)?;
    let mut copy = File::from(copy);
    std::io::copy(&mut File::from(opened), &mut copy).map_err(|error| of_io(&error))?;
    rustix::fs::fchown(
        &copy,
        Some(Uid::from_raw(stat.st_uid)),
        Some(Gid::from_raw(stat.st_gid)),
    )?;
    rustix::fs::fchmod(&copy, Mode::from_raw_mode(stat.st_mode & 0o7777))
}

/// Makes the directories above a target in `/dev`, which is the command's own, so that nobody could have provided them.
pub(super) fn parents_in_dev(room: &Room, target: &Path) -> Result<(), Errno> {
    let Ok(below) = target.strip_prefix("/dev") else {
        return Ok(());
    };
    let mut at = tree::place(&room.root, "dev", OFlags::DIRECTORY)?;
    let parents = below.parent().unwrap_or(below);
    for part in parents.components() {
        let Component::Normal(name) = part else { continue };
        match rustix::fs::mkdirat(&at, name, Mode::from_raw_mode(0o755)) {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(errno) => return Err(errno),
        }
        at = tree::place(&at, name, OFlags::DIRECTORY)?;
    }
    Ok(())
}

fn devices(aside: &OwnedFd, serial: usize) -> Result<(), Errno> {
    directory(aside, serial, 0o755)?;
    let made = open_directory(aside, serial.to_string())?;
    for (name, major, minor) in dev::DEVICES {
        let all = Mode::from_raw_mode(0o666);
        rustix::fs::mknodat(&made, name, FileType::CharacterDevice, all, makedev(major, minor))?;
    }
    // A file system that is mounted without devices takes their files all the same.
    rustix::fs::openat(&made, "null", OFlags::RDWR | OFlags::CLOEXEC, Mode::empty())?;
    for (name, target) in dev::LINKS {
        // There are no terminals to be made.
        if name != "ptmx" {
            rustix::fs::symlinkat(target, &made, name)?;
        }
    }
    rustix::fs::mkdirat(&made, "shm", Mode::RWXU)?;
    let shm = open_directory(&made, "shm")?;
    rustix::fs::fchmod(&shm, Mode::from_raw_mode(0o1777))
}

fn proc(aside: &OwnedFd, serial: usize) -> Result<(), Errno> {
    directory(aside, serial, 0o755)?;
    let made = open_directory(aside, serial.to_string())?;
    for dir in ["sys", "sys/kernel", "sys/vm"] {
        rustix::fs::mkdirat(&made, dir, Mode::from_raw_mode(0o755))?;
    }
    for name in OF_PROC {
        let mut content = Vec::new();
        let read =
            File::open(Path::new("/proc").join(name)).and_then(|mut file| file.read_to_end(&mut content));
        // What this kernel does not have, or a container hides, the command does not see.
        if read.is_ok() {
            write(&made, name, &content, READABLE)?;
        }
    }
    write(&made, "mounts", b"rootfs / rootfs rw 0 0\n", READABLE)
}

fn sys(aside: &OwnedFd, serial: usize) -> Result<(), Errno> {
    directory(aside, serial, 0o555)
}

fn write(dir: &OwnedFd, name: &str, content: &[u8], mode: Mode) -> Result<(), Errno> {
    let flags = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::CLOEXEC;
    let file = rustix::fs::openat(dir, name, flags, Mode::RUSR | Mode::WUSR)?;
    let mut file = File::from(file);
    file.write_all(content).map_err(|error| of_io(&error))?;
    rustix::fs::fchmod(&file, mode)
}

fn open_directory(at: impl std::os::fd::AsFd, path: impl rustix::path::Arg) -> Result<OwnedFd, Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    rustix::fs::openat(at, path, flags, Mode::empty())
}

fn of_io(error: &std::io::Error) -> Errno {
    Errno::from_io_error(error).unwrap_or(Errno::IO)
}
