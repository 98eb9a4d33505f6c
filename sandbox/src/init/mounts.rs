//! The mounts that the caller asked for.
//!
//! Every target is opened without following a symlink, every source becomes a descriptor once, and the one is
//! attached to the other: there is no second resolution that a racing process could turn elsewhere
//! (CVE-2021-30465, CVE-2024-1753, CVE-2024-23651).

use std::os::fd::{AsFd, OwnedFd};
use std::path::{Component, Path};

use rustix::fs::{CWD, FileType, Gid, Mode, OFlags, PROC_SUPER_MAGIC, Uid};
use rustix::io::Errno;

use super::{Init, Outcome, tree};
use crate::overlay::Layers;
use crate::spawn_error::{Phase, SpawnError};
use crate::spec::{Mount, MountFlags, MountKind};

/// Copies the mounts of the host that are to be bound. That comes before the staging area exists: a bind of the whole
/// host would bring it along, with the secrets in it.
pub(super) fn sources(init: &mut Init) -> Outcome {
    for mount in &init.spec.mounts {
        let copy = match &mount.kind {
            MountKind::Bind {
                source,
                source_root,
                recursive,
                flags,
                ..
            } => Some(copy_of_host(source, source_root.as_deref(), *recursive, *flags)?),
            _ => None,
        };
        init.sources.push(copy);
    }
    Ok(())
}

/// Makes all mounts in order.
pub(super) fn mounts(init: &mut Init) -> Outcome {
    let (Some(root), Some(staging)) = (&init.root, &init.staging) else {
        return Err(SpawnError::words(Phase::Mounts, "no root"));
    };
    for (index, (mount, copy)) in init.spec.mounts.iter().zip(init.sources.drain(..)).enumerate() {
        let source = match copy {
            Some(copy) => copy,
            None => make(mount, index, staging)?,
        };
        if is_own(&init.spec.mounts[..index], &mount.target) {
            make_target(root, mount, &source)?;
        }
        let target = open_target(root, &mount.target)?;
        check_same_kind(mount, &source, &target)?;
        tree::attach(&source, target.as_fd())
            .map_err(|errno| SpawnError::new(Phase::Mounts, errno).at(&mount.target))?;
    }
    Ok(())
}

/// Whether a target lies in what belongs to this sandbox alone: in a tmpfs or an overlay that was mounted before, or in
/// its `/dev`. A bind in between belongs to the host, even where it is a tmpfs, and must not get new files.
fn is_own(before: &[Mount], target: &Path) -> bool {
    match before
        .iter()
        .rev()
        .find(|mount| target.starts_with(&mount.target))
    {
        Some(mount) => match &mount.kind {
            MountKind::Tmpfs { .. } => true,
            MountKind::OverlayBind { flags, .. } => !flags.read_only,
            _ => false,
        },
        None => target.starts_with("/dev"),
    }
}

/// Makes what is missing of a target that lies in a mount of our own. Nobody could have provided it there. Elsewhere a
/// missing target stays an error.
fn make_target(root: &OwnedFd, mount: &Mount, source: &OwnedFd) -> Result<(), SpawnError> {
    let fail = |errno| SpawnError::new(Phase::Mounts, errno).at(&mount.target);
    let is_dir = FileType::from_raw_mode(rustix::fs::fstat(source).map_err(fail)?.st_mode).is_dir();
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let mut at = tree::place(root, Path::new("/"), OFlags::empty()).map_err(fail)?;
    let mut names = mount
        .target
        .components()
        .filter_map(|part| match part {
            Component::Normal(name) => Some(name),
            _ => None,
        })
        .peekable();
    while let Some(name) = names.next() {
        match rustix::fs::openat(&at, name, flags, Mode::empty()) {
            Ok(next) => at = next,
            Err(Errno::NOENT) => {
                if ![TMPFS_MAGIC, OVERLAYFS_MAGIC].contains(&rustix::fs::fstatfs(&at).map_err(fail)?.f_type) {
                    return Ok(());
                }
                if is_dir || names.peek().is_some() {
                    rustix::fs::mkdirat(&at, name, Mode::from_raw_mode(0o755)).map_err(fail)?;
                } else {
                    let create = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::CLOEXEC;
                    rustix::fs::openat(&at, name, create, Mode::from_raw_mode(0o644)).map_err(fail)?;
                }
                at = rustix::fs::openat(&at, name, flags, Mode::empty()).map_err(fail)?;
            }
            // A link or a file on the way: opening the target words it.
            Err(_) => return Ok(()),
        }
    }
    Ok(())
}

/// `TMPFS_MAGIC` of linux/magic.h.
const TMPFS_MAGIC: rustix::fs::FsWord = 0x0102_1994;
/// `OVERLAYFS_SUPER_MAGIC` of linux/magic.h.
const OVERLAYFS_MAGIC: rustix::fs::FsWord = 0x794c_7630;

fn open_target(root: &OwnedFd, path: &Path) -> Result<OwnedFd, SpawnError> {
    let fail = |errno| SpawnError::new(Phase::Mounts, errno).at(path);
    let target = tree::place(root, path, OFlags::empty()).map_err(|errno| match errno {
        Errno::LOOP => fail(errno).because("a component of the mount target is a symlink, which is refused"),
        Errno::NOENT => fail(errno).because("the mount target does not exist in the root file system"),
        _ => fail(errno),
    })?;
    if rustix::fs::fstatfs(&target).map_err(fail)?.f_type == PROC_SUPER_MAGIC {
        return Err(fail(Errno::PERM).because("nothing can be mounted in /proc"));
    }
    Ok(target)
}

