//! Removing a directory with whatever is in it.
//!
//! The content is hostile: links to anywhere, directories without permission bits, nesting deeper than the stack or the
//! descriptor limit. So every step is relative to an open directory, no link is followed, and directories that are too
//! deep are first moved up. What somebody else removes meanwhile is gone, and no error.

use rustix::fs::{Mode, RenameFlags};
use rustix::io::Errno;

use crate::dir::Dir;
use crate::error::{Error, Result};
use crate::stat::Kind;

/// Descriptors open at once, at most.
const MAX_DEPTH: usize = 64;

impl Dir {
    /// Removes a name and all below it. Directories without permissions are opened up first. A missing name is fine.
    pub fn remove_tree(&self, name: &[u8]) -> Result<()> {
        match self.lstat(name) {
            Ok(stat) if stat.kind == Kind::Dir => {}
            Ok(_) => return missing_is_fine(self.unlink(name)),
            Err(e) => return missing_is_fine(Err(e)),
        }
        if let Some(dir) = self.open_to_remove(name)? {
            dir.clear()?;
        }
        missing_is_fine(self.rmdir(name))
    }

    /// Removes all that the directory holds.
    pub fn clear(&self) -> Result<()> {
        self.permit()?;
        let mut sweep = Sweep { top: self, moved: 0 };
        loop {
            sweep.empty(self, 0)?;
            // Directories moved up from the depths may hold deeper ones: each round ends at least MAX_DEPTH lower.
            if std::mem::take(&mut sweep.moved) == 0 {
                return Ok(());
            }
        }
    }

    /// `None`: it is gone.
    fn open_to_remove(&self, name: &[u8]) -> Result<Option<Dir>> {
        let opened = match self.open_dir(name) {
            Err(e) if e.errno == Errno::ACCESS => self.chmod(name, 0o700).and_then(|()| self.open_dir(name)),
            other => other,
        };
        match opened {
            Err(e) if e.errno == Errno::NOENT => Ok(None),
            other => {
                let dir = other?;
                dir.permit()?;
                Ok(Some(dir))
            }
        }
    }

    /// Gives the owner the permission bits that removing needs.
    fn permit(&self) -> Result<()> {
        if self.stat()?.mode & 0o700 != 0o700 {
            // Best effort: root does not need it, another owner's directory fails later with the true reason.
            let _ = rustix::fs::fchmod(self, Mode::RWXU);
        }
        Ok(())
    }
}

struct Sweep<'a> {
    top: &'a Dir,
    moved: u64,
}

impl Sweep<'_> {
    fn empty(&mut self, dir: &Dir, depth: usize) -> Result<()> {
        let entries = match dir.read_dir() {
            Err(e) if e.errno == Errno::NOENT => return Ok(()),
            other => other?,
        };
        for entry in entries {
            let name = entry.name.as_slice();
            match entry.kind {
                Some(Kind::Dir) => {}
                Some(_) => {
                    missing_is_fine(dir.unlink(name))?;
                    continue;
                }
                // The file system does not tell the kind with the name.
                None if !dir.lstat(name).is_ok_and(|stat| stat.kind == Kind::Dir) => {
                    missing_is_fine(dir.unlink(name))?;
                    continue;
                }
                None => {}
            }
            if depth >= MAX_DEPTH {
                self.move_up(dir, name)?;
                continue;
            }
            if let Some(below) = dir.open_to_remove(name)? {
                self.empty(&below, depth + 1)?;
            }
            missing_is_fine(dir.rmdir(name))?;
        }
        Ok(())
    }

    fn move_up(&mut self, dir: &Dir, name: &[u8]) -> Result<()> {
        loop {
            self.moved += 1;
            let target = format!(".deep-{}", self.moved);
            match rustix::fs::renameat_with(dir, name, self.top, target, RenameFlags::NOREPLACE) {
                Err(Errno::EXIST) => {}
                Err(Errno::NOENT) => return Ok(()),
                other => return other.map_err(|e| Error::new("move up", name, e)),
            }
        }
    }
}

fn missing_is_fine(removed: Result<()>) -> Result<()> {
    match removed {
        Err(e) if e.errno == Errno::NOENT => Ok(()),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use crate::Root;

    #[test]
    fn what_somebody_else_has_removed_is_no_error() {
        let place = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(place.path().join("d/e")).unwrap();
        let root = Root::open(place.path()).unwrap();
        let (open, inner) = (root.open_dir(b"d").unwrap(), root.open_dir(b"d/e").unwrap());
        root.remove_tree(b"d").unwrap();
        inner.clear().unwrap();
        open.clear().unwrap();
        assert!(root.dir().open_to_remove(b"d").unwrap().is_none());
        root.remove_tree(b"d").unwrap();
    }
}
