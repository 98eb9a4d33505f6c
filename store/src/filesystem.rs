//! Which file system the store is on, and whether it can hold one.
//!
//! Not here: what the sandbox can mount (the sandbox probes that itself).

use std::os::unix::fs::MetadataExt;
use std::path::Path;

use rustix::fs::XattrFlags;
use rustix::io::Errno;

use crate::error::{IoContext, StoreError, Unsuitable};

/// The marker on the store's root: reading it back is the cheapest proof that user xattrs work here.
const MARKER: &str = "user.rbuild.store";

/// What this store is opened for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// Snapshots are made: that takes a local, writable file system with user attributes.
    Writing,
    /// Nothing: what is there is only looked at.
    Reading,
}

/// `f_type` of statfs(2) → name, from `linux/magic.h` and statfs(2).
pub(crate) fn name_of(magic: u64) -> &'static str {
    match magic {
        0xEF53 => "ext4",
        0x0102_1994 => "tmpfs",
        0x794C_7630 => "overlay",
        0x5846_5342 => "xfs",
        0x9123_683E => "btrfs",
        0xF2F5_2010 => "f2fs",
        0x2FC1_2FC1 => "zfs",
        0xCA45_1A4E => "bcachefs",
        0xE0F5_E1E2 => "erofs",
        0x6969 => "nfs",
        0x517B => "smb",
        0xFE53_4D42 => "smb2",
        0xFF53_4D42 => "cifs",
        0x00C3_6400 => "ceph",
        0x0102_1997 => "9p",
        0x6573_5546 => "fuse",
        0x4D44 => "vfat",
        0x2011_BAB0 => "exfat",
        0x8584_58F6 => "ramfs",
        0x7371_7368 => "squashfs",
        0x9660 => "isofs",
        _ => "unknown",
    }
}

/// Judges a file system by its `f_type` and mount flags alone.
fn judge(magic: u64, read_only: bool) -> Result<(), Unsuitable> {
    let name = name_of(magic);
    if read_only {
        return Err(Unsuitable::ReadOnly);
    }
    match name {
        "nfs" | "smb" | "smb2" | "cifs" | "ceph" | "9p" => Err(Unsuitable::Network(name)),
        _ => Ok(()),
    }
}

/// Checks an existing store root: three cheap system calls when all is well.
pub(crate) fn check(root: &Path, need: Need) -> Result<(), StoreError> {
    if need == Need::Reading {
        return Ok(());
    }
    let unsuitable = |problem| StoreError::Unsuitable {
        root: root.to_owned(),
        problem,
    };
    let stat = rustix::fs::statfs(root).at("examine", root)?;
    let magic = stat.f_type as u64 & 0xFFFF_FFFF;
    // ST_RDONLY is 1 in statfs(2)'s f_flags.
    let read_only = stat.f_flags as u64 & 1 != 0;
    judge(magic, read_only).map_err(unsuitable)?;
    let mut value = [0_u8; 1];
    match rustix::fs::getxattr(root, MARKER, &mut value) {
        Ok(_) => Ok(()),
        Err(Errno::NODATA) => mark(root).map_err(|error| match error {
            Errno::NOTSUP => unsuitable(Unsuitable::NoUserXattr(name_of(magic))),
            Errno::ROFS => unsuitable(Unsuitable::ReadOnly),
            other => StoreError::from_io("set an extended attribute on", root, other.into()),
        }),
        Err(Errno::NOTSUP) => Err(unsuitable(Unsuitable::NoUserXattr(name_of(magic)))),
        Err(other) => Err(StoreError::from_io(
            "read an extended attribute of",
            root,
            other.into(),
        )),
    }
}

/// Whether the upper directory of an overlay can be there: on another overlay the kernel takes none.
pub(crate) fn takes_overlays(root: &Path) -> bool {
    rustix::fs::statfs(root).is_ok_and(|stat| name_of(stat.f_type as u64 & 0xFFFF_FFFF) != "overlay")
}

fn mark(root: &Path) -> Result<(), Errno> {
    rustix::fs::setxattr(root, MARKER, b"1", XattrFlags::empty())
}

/// Refuses a root that another user owns, who could change what is in it under us, and who could not read what we put
/// there: root is no exception. `Some` are the permissions of one that others can write to.
pub(crate) fn check_owner(root: &Path) -> Result<Option<u32>, StoreError> {
    const WRITABLE_BY_OTHERS: u32 = 0o022;
    let metadata = std::fs::metadata(root).at("examine", root)?;
    let (owner, mode) = (metadata.uid(), metadata.mode() & 0o7777);
    let caller = rustix::process::geteuid().as_raw();
    if owner != caller {
        return Err(StoreError::Unsuitable {
            root: root.to_owned(),
            problem: Unsuitable::Owner { owner, caller },
        });
    }
    Ok((mode & WRITABLE_BY_OTHERS != 0).then_some(mode))
}

/// Refuses a root that anybody else can have changed.
pub(crate) fn check_private(root: &Path) -> Result<(), StoreError> {
    match check_owner(root)? {
        None => Ok(()),
        Some(mode) => Err(StoreError::Unsuitable {
            root: root.to_owned(),
            problem: Unsuitable::Shared { mode },
        }),
    }
}

#[cfg(test)]
mod tests;
