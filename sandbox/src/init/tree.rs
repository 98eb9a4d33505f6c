//! Mounts as descriptors: made detached, then attached at a place that is a descriptor too, so that no path is
//! resolved twice.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::fs::{FileType, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, MoveMountFlags, OpenTreeFlags, fsconfig_create,
    fsconfig_set_string, fsmount, fsopen, move_mount, open_tree,
};
use rustix::path::Arg;

use crate::spec::MountFlags;
use crate::sys;

/// What every special file system gets.
pub(super) const NO_SUID_DEV_EXEC: MountAttrFlags = MountAttrFlags::MOUNT_ATTR_NOSUID
    .union(MountAttrFlags::MOUNT_ATTR_NODEV)
    .union(MountAttrFlags::MOUNT_ATTR_NOEXEC);

/// The same for what has devices mounted on it.
pub(super) const NO_SUID_EXEC: MountAttrFlags =
    MountAttrFlags::MOUNT_ATTR_NOSUID.union(MountAttrFlags::MOUNT_ATTR_NOEXEC);

/// Without set-id programs, devices and programs, and read-only.
pub(super) const READ_ONLY_SPECIAL: MountAttrFlags =
    NO_SUID_DEV_EXEC.union(MountAttrFlags::MOUNT_ATTR_RDONLY);

/// A new file system, detached.
pub(super) fn new_fs(
    kind: &str,
    options: &[(&str, &str)],
    attributes: MountAttrFlags,
) -> Result<OwnedFd, Errno> {
    let fs = fsopen(kind, FsOpenFlags::FSOPEN_CLOEXEC)?;
    // What the first column of /proc/mounts says; "none" confuses some programs.
    fsconfig_set_string(&fs, "source", kind)?;
    for (key, value) in options {
        fsconfig_set_string(&fs, *key, *value)?;
    }
    fsconfig_create(&fs)?;
    fsmount(&fs, FsMountFlags::FSMOUNT_CLOEXEC, attributes)
}

/// A detached copy of the mount at a descriptor; with `recursive` of those beneath it too.
pub(super) fn clone_mount(at: BorrowedFd<'_>, recursive: bool) -> Result<OwnedFd, Errno> {
    let mut flags =
        OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC | OpenTreeFlags::AT_EMPTY_PATH;
    if recursive {
        flags |= OpenTreeFlags::AT_RECURSIVE;
    }
    open_tree(at, c"", flags)
}

/// Switches flags of a detached mount on.
pub(super) fn restrict(mount: &OwnedFd, recursive: bool, attributes: MountAttrFlags) -> Result<(), Errno> {
    if attributes.is_empty() {
        return Ok(());
    }
    sys::mount_setattr(mount.as_fd(), recursive, attributes.bits(), false)
}

/// Attaches a detached mount on top of the file or directory that `target` is.
pub(super) fn attach(mount: &OwnedFd, target: BorrowedFd<'_>) -> Result<(), Errno> {
    let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH | MoveMountFlags::MOVE_MOUNT_T_EMPTY_PATH;
    move_mount(mount, c"", target, c"", flags)
}

/// Opens something in a directory as a place, without following any symlink and without leaving the directory.
pub(crate) fn place(root: impl AsFd, path: impl Arg, flags: OFlags) -> Result<OwnedFd, Errno> {
    let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS | ResolveFlags::NO_SYMLINKS;
    path.into_with_c_str(|path| match open_resolved(root.as_fd(), path, flags, resolve) {
        // A filter around us that does not know the call, or does not want it.
        Err(Errno::NOSYS | Errno::PERM) => walk(root.as_fd(), path.to_bytes(), flags),
        other => other,
    })
}

/// The same by one name after the other. Names come from specs, which have no `..` in them.
fn walk(root: BorrowedFd<'_>, path: &[u8], flags: OFlags) -> Result<OwnedFd, Errno> {
    let mut at = rustix::fs::openat(root, c".", OFlags::PATH | OFlags::CLOEXEC, Mode::empty())?;
    let names = path.split(|byte| *byte == b'/');
    let mut names = names.filter(|name| !name.is_empty() && *name != b".").peekable();
    while let Some(name) = names.next() {
        let here = match names.peek() {
            Some(_) => OFlags::DIRECTORY,
            None => flags,
        };
        let flags = here | OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        at = rustix::fs::openat(&at, name, flags, Mode::empty()).map_err(|errno| {
            let is_link = rustix::fs::readlinkat(&at, name, Vec::new()).is_ok();
            if is_link { Errno::LOOP } else { errno }
        })?;
        let is_link = |file: &OwnedFd| {
            rustix::fs::fstat(file).is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode).is_symlink())
        };
        if is_link(&at) {
            return Err(Errno::LOOP);
        }
    }
    Ok(at)
}

/// As `place`, but symlinks are resolved inside the directory.
pub(crate) fn place_following(root: impl AsFd, path: impl Arg) -> Result<OwnedFd, Errno> {
    open_resolved(
        root,
        path,
        OFlags::empty(),
        ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS,
    )
}

fn open_resolved(
    root: impl AsFd,
    path: impl Arg,
    flags: OFlags,
    resolve: ResolveFlags,
) -> Result<OwnedFd, Errno> {
    let flags = flags | OFlags::PATH | OFlags::CLOEXEC;
    path.into_with_c_str(|path| {
        loop {
            match rustix::fs::openat2(root.as_fd(), path, flags, Mode::empty(), resolve) {
                // A rename somewhere on the machine raced with the resolution: openat2(2).
                Err(Errno::AGAIN | Errno::INTR) => continue,
                other => return other,
            }
        }
    })
}

/// Hides a file or directory of a special file system behind nothing; what is not there needs no hiding.
pub(super) fn mask(root: &OwnedFd, path: &Path, masks: &Masks) -> Result<(), Errno> {
    let target = match place(root, path, OFlags::empty()) {
        Err(Errno::NOENT | Errno::NOTDIR) => return Ok(()),
        other => other?,
    };
    let stat = rustix::fs::fstat(&target)?;
    let cover = if rustix::fs::FileType::from_raw_mode(stat.st_mode).is_dir() {
        new_fs(
            "tmpfs",
            &[("mode", "755"), ("size", "0"), ("nr_inodes", "2")],
            READ_ONLY_SPECIAL,
        )?
    } else {
        let cover = clone_mount(masks.null.as_fd(), false)?;
        restrict(
            &cover,
            false,
            READ_ONLY_SPECIAL.difference(MountAttrFlags::MOUNT_ATTR_NODEV),
        )?;
        cover
    };
    attach(&cover, target.as_fd())
}

/// What masks are made of.
pub(super) struct Masks {
    /// The host's `/dev/null`, verified.
    pub(super) null: OwnedFd,
}

impl From<MountFlags> for MountAttrFlags {
    fn from(flags: MountFlags) -> Self {
        let mut attributes = MountAttrFlags::empty();
        attributes.set(MountAttrFlags::MOUNT_ATTR_RDONLY, flags.read_only);
        attributes.set(MountAttrFlags::MOUNT_ATTR_NOSUID, flags.nosuid);
        attributes.set(MountAttrFlags::MOUNT_ATTR_NODEV, flags.nodev);
        attributes.set(MountAttrFlags::MOUNT_ATTR_NOEXEC, flags.noexec);
        attributes
    }
}
