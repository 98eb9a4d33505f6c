//! An open directory and what can be done with one name in it.
//!
//! Every name is checked to be one name, and no operation follows a symbolic link at it, so nothing here can leave the
//! directory. Paths of several names are [`crate::Root`]'s.

use std::fs::File;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{
    AtFlags, FileType, Gid, Mode, OFlags, RawDir, SeekFrom, StatxFlags, Timespec, Timestamps, Uid,
};
use rustix::io::Errno;

use crate::error::{Error, Result};
use crate::path::check_name;
use crate::stat::{Kind, Stat, Timestamp};

/// An open directory.
#[derive(Debug)]
pub struct Dir {
    fd: OwnedFd,
}

/// One entry of a directory listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DirEntry {
    /// The name, never `.` or `..`.
    pub name: Vec<u8>,
    /// The type, when the file system tells it with the name.
    pub kind: Option<Kind>,
    /// Inode number as listed. On an overlay it may differ from what `stat` says.
    pub ino: u64,
}

impl AsFd for Dir {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl From<OwnedFd> for Dir {
    /// Takes a descriptor that is known to be a directory; if it is not, every operation fails with `ENOTDIR`.
    fn from(fd: OwnedFd) -> Self {
        Dir { fd }
    }
}

const DIR_FLAGS: OFlags = OFlags::RDONLY
    .union(OFlags::DIRECTORY)
    .union(OFlags::NOFOLLOW)
    .union(OFlags::CLOEXEC)
    .union(OFlags::NOCTTY);

impl Dir {
    /// Another handle on the same directory.
    pub fn try_clone(&self) -> Result<Dir> {
        let fd = rustix::io::fcntl_dupfd_cloexec(&self.fd, 0).map_err(|e| Error::new("duplicate", b"", e))?;
        Ok(Dir { fd })
    }

    /// The descriptor itself.
    pub fn into_fd(self) -> OwnedFd {
        self.fd
    }

    /// What the kernel knows about this directory.
    pub fn stat(&self) -> Result<Stat> {
        rustix::fs::fstat(&self.fd)
            .map(Stat::from)
            .map_err(|e| Error::new("stat", b"", e))
    }

    /// When it was made, where the file system keeps that.
    pub fn born(&self) -> Result<Option<Timestamp>> {
        let (flags, wanted) = (AtFlags::EMPTY_PATH, StatxFlags::BTIME);
        let stat = match rustix::fs::statx(&self.fd, c"", flags, wanted) {
            // A filter of system calls around us.
            Err(Errno::NOSYS | Errno::PERM) => return Ok(None),
            other => other.map_err(|e| Error::new("stat", b"", e))?,
        };
        let is_kept = stat.stx_mask & wanted.bits() != 0;
        Ok(is_kept.then_some(Timestamp {
            secs: stat.stx_btime.tv_sec,
            nanos: stat.stx_btime.tv_nsec,
        }))
    }

    /// Opens a subdirectory.
    pub fn open_dir(&self, name: &[u8]) -> Result<Dir> {
        let fd = checked("open directory", name, |name| {
            rustix::fs::openat(&self.fd, name, DIR_FLAGS, Mode::empty())
        })?;
        Ok(Dir { fd })
    }

    /// Opens a regular file for reading. Anything else is refused without being opened: opening a device or a pipe
    /// has effects.
    pub fn open_file(&self, name: &[u8]) -> Result<File> {
        self.open_file_with_stat(name).map(|(file, _)| file)
    }

    /// As [`Dir::open_file`], with the answer of `fstat` that proved it to be a regular file.
    pub fn open_file_with_stat(&self, name: &[u8]) -> Result<(File, Stat)> {
        const OPERATION: &str = "open";
        // O_NONBLOCK: a pipe put here in the meantime must not block us; the check after the open refuses it.
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NOCTTY | OFlags::NONBLOCK;
        if self.stat_name(OPERATION, name)?.kind != Kind::File {
            return Err(Error::new(OPERATION, name, Errno::INVAL));
        }
        let fd = checked(OPERATION, name, |name| {
            rustix::fs::openat(&self.fd, name, flags, Mode::empty())
        })?;
        let stat = rustix::fs::fstat(&fd)
            .map(Stat::from)
            .map_err(|e| Error::new(OPERATION, name, e))?;
        if stat.kind != Kind::File {
            return Err(Error::new(OPERATION, name, Errno::INVAL));
        }
        Ok((File::from(fd), stat))
    }

