//! [`remove_tree`]: removes a directory with whatever a build left in it.
//!
//! The content is hostile: links to anywhere, directories without permission bits, nesting deeper than the stack
//! or the descriptor limit. So every step is relative to an open directory, no link is followed, and directories
//! that are too deep are first moved up.

use std::ffi::{CStr, CString};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::fs::{AtFlags, CWD, Dir, FileType, Mode, OFlags};
use rustix::io::Errno;

use crate::error::{IoContext, StoreError};

/// Descriptors open at once, at most.
const MAX_DEPTH: usize = 64;

/// Removes `path` and everything below it, never following a link. Nothing there is no error.
pub(crate) fn remove_tree(path: &Path) -> Result<(), StoreError> {
    let top = match open_dir(CWD, path) {
        Ok(top) => top,
        Err(Errno::NOENT) => return Ok(()),
        Err(Errno::NOTDIR | Errno::LOOP) => return std::fs::remove_file(path).at("remove", path),
        Err(errno) => return Err(StoreError::from_io("open", path, errno.into())),
    };
    let mut sweep = Sweep {
        top: top.as_fd(),
        moved: 0,
    };
    sweep.empty(top.as_fd(), 0).at("empty", path)?;
    // Directories moved up from the depths may hold deeper ones: each round ends at least MAX_DEPTH lower.
    while sweep.moved > 0 {
        sweep.moved = 0;
        sweep.empty(top.as_fd(), 0).at("empty", path)?;
    }
    std::fs::remove_dir(path).at("remove", path)
}

struct Sweep<'a> {
    top: BorrowedFd<'a>,
    moved: u64,
}

impl Sweep<'_> {
    fn empty(&mut self, dir: BorrowedFd<'_>, depth: usize) -> Result<(), Errno> {
        let mut names = Vec::new();
        for entry in Dir::read_from(dir)? {
            let entry = entry?;
            let name = entry.file_name();
            if name != c"." && name != c".." {
                names.push((name.to_owned(), entry.file_type()));
            }
        }
        for (name, kind) in names {
            self.remove(dir, &name, kind, depth)?;
        }
        Ok(())
    }

    fn remove(
        &mut self,
        dir: BorrowedFd<'_>,
        name: &CStr,
        kind: FileType,
        depth: usize,
    ) -> Result<(), Errno> {
        if kind != FileType::Directory {
            match rustix::fs::unlinkat(dir, name, AtFlags::empty()) {
                Ok(()) | Err(Errno::NOENT) => return Ok(()),
                // File systems without d_type say Unknown.
                Err(Errno::ISDIR | Errno::PERM) if kind == FileType::Unknown => {}
                Err(errno) => return Err(errno),
            }
        }
        if depth >= MAX_DEPTH {
            return self.move_up(dir, name);
        }
        let child = open_dir(dir, name)?;
        self.empty(child.as_fd(), depth + 1)?;
        drop(child);
        match rustix::fs::unlinkat(dir, name, AtFlags::REMOVEDIR) {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            // Something was moved up into it: only the top can be such a directory, so this is a real refusal.
            Err(errno) => Err(errno),
        }
    }

    fn move_up(&mut self, dir: BorrowedFd<'_>, name: &CStr) -> Result<(), Errno> {
        loop {
            self.moved += 1;
            let target = CString::new(format!(".deep-{}", self.moved)).map_err(|_| Errno::INVAL)?;
            match rustix::fs::renameat_with(dir, name, self.top, &target, rustix::fs::RenameFlags::NOREPLACE)
            {
                Err(Errno::EXIST) => continue,
                other => return other,
            }
        }
    }
}

/// Opens a directory without following links; gives the owner its permission bits when they are missing.
fn open_dir<P: rustix::path::Arg + Copy>(at: impl AsFd, name: P) -> Result<OwnedFd, Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let opened = rustix::fs::openat(&at, name, flags, Mode::empty());
    let fd = match opened {
        Err(Errno::ACCESS) => {
            let stat = rustix::fs::statat(&at, name, AtFlags::SYMLINK_NOFOLLOW)?;
            if FileType::from_raw_mode(stat.st_mode) != FileType::Directory {
                return Err(Errno::NOTDIR);
            }
            // chmod by name follows a link put there meanwhile; /proc/self/fd over O_PATH does not.
            let handle = rustix::fs::openat(
                &at,
                name,
                OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC,
                Mode::empty(),
            )?;
            chmod_by_handle(handle.as_fd())?;
            rustix::fs::openat(&at, name, flags, Mode::empty())?
        }
        other => other?,
    };
    let stat = rustix::fs::fstat(&fd)?;
    if stat.st_mode & 0o700 != 0o700 {
        // Best effort: root does not need it, another owner's directory fails later with the true reason.
        let _ = rustix::fs::fchmod(&fd, Mode::RWXU);
    }
    Ok(fd)
}

fn chmod_by_handle(handle: BorrowedFd<'_>) -> Result<(), Errno> {
    use std::os::fd::AsRawFd;
    rustix::fs::chmod(format!("/proc/self/fd/{}", handle.as_raw_fd()), Mode::RWXU)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{PermissionsExt, symlink};

    #[test]
    fn links_are_removed_not_followed() {
        let dir = tempfile::tempdir().unwrap();
        let canary = dir.path().join("canary");
        std::fs::create_dir(&canary).unwrap();
        std::fs::write(canary.join("alive"), "x").unwrap();
        let doomed = dir.path().join("doomed");
        std::fs::create_dir(&doomed).unwrap();
        symlink(&canary, doomed.join("link")).unwrap();
        remove_tree(&doomed).unwrap();
        assert!(!doomed.exists());
        assert!(canary.join("alive").exists());
        symlink(&canary, &doomed).unwrap();
        remove_tree(&doomed).unwrap();
        assert!(canary.join("alive").exists());
        remove_tree(&doomed).unwrap();
    }

    #[test]
    fn directories_without_permission_bits_go_too() {
        let dir = tempfile::tempdir().unwrap();
        let doomed = dir.path().join("doomed");
        std::fs::create_dir_all(doomed.join("a/b")).unwrap();
        std::fs::write(doomed.join("a/b/f"), "x").unwrap();
        for path in ["a/b", "a"] {
            std::fs::set_permissions(doomed.join(path), std::fs::Permissions::from_mode(0o0)).unwrap();
        }
        remove_tree(&doomed).unwrap();
        assert!(!doomed.exists());
    }

    #[test]
    fn nesting_deeper_than_the_descriptor_limit() {
        let dir = tempfile::tempdir().unwrap();
        let doomed = dir.path().join("doomed");
        std::fs::create_dir(&doomed).unwrap();
        let mut at = open_dir(CWD, &doomed).unwrap();
        for _ in 0..3000 {
            rustix::fs::mkdirat(&at, "d", Mode::RWXU).unwrap();
            at = open_dir(at.as_fd(), "d").unwrap();
        }
        drop(at);
        remove_tree(&doomed).unwrap();
        assert!(!doomed.exists());
    }
}
