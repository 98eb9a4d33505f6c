//! How far the change time of a file can be believed.
//!
//! Every change by a system call sets it at once, and so does the first change of a page by way of a mapping
//! (`mmap(2)`). A second change of that page does not, for as long as it is dirty: until it was written back, half a
//! minute by default, or for ever in a file system that has no disk. So what somebody has open for writing, or mapped so,
//! is not remembered; and where the kernel does not say that, what was changed lately is not.

use std::os::fd::AsFd;

use super::RACY;
use crate::filesystem::name_of;

/// By then a page was written back: twice what `vm.dirty_expire_centisecs` and `vm.dirty_writeback_centisecs` are by
/// default, in nanoseconds.
const WRITTEN_BACK: i64 = 70_000_000_000;

/// What a file system does with change times.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChangeTimes {
    /// It keeps them, and writes pages back.
    Disk,
    /// It keeps them, and pages stay dirty.
    Memory,
    /// It keeps those of the file system below it, and hides from us who has mapped a file.
    Overlay,
    /// They are another machine's or program's word, are not kept, or nothing is known.
    NotKept,
}

impl ChangeTimes {
    /// Of the file system that a file is on.
    pub fn of(file: impl AsFd) -> ChangeTimes {
        let magic = rustix::fs::fstatfs(file).map_or(0, |stat| stat.f_type as u64 & 0xFFFF_FFFF);
        match name_of(magic) {
            "ext4" | "xfs" | "btrfs" | "f2fs" | "zfs" | "bcachefs" => ChangeTimes::Disk,
            // Nobody changes them.
            "squashfs" | "isofs" | "erofs" => ChangeTimes::Disk,
            "tmpfs" => ChangeTimes::Memory,
            "overlay" => ChangeTimes::Overlay,
            // FAT forgets change times; those of network file systems
            // and FUSE are somebody else's.
            _ => ChangeTimes::NotKept,
        }
    }

    /// Whether a mapping that was made since a file was last looked at, and is gone again, shows in its change time. The
    /// first change through it does where pages are written back, since the file system must hear of it.
    pub fn tell_of_mappings(self) -> bool {
        match self {
            ChangeTimes::Disk | ChangeTimes::Overlay => true,
            ChangeTimes::Memory | ChangeTimes::NotKept => false,
        }
    }

    /// How old the last change of a file must be, in nanoseconds, for its hash to be remembered; `None`: it is not. Whether
    /// `somebody_writes` was asked after its stat and before it was read, `None` is "nobody knows".
    pub fn least_age(self, somebody_writes: Option<bool>) -> Option<i64> {
        match (self, somebody_writes) {
            (ChangeTimes::Disk | ChangeTimes::Memory, Some(false)) => Some(RACY),
            (ChangeTimes::Disk, None) => Some(WRITTEN_BACK),
            _ => None,
        }
    }
}
