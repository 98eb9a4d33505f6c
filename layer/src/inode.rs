//! Making and finishing inodes in a layer's directory: content first, then owner, attributes, mode and time, in the
//! order in which the kernel does not undo one by the other (chown clears setuid bits and capabilities).

use std::fs::File;
use std::io;
use std::os::fd::AsFd;

use rbuild_rootdir::{Dir, Errno, Kind, Root};

use crate::LayerError;
use crate::listing::{Metadata, file_name, parent};
use crate::xattr;

/// Keeps the directory of the last path open: paths come sorted, so mostly the next is in the same.
#[derive(Debug, Default)]
pub(crate) struct Parents {
    last: Option<(Vec<u8>, Dir)>,
}

impl Parents {
    /// The directory that holds `path`.
    pub(crate) fn of(&mut self, root: &Root, path: &[u8]) -> Result<&Dir, LayerError> {
        let wanted = parent(path).unwrap_or_default();
        if self.last.as_ref().is_none_or(|(have, _)| have != wanted) {
            self.last = Some((wanted.to_vec(), root.open_dir(wanted)?));
        }
        match &self.last {
            Some((_, dir)) => Ok(dir),
            // Set just above.
            None => Err(LayerError::NotADirectory {
                path: wanted.to_vec(),
            }),
        }
    }

    /// Opens a file of the layer for reading.
    pub(crate) fn open_file(&mut self, root: &Root, path: &[u8]) -> Result<File, LayerError> {
        Ok(self
            .of(root, path)?
            .open_file(file_name(path))
            .map_err(|e| e.at(path))?)
    }
}

/// The ids that a new file has without chown(2).
#[derive(Debug, Clone, Copy)]
pub struct Creator {
    uid: u32,
    gid: u32,
}

impl Creator {
    /// This process.
    pub fn current() -> Self {
        Creator {
            uid: rustix::process::geteuid().as_raw(),
            gid: rustix::process::getegid().as_raw(),
        }
    }

    fn owns(&self, meta: &Metadata) -> bool {
        meta.uid == self.uid && meta.gid == self.gid
    }

    /// Gives a new file its metadata, after its content was written.
    pub(crate) fn finish_file(&self, file: &File, path: &[u8], meta: &Metadata) -> Result<(), LayerError> {
        self.finish(file, path, meta)
    }

    /// Gives a new directory its metadata, after all in it was made.
    pub fn finish_dir(
        &self,
        dir: &Dir,
        path: &[u8],
        meta: &Metadata,
        opaque: bool,
    ) -> Result<(), LayerError> {
        if opaque {
            rbuild_rootdir::fsetxattr(dir, xattr::OPAQUE, b"y").map_err(|e| e.at(path))?;
        }
        self.finish(dir, path, meta)
    }

    fn finish(&self, fd: impl AsFd, path: &[u8], meta: &Metadata) -> Result<(), LayerError> {
        let fd = fd.as_fd();
        if !self.owns(meta) {
            rbuild_rootdir::fchown(fd, meta.uid, meta.gid).map_err(|e| owner_error(path, meta, e))?;
        }
        for (name, value) in meta.xattrs.iter() {
            rbuild_rootdir::fsetxattr(fd, name, value).map_err(|e| e.at(path))?;
        }
        rbuild_rootdir::fchmod(fd, meta.mode).map_err(|e| e.at(path))?;
        rbuild_rootdir::fset_mtime(fd, meta.mtime).map_err(|e| e.at(path))?;
        Ok(())
    }

    /// Makes a symbolic link.
    pub(crate) fn symlink(
        &self,
        dir: &Dir,
        path: &[u8],
        target: &[u8],
        meta: &Metadata,
    ) -> Result<(), LayerError> {
        let name = file_name(path);
        dir.symlink(name, target).map_err(|e| e.at(path))?;
        if !self.owns(meta) {
            dir.chown(name, meta.uid, meta.gid)
                .map_err(|e| owner_error(path, meta, e))?;
        }
        Ok(dir.set_mtime(name, meta.mtime).map_err(|e| e.at(path))?)
    }

    /// Makes a pipe or device. A device that this process may not make stays in the listing only; then a whiteout
    /// stands in its place, so that nothing below shows through. `true` when the node was made.
    pub(crate) fn node(
        &self,
        dir: &Dir,
        path: &[u8],
        kind: Kind,
        rdev: u64,
        meta: &Metadata,
    ) -> Result<bool, LayerError> {
        let name = file_name(path);
        // Only ever as what it is in the overlay: a device 0:0 is a whiteout.
        let is_device = kind != Kind::Fifo;
        match if is_device && rdev == 0 {
            Err(denied(path))
        } else {
            dir.mknod(name, kind, rdev)
        } {
            Err(e) if is_device && matches!(e.errno, Errno::PERM | Errno::ACCESS | Errno::INVAL) => {
                self.whiteout(dir, path)?;
                return Ok(false);
            }
            other => other.map_err(|e| e.at(path))?,
        }
        if !self.owns(meta) {
            dir.chown(name, meta.uid, meta.gid)
                .map_err(|e| owner_error(path, meta, e))?;
        }
        dir.chmod(name, meta.mode).map_err(|e| e.at(path))?;
        dir.set_mtime(name, meta.mtime).map_err(|e| e.at(path))?;
        Ok(true)
    }

    /// Makes a whiteout as overlay knows it: a character device 0:0, which needs no privilege (Linux 5.8). On an overlay,
    /// which keeps that for itself, an empty file with a mark: nothing is ever mounted upon what is kept there.
    pub(crate) fn whiteout(&self, dir: &Dir, path: &[u8]) -> Result<(), LayerError> {
        let name = file_name(path);
        match dir.mknod(name, Kind::CharDevice, 0) {
            Err(e) if e.errno == Errno::PERM && is_overlay(dir) => {
                let file = dir.create_file(name).map_err(|e| e.at(path))?;
                Ok(rbuild_rootdir::fsetxattr(&file, xattr::WHITEOUT, b"y").map_err(|e| e.at(path))?)
            }
            other => Ok(other.map_err(|e| e.at(path))?),
        }
    }
}

/// `OVERLAYFS_SUPER_MAGIC` of linux/magic.h.
const OVERLAY: u64 = 0x794c_7630;

fn is_overlay(dir: &Dir) -> bool {
    rustix::fs::fstatfs(dir).is_ok_and(|stat| stat.f_type as u64 & 0xFFFF_FFFF == OVERLAY)
}

fn denied(path: &[u8]) -> rbuild_rootdir::Error {
    rbuild_rootdir::Error::new("create node", path, Errno::PERM)
}

fn owner_error(path: &[u8], meta: &Metadata, error: rbuild_rootdir::Error) -> LayerError {
    LayerError::Owner {
        path: path.to_vec(),
        uid: meta.uid,
        gid: meta.gid,
        source: io::Error::from(error.errno),
    }
}