    /// Opens what is there without any access to it (`O_PATH`), a symbolic link itself included.
    pub fn open_path(&self, name: &[u8]) -> Result<OwnedFd> {
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        checked("open", name, |name| {
            rustix::fs::openat(&self.fd, name, flags, Mode::empty())
        })
    }

    /// Creates a regular file that must not exist, open for reading and writing, with mode 0600. The final mode is
    /// for `fchmod` afterwards: the umask shall not take part.
    pub fn create_file(&self, name: &[u8]) -> Result<File> {
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mode = Mode::RUSR | Mode::WUSR;
        checked("create", name, |name| {
            rustix::fs::openat(&self.fd, name, flags, mode)
        })
        .map(File::from)
    }

    /// Creates a directory with mode 0700 (see [`Dir::create_file`]).
    pub fn mkdir(&self, name: &[u8]) -> Result<()> {
        checked("create directory", name, |name| {
            rustix::fs::mkdirat(&self.fd, name, Mode::RWXU)
        })
    }

    /// Creates a symbolic link. The target is stored as it is.
    pub fn symlink(&self, name: &[u8], target: &[u8]) -> Result<()> {
        checked("create symbolic link", name, |name| {
            rustix::fs::symlinkat(target, &self.fd, name)
        })
    }

    /// Gives the inode that `old_dir/old_name` names (a symbolic link itself, not its target) the name `name` here.
    pub fn link_from(&self, name: &[u8], old_dir: &Dir, old_name: &[u8]) -> Result<()> {
        check_name(old_name).map_err(|e| Error::new("link", old_name, e))?;
        checked("link", name, |name| {
            rustix::fs::linkat(&old_dir.fd, old_name, &self.fd, name, AtFlags::empty())
        })
    }

    /// Creates a pipe or a device node with mode 0600; `rdev` counts for devices only.
    pub fn mknod(&self, name: &[u8], kind: Kind, rdev: u64) -> Result<()> {
        const OPERATION: &str = "create node";
        let file_type = match kind {
            Kind::Fifo => FileType::Fifo,
            Kind::CharDevice => FileType::CharacterDevice,
            Kind::BlockDevice => FileType::BlockDevice,
            _ => return Err(Error::new(OPERATION, name, Errno::INVAL)),
        };
        let mode = Mode::RUSR | Mode::WUSR;
        checked(OPERATION, name, |name| {
            rustix::fs::mknodat(&self.fd, name, file_type, mode, rdev)
        })
    }

    /// Removes a name that is no directory.
    pub fn unlink(&self, name: &[u8]) -> Result<()> {
        checked("remove", name, |name| {
            rustix::fs::unlinkat(&self.fd, name, AtFlags::empty())
        })
    }

    /// Removes an empty directory.
    pub fn rmdir(&self, name: &[u8]) -> Result<()> {
        checked("remove directory", name, |name| {
            rustix::fs::unlinkat(&self.fd, name, AtFlags::REMOVEDIR)
        })
    }

    /// Renames within and between directories, replacing what is there by the rules of `rename(2)`.
    pub fn rename(&self, name: &[u8], new_dir: &Dir, new_name: &[u8]) -> Result<()> {
        check_name(new_name).map_err(|e| Error::new("rename", new_name, e))?;
        checked("rename", name, |name| {
            rustix::fs::renameat(&self.fd, name, &new_dir.fd, new_name)
        })
    }

    /// What the kernel knows about a name; a symbolic link is not followed.
    pub fn lstat(&self, name: &[u8]) -> Result<Stat> {
        self.stat_name("stat", name)
    }

    fn stat_name(&self, operation: &'static str, name: &[u8]) -> Result<Stat> {
        checked(operation, name, |name| {
            rustix::fs::statat(&self.fd, name, AtFlags::SYMLINK_NOFOLLOW)
        })
        .map(Stat::from)
    }

    /// The text of a symbolic link.
    pub fn readlink(&self, name: &[u8]) -> Result<Vec<u8>> {
        checked("read link", name, |name| {
            rustix::fs::readlinkat(&self.fd, name, Vec::new())
        })
        .map(|text| text.into_bytes())
    }

    /// Changes the owner of a name; of a symbolic link itself.
    pub fn chown(&self, name: &[u8], uid: u32, gid: u32) -> Result<()> {
        let (uid, gid) = owner("change owner of", name, uid, gid)?;
        checked("change owner of", name, |name| {
            rustix::fs::chownat(&self.fd, name, Some(uid), Some(gid), AtFlags::SYMLINK_NOFOLLOW)
        })
    }

