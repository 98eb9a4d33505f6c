//! A root directory and what can be done with paths below it.
//!
//! Two families. The plain operations take a path of real directories: a symbolic link on the way is refused, so what
//! they write lands where the path says. The `…_in_root` operations read as a process inside the root would: links are
//! followed, and stay inside.

use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

use crate::dir::{Dir, DirEntry, fstat};
use crate::error::{Error, Result};
use crate::path::{check_plain, split};
use crate::resolve::{LastLink, Resolver, open_in_root, open_no_links};
use crate::stat::{Kind, Stat, Timestamp};

/// An open root directory.
#[derive(Debug)]
pub struct Root {
    dir: Dir,
    resolver: Resolver,
}

impl AsFd for Root {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.dir.as_fd()
    }
}

impl From<Dir> for Root {
    fn from(dir: Dir) -> Self {
        let resolver = Resolver::probe(dir.as_fd());
        Root { dir, resolver }
    }
}

impl Root {
    /// Opens a directory of the host as a root. This path is the caller's own: links in it are followed.
    pub fn open(path: impl AsRef<Path>) -> Result<Root> {
        let path = path.as_ref();
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let fd = rustix::fs::open(path, flags, Mode::empty())
            .map_err(|e| Error::new("open directory", path.as_os_str().as_encoded_bytes(), e))?;
        Ok(Root::from(Dir::from(fd)))
    }

    /// The same root with a chosen way to resolve paths.
    #[must_use]
    pub fn with_resolver(mut self, resolver: Resolver) -> Root {
        self.resolver = resolver;
        self
    }

    /// Another handle on the same root.
    pub fn try_clone(&self) -> Result<Root> {
        Ok(Root {
            dir: self.dir.try_clone()?,
            resolver: self.resolver,
        })
    }

    /// The root as a directory.
    pub fn dir(&self) -> &Dir {
        &self.dir
    }

    // ---- real directories only ----

