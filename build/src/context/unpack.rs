//! Unpacking a context archive into a directory: names stay inside, owners do not count, modes and times do.

use crate::error::OpError;
use rbuild_layer::listing::{file_name, parent};
use rbuild_layer::{TarEntry, TarKind, TarReader, clean_name, decompress};
use rbuild_rootdir::{Dir, Errno, Kind, Root, Timestamp};
use std::collections::HashSet;
use std::io::{Read, Write};
use std::path::Path;

/// Unpacks a tar, plain or compressed. A later entry replaces an earlier one of the same name. Links are followed as if
/// `dest` were the root directory.
///
/// # Errors
/// The archive is broken, a name is hostile, or a file cannot be written.
pub(super) fn unpack(input: impl Read + Send, dest: &Path) -> Result<(), OpError> {
    let (_, input) = decompress(input, "the context")?;
    let mut reader = TarReader::new(input, "the context");
    let mut target = Target {
        root: Root::open(dest)?,
        last: None,
        made: Vec::new(),
    };
    while let Some(entry) = reader.next_entry()? {
        target.put(&entry, &mut reader)?;
    }
    target.finish()
}

/// The directory that is filled.
struct Target {
    root: Root,
    /// The directory of the last entry, by the name that it had there.
    last: Option<(Vec<u8>, Dir)>,
    /// Modes and times come last: a read-only directory must still be filled.
    made: Vec<Made>,
}

/// A directory of the archive.
struct Made {
    path: Vec<u8>,
    /// Something else may be at its path in the end.
    inode: u64,
    mode: u16,
    mtime: Timestamp,
}

impl Target {
    fn put<R: Read>(&mut self, entry: &TarEntry, reader: &mut TarReader<R>) -> Result<(), OpError> {
        let path = inside(&entry.path)?;
        if path.is_empty() {
            return Ok(());
        }
        let name = file_name(&path);
        let dir = self.parent(&path)?.try_clone()?;
        let there = dir.lstat(name).ok().map(|stat| stat.kind);
        match (&entry.kind, there) {
            (TarKind::Dir, Some(Kind::Dir)) | (_, None) => {}
            (_, Some(_)) => {
                self.last = None;
                dir.remove_tree(name)?;
            }
        }
        match &entry.kind {
            TarKind::Dir => return self.directory(&dir, &path, entry, there),
            TarKind::File(_) => {
                let mut file = dir.create_file(name)?;
                let mut buffer = Vec::new();
                while reader.piece(&mut buffer, 1 << 16)? {
                    file.write_all(&buffer)
                        .map_err(|error| OpError::io("unpacking the context", error))?;
                }
            }
            TarKind::Symlink(target) => dir.symlink(name, target)?,
            TarKind::Hardlink(target) => {
                let target = inside(target)?;
                let old = self.root.open_dir_in_root(parent(&target).unwrap_or_default())?;
                return Ok(dir.link_from(name, &old, file_name(&target))?);
            }
            TarKind::Fifo => dir.mknod(name, Kind::Fifo, 0)?,
            // A build takes no devices from its context.
            TarKind::CharDevice(_) | TarKind::BlockDevice(_) => return Ok(()),
        }
        if !matches!(entry.kind, TarKind::Symlink(_)) {
            dir.chmod(name, entry.mode)?;
        }
        Ok(dir.set_mtime(name, entry.mtime)?)
    }

    fn directory(
        &mut self,
        dir: &Dir,
        path: &[u8],
        entry: &TarEntry,
        there: Option<Kind>,
    ) -> Result<(), OpError> {
        if there != Some(Kind::Dir) {
            dir.mkdir(file_name(path))?;
        }
        self.made.push(Made {
            path: path.to_vec(),
            inode: dir.lstat(file_name(path))?.ino,
            mode: entry.mode,
            mtime: entry.mtime,
        });
        Ok(())
    }

    /// The directory above the last name, made where it is missing.
    fn parent(&mut self, path: &[u8]) -> Result<&Dir, OpError> {
        let wanted = parent(path).unwrap_or_default();
        let dir = match self.last.take() {
            Some((have, dir)) if have == wanted => dir,
            _ => match self.root.open_dir_in_root(wanted) {
                Err(error) if error.errno == Errno::NOENT => self.make(wanted)?,
                other => other?,
            },
        };
        Ok(&self.last.insert((wanted.to_vec(), dir)).1)
    }

    /// Makes the directories of a path that are missing. A link among them that leads nowhere is an error.
    fn make(&self, path: &[u8]) -> Result<Dir, OpError> {
        let mut dir = self.root.dir().try_clone()?;
        let mut end = 0;
        for name in path.split(|byte| *byte == b'/') {
            end += name.len();
            dir = match dir.open_dir(name) {
                Ok(next) => next,
                Err(error) if error.errno == Errno::NOENT => {
                    dir.mkdir(name)?;
                    dir.chmod(name, 0o755)?;
                    dir.open_dir(name)?
                }
                Err(_) => self.root.open_dir_in_root(&path[..end])?,
            };
            end += 1;
        }
        Ok(dir)
    }

    fn finish(self) -> Result<(), OpError> {
        let mut done = HashSet::new();
        for made in self.made.into_iter().rev() {
            let dir = match self.root.open_dir_in_root(&made.path) {
                Ok(dir) => dir,
                // It was replaced later.
                Err(error) if matches!(error.errno, Errno::NOENT | Errno::NOTDIR) => continue,
                Err(error) => return Err(error.into()),
            };
            // Of two entries for one directory the last one counts.
            if dir.stat()?.ino == made.inode && done.insert(made.inode) {
                rbuild_rootdir::fchmod(&dir, made.mode)?;
                rbuild_rootdir::fset_mtime(&dir, made.mtime)?;
            }
        }
        Ok(())
    }
}

/// A name in the archive as a path in the directory.
fn inside(name: &[u8]) -> Result<Vec<u8>, OpError> {
    clean_name(name).map_err(|what| OpError::ArchiveName {
        name: String::from_utf8_lossy(name).into_owned(),
        what,
    })
}