    /// Changes the mode (`07777`) of a name that is no symbolic link.
    pub fn chmod(&self, name: &[u8], mode: u16) -> Result<()> {
        const OPERATION: &str = "change mode of";
        // fchmodat(2) follows links and knows no flag before 6.6; a pinned descriptor does not race.
        let fd = self.open_path(name)?;
        let stat = rustix::fs::fstat(&fd)
            .map(Stat::from)
            .map_err(|e| Error::new(OPERATION, name, e))?;
        if stat.kind == Kind::Symlink {
            return Err(Error::new(OPERATION, name, Errno::OPNOTSUPP));
        }
        rustix::fs::chmod(proc_path(&fd), Mode::from_raw_mode(u32::from(mode & 0o7777)))
            .map_err(|e| Error::new(OPERATION, name, e))
    }

    /// Sets the modification time of a name, of a symbolic link itself; the access time becomes the same.
    pub fn set_mtime(&self, name: &[u8], mtime: Timestamp) -> Result<()> {
        checked("set time of", name, |name| {
            rustix::fs::utimensat(&self.fd, name, &timestamps(mtime), AtFlags::SYMLINK_NOFOLLOW)
        })
    }

    /// Lists the directory, sorted by name.
    pub fn read_dir(&self) -> Result<Vec<DirEntry>> {
        let fail = |e| Error::new("list", b"", e);
        rustix::fs::seek(&self.fd, SeekFrom::Start(0)).map_err(fail)?;
        let mut buffer = [const { MaybeUninit::<u8>::uninit() }; 16 * 1024];
        let mut raw = RawDir::new(&self.fd, &mut buffer);
        let mut entries = Vec::new();
        while let Some(entry) = raw.next() {
            let entry = entry.map_err(fail)?;
            let name = entry.file_name().to_bytes();
            if name != b"." && name != b".." {
                entries.push(DirEntry {
                    name: name.to_vec(),
                    kind: Kind::from_rustix(entry.file_type()),
                    ino: entry.ino(),
                });
            }
        }
        entries.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        Ok(entries)
    }

    /// True when the directory holds nothing.
    pub fn is_empty(&self) -> Result<bool> {
        self.read_dir().map(|entries| entries.is_empty())
    }
}

/// Sets owner and group through a descriptor.
pub fn fchown(fd: impl AsFd, uid: u32, gid: u32) -> Result<()> {
    let (uid, gid) = owner("change owner of", b"", uid, gid)?;
    rustix::fs::fchown(fd, Some(uid), Some(gid)).map_err(|e| Error::new("change owner of", b"", e))
}

/// Sets the mode (`07777`) through a descriptor that is not `O_PATH`.
pub fn fchmod(fd: impl AsFd, mode: u16) -> Result<()> {
    rustix::fs::fchmod(fd, Mode::from_raw_mode(u32::from(mode & 0o7777)))
        .map_err(|e| Error::new("change mode of", b"", e))
}

/// Sets the modification time through a descriptor that is not `O_PATH`; the access time becomes the same.
pub fn fset_mtime(fd: impl AsFd, mtime: Timestamp) -> Result<()> {
    rustix::fs::futimens(fd, &timestamps(mtime)).map_err(|e| Error::new("set time of", b"", e))
}

/// `fstat(2)`.
pub fn fstat(fd: impl AsFd) -> Result<Stat> {
    rustix::fs::fstat(fd)
        .map(Stat::from)
        .map_err(|e| Error::new("stat", b"", e))
}

/// The path by which an `O_PATH` descriptor can be handed to a system call that wants a path.
pub fn proc_path(fd: impl AsFd) -> String {
    use std::os::fd::AsRawFd;
    format!("/proc/self/fd/{}", fd.as_fd().as_raw_fd())
}

fn timestamps(mtime: Timestamp) -> Timestamps {
    let time = Timespec {
        tv_sec: mtime.secs,
        tv_nsec: i64::from(mtime.nanos),
    };
    Timestamps {
        last_access: time,
        last_modification: time,
    }
}

/// Ids as the kernel takes them. `u32::MAX` means "leave as it is" to chown(2), so it cannot be an owner.
fn owner(operation: &'static str, name: &[u8], uid: u32, gid: u32) -> Result<(Uid, Gid)> {
    if uid == u32::MAX || gid == u32::MAX {
        return Err(Error::new(operation, name, Errno::INVAL));
    }
    Ok((Uid::from_raw(uid), Gid::from_raw(gid)))
}

fn checked<T>(
    operation: &'static str,
    name: &[u8],
    call: impl FnOnce(&[u8]) -> rustix::io::Result<T>,
) -> Result<T> {
    check_name(name)
        .and_then(|()| call(name))
        .map_err(|e| Error::new(operation, name, e))
}