    /// Opens a directory; the empty path is the root itself.
    pub fn open_dir(&self, path: &[u8]) -> Result<Dir> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY;
        check_plain(path)
            .and_then(|()| open_no_links(self.resolver, self.as_fd(), path, flags))
            .map(Dir::from)
            .map_err(|e| Error::new("open directory", path, e))
    }

    /// Opens the directory that holds `path`, and gives the last name.
    pub fn parent<'p>(&self, path: &'p [u8]) -> Result<(Dir, &'p [u8])> {
        let (parent, name) = split(path).map_err(|e| Error::new("open", path, e))?;
        Ok((self.open_dir(parent)?, name))
    }

    /// Opens a regular file for reading ([`Dir::open_file`]).
    pub fn open_file(&self, path: &[u8]) -> Result<File> {
        self.with_parent(path, |dir, name| dir.open_file(name))
    }

    /// Creates a regular file that must not exist ([`Dir::create_file`]).
    pub fn create_file(&self, path: &[u8]) -> Result<File> {
        self.with_parent(path, |dir, name| dir.create_file(name))
    }

    /// Creates a directory with mode 0700.
    pub fn mkdir(&self, path: &[u8]) -> Result<()> {
        self.with_parent(path, |dir, name| dir.mkdir(name))
    }

    /// Creates a symbolic link.
    pub fn symlink(&self, path: &[u8], target: &[u8]) -> Result<()> {
        self.with_parent(path, |dir, name| dir.symlink(name, target))
    }

    /// Gives the inode at `old` the further name `path`.
    pub fn link(&self, path: &[u8], old: &[u8]) -> Result<()> {
        let (old_dir, old_name) = self.parent(old)?;
        self.with_parent(path, |dir, name| dir.link_from(name, &old_dir, old_name))
    }

    /// Creates a pipe or device node ([`Dir::mknod`]).
    pub fn mknod(&self, path: &[u8], kind: Kind, rdev: u64) -> Result<()> {
        self.with_parent(path, |dir, name| dir.mknod(name, kind, rdev))
    }

    /// Removes what is no directory.
    pub fn unlink(&self, path: &[u8]) -> Result<()> {
        self.with_parent(path, |dir, name| dir.unlink(name))
    }

    /// Removes an empty directory.
    pub fn rmdir(&self, path: &[u8]) -> Result<()> {
        self.with_parent(path, |dir, name| dir.rmdir(name))
    }

    /// Removes a path and all below it; a missing path is fine.
    pub fn remove_tree(&self, path: &[u8]) -> Result<()> {
        match self.with_parent(path, |dir, name| dir.remove_tree(name)) {
            Err(e) if e.errno == Errno::NOENT => Ok(()),
            other => other,
        }
    }

    /// Renames `path` to `new`.
    pub fn rename(&self, path: &[u8], new: &[u8]) -> Result<()> {
        let (new_dir, new_name) = self.parent(new)?;
        self.with_parent(path, |dir, name| dir.rename(name, &new_dir, new_name))
    }

    /// What is at `path`; a link in the last place is not followed. The empty path is the root itself.
    pub fn lstat(&self, path: &[u8]) -> Result<Stat> {
        if crate::path::components(path).next().is_none() {
            return self.dir.stat();
        }
        self.with_parent(path, |dir, name| dir.lstat(name))
    }

    /// The text of a symbolic link.
    pub fn readlink(&self, path: &[u8]) -> Result<Vec<u8>> {
        self.with_parent(path, |dir, name| dir.readlink(name))
    }

    /// Changes owner and group; of a symbolic link itself.
    pub fn chown(&self, path: &[u8], uid: u32, gid: u32) -> Result<()> {
        self.with_parent(path, |dir, name| dir.chown(name, uid, gid))
    }

    /// Changes the mode (`07777`).
    pub fn chmod(&self, path: &[u8], mode: u16) -> Result<()> {
        self.with_parent(path, |dir, name| dir.chmod(name, mode))
    }

    /// Sets the modification time; of a symbolic link itself.
    pub fn set_mtime(&self, path: &[u8], mtime: Timestamp) -> Result<()> {
        self.with_parent(path, |dir, name| dir.set_mtime(name, mtime))
    }

    /// The extended attributes' names of what is at `path` (a link itself), sorted.
    pub fn list_xattrs(&self, path: &[u8]) -> Result<Vec<Vec<u8>>> {
        crate::flistxattr(self.open_path(path)?).map_err(|e| e.at(path))
    }

    /// The value of an extended attribute of what is at `path`.
    pub fn get_xattr(&self, path: &[u8], name: &[u8]) -> Result<Option<Vec<u8>>> {
        crate::fgetxattr(self.open_path(path)?, name).map_err(|e| e.at(path))
    }

    /// Sets an extended attribute of what is at `path`.
    pub fn set_xattr(&self, path: &[u8], name: &[u8], value: &[u8]) -> Result<()> {
        crate::fsetxattr(self.open_path(path)?, name, value).map_err(|e| e.at(path))
    }

    /// Lists a directory, sorted by name.
    pub fn read_dir(&self, path: &[u8]) -> Result<Vec<DirEntry>> {
        self.open_dir(path)?.read_dir().map_err(|e| e.at(path))
    }

    /// Creates all missing directories of `path` with mode 0700 and opens the last.
    pub fn create_dir_all(&self, path: &[u8]) -> Result<Dir> {
        check_plain(path).map_err(|e| Error::new("create directory", path, e))?;
        let mut dir = self.dir.try_clone()?;
        for name in crate::path::components(path) {
            dir = match dir.open_dir(name) {
                Err(e) if e.errno == Errno::NOENT => {
                    match dir.mkdir(name) {
                        Err(e) if !e.is_already_exists() => return Err(e.at(path)),
                        _ => {}
                    }
                    dir.open_dir(name).map_err(|e| e.at(path))?
                }
                other => other.map_err(|e| e.at(path))?,
            };
        }
        Ok(dir)
    }

    fn open_path(&self, path: &[u8]) -> Result<OwnedFd> {
        check_plain(path)
            .and_then(|()| open_no_links(self.resolver, self.as_fd(), path, OFlags::PATH))
            .map_err(|e| Error::new("open", path, e))
    }

    fn with_parent<T>(&self, path: &[u8], call: impl FnOnce(&Dir, &[u8]) -> Result<T>) -> Result<T> {
        let (dir, name) = self.parent(path)?;
        call(&dir, name).map_err(|e| e.at(path))
    }

    // ---- as a process inside the root sees it ----

    /// Resolves `path` as if this root were `/` and pins what is there with `O_PATH`. Symbolic links, absolute ones
    /// too, and `..` stay inside. Magic links (`/proc/self/fd/…`) are refused with `ELOOP` or read as plain text.
    pub fn resolve_in_root(&self, path: &[u8], last: LastLink) -> Result<OwnedFd> {
        open_in_root(self.resolver, self.as_fd(), path, OFlags::PATH, last)
            .map_err(|e| Error::new("resolve", path, e))
    }

    /// What is at `path`, links followed inside the root.
    pub fn stat_in_root(&self, path: &[u8]) -> Result<Stat> {
        fstat(self.resolve_in_root(path, LastLink::Follow)?).map_err(|e| e.at(path))
    }

    /// Opens a directory, links followed inside the root.
    pub fn open_dir_in_root(&self, path: &[u8]) -> Result<Dir> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY;
        open_in_root(self.resolver, self.as_fd(), path, flags, LastLink::Follow)
            .map(Dir::from)
            .map_err(|e| Error::new("open directory", path, e))
    }

    /// Opens a regular file for reading, links followed inside the root. A pipe, device or directory is refused with
    /// `EINVAL`, before anything is opened.
    pub fn open_file_in_root(&self, path: &[u8]) -> Result<File> {
        const OPERATION: &str = "open";
        let pinned = self.resolve_in_root(path, LastLink::Follow).map_err(|e| Error {
            operation: OPERATION,
            ..e
        })?;
        let before = fstat(&pinned).map_err(|e| e.at(path))?;
        if before.kind != Kind::File {
            return Err(Error::new(OPERATION, path, Errno::INVAL));
        }
        // Not through /proc/self/fd: that may be masked. The second walk must end at the same inode.
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY;
        let fd = open_in_root(self.resolver, self.as_fd(), path, flags, LastLink::Follow)
            .map_err(|e| Error::new(OPERATION, path, e))?;
        let after = fstat(&fd).map_err(|e| e.at(path))?;
        if (after.dev, after.ino) != (before.dev, before.ino) {
            return Err(Error::new(OPERATION, path, Errno::AGAIN));
        }
        Ok(File::from(fd))
    }
}