/// Makes a mount of something new, detached.
fn make(mount: &Mount, index: usize, staging: &OwnedFd) -> Result<OwnedFd, SpawnError> {
    let fail = |errno| SpawnError::new(Phase::Mounts, errno).at(&mount.target);
    match &mount.kind {
        MountKind::Bind { .. } => Err(fail(Errno::INVAL)),
        MountKind::OverlayBind {
            lowers,
            upper,
            work,
            flags,
        } => {
            let layers = Layers {
                lowers,
                upper: Some((upper, work)),
                volatile: true,
            };
            layers
                .mount((*flags).into(), staging.as_fd())
                .map_err(|(errno, path)| match path {
                    Some(path) => SpawnError::new(Phase::Mounts, errno).at(path),
                    None => fail(errno),
                })
        }
        MountKind::Tmpfs { size, mode, flags } => {
            let mode = format!("{:o}", mode & 0o7777);
            let size = size.map(|size| size.to_string());
            let mut options = vec![("mode", mode.as_str())];
            options.extend(size.as_ref().map(|size| ("size", size.as_str())));
            tree::new_fs("tmpfs", &options, (*flags).into()).map_err(fail)
        }
        MountKind::SecretFile {
            bytes,
            mode,
            uid,
            gid,
        } => memory_file(staging, index, bytes.bytes(), *mode, (*uid, *gid)).map_err(|errno| match errno {
            Errno::INVAL => fail(errno).because(format!(
                "its owner {uid}:{gid} is outside the range that the user namespace maps"
            )),
            _ => fail(errno),
        }),
        MountKind::ReadOnlyFile { content } => {
            memory_file(staging, index, content.bytes(), 0o644, (0, 0)).map_err(fail)
        }
    }
}

fn copy_of_host(
    source: &Path,
    source_root: Option<&Path>,
    recursive: bool,
    flags: MountFlags,
) -> Result<OwnedFd, SpawnError> {
    let from = |errno| SpawnError::new(Phase::Mounts, errno).at(source);
    let file = open_source(source, source_root)?;
    let copy = tree::clone_mount(file.as_fd(), recursive).map_err(|errno| match errno {
        Errno::INVAL if !recursive => {
            from(errno).because("it has mounts beneath it that an unprivileged namespace cannot leave out")
        }
        _ => from(errno),
    })?;
    tree::restrict(&copy, recursive, flags.into()).map_err(from)?;
    Ok(copy)
}

fn open_source(source: &Path, source_root: Option<&Path>) -> Result<OwnedFd, SpawnError> {
    let opened = match source_root {
        Some(root) => {
            let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
            let root = rustix::fs::openat(CWD, root, flags, Mode::empty())
                .map_err(|errno| SpawnError::new(Phase::Mounts, errno).at(root))?;
            tree::place_following(&root, source)
        }
        None => rustix::fs::openat(CWD, source, OFlags::PATH | OFlags::CLOEXEC, Mode::empty()),
    };
    opened.map_err(|errno| {
        let error = SpawnError::new(Phase::Mounts, errno).at(source);
        if errno == Errno::NOENT {
            error.because("the mount source does not exist")
        } else {
            error
        }
    })
}

/// A read-only mount of one file in the staging area's memory.
fn memory_file(
    staging: &OwnedFd,
    index: usize,
    content: &[u8],
    mode: u32,
    (uid, gid): (u32, u32),
) -> Result<OwnedFd, Errno> {
    let name = format!("file-{index}");
    let flags = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::CLOEXEC;
    let file = rustix::fs::openat(staging, &name, flags, Mode::RUSR)?;
    let mut rest = content;
    while !rest.is_empty() {
        let written = rustix::io::retry_on_intr(|| rustix::io::write(&file, rest))?;
        rest = &rest[written..];
    }
    // The owner first: changing it clears bits of the mode.
    rustix::fs::fchown(&file, Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)))?;
    rustix::fs::fchmod(&file, Mode::from_raw_mode(mode & 0o777))?;
    let mount = tree::clone_mount(tree::place(staging, &name, OFlags::empty())?.as_fd(), false)?;
    let flags = MountFlags {
        read_only: true,
        nosuid: true,
        nodev: true,
        noexec: true,
    };
    tree::restrict(&mount, false, flags.into())?;
    Ok(mount)
}

/// The kernel only says `ENOTDIR` for a file on a directory and the other way round.
fn check_same_kind(mount: &Mount, source: &OwnedFd, target: &OwnedFd) -> Result<(), SpawnError> {
    let fail = |errno| SpawnError::new(Phase::Mounts, errno).at(&mount.target);
    let is_directory = |file: &OwnedFd| {
        rustix::fs::fstat(file)
            .map(|stat| FileType::from_raw_mode(stat.st_mode).is_dir())
            .map_err(fail)
    };
    match (is_directory(source)?, is_directory(target)?) {
        (true, false) => Err(fail(Errno::NOTDIR).because("a directory cannot be mounted on a file")),
        (false, true) => Err(fail(Errno::ISDIR).because("a file cannot be mounted on a directory")),
        _ => Ok(()),
    }
}
