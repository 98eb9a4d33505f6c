//! How much of a disk a directory takes.

use std::collections::BTreeSet;
use std::ffi::CString;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;

use rustix::fs::{AtFlags, CWD, Dir, FileType, Mode, OFlags};

/// Directories inside directories that are counted.
const MAX_DEPTH: usize = 256;

const DIRECTORY: OFlags = OFlags::RDONLY
    .union(OFlags::DIRECTORY)
    .union(OFlags::NOFOLLOW)
    .union(OFlags::CLOEXEC);

/// Bytes of disk blocks below a directory; each inode once. What cannot be read is not counted.
pub(crate) fn disk_usage(path: &Path) -> u64 {
    let mut blocks = Blocks {
        seen: &mut BTreeSet::new(),
        bytes: 0,
        complete: true,
    };
    blocks.count(path);
    blocks.bytes
}

/// As [`disk_usage`], without inodes that were seen before; `None` when something could not be read.
pub(crate) fn measured(path: &Path, seen: &mut BTreeSet<(u64, u64)>) -> Option<u64> {
    let mut blocks = Blocks {
        seen,
        bytes: 0,
        complete: true,
    };
    blocks.count(path);
    blocks.complete.then_some(blocks.bytes)
}

struct Blocks<'s> {
    seen: &'s mut BTreeSet<(u64, u64)>,
    bytes: u64,
    complete: bool,
}

impl Blocks<'_> {
    fn count(&mut self, path: &Path) {
        match rustix::fs::openat(CWD, path, DIRECTORY, Mode::empty()) {
            Ok(dir) => self.below(dir.as_fd(), 0),
            Err(_) => self.complete = false,
        }
    }

    fn below(&mut self, dir: BorrowedFd<'_>, depth: usize) {
        let Ok(entries) = Dir::read_from(dir) else {
            self.complete = false;
            return;
        };
        let names: Vec<CString> = entries
            .flatten()
            .map(|entry| entry.file_name().to_owned())
            .collect();
        for name in names {
            if name.as_c_str() == c"." || name.as_c_str() == c".." {
                continue;
            }
            let Ok(stat) = rustix::fs::statat(dir, &name, AtFlags::SYMLINK_NOFOLLOW) else {
                self.complete = false;
                continue;
            };
            let is_dir = FileType::from_raw_mode(stat.st_mode) == FileType::Directory;
            if !is_dir && stat.st_nlink > 1 && !self.seen.insert((stat.st_dev, stat.st_ino)) {
                continue;
            }
            self.bytes += u64::try_from(stat.st_blocks).unwrap_or(0) * 512;
            if is_dir {
                match rustix::fs::openat(dir, &name, DIRECTORY, Mode::empty()) {
                    Ok(child) if depth < MAX_DEPTH => self.below(child.as_fd(), depth + 1),
                    _ => self.complete = false,
                }
            }
        }
    }
}
