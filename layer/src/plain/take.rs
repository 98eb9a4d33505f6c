//! Taking what a command changed out of a plain directory, as an overlay would have left it.

use std::collections::HashMap;

use rbuild_rootdir::{Dir, Kind, Root, Stat, Timestamp};

use super::Record;
use crate::LayerError;
use crate::inode::Creator;
use crate::listing::{Metadata, file_name, join, parent};
use crate::stop::Stop;
use crate::xattr;

/// Moves what is not as `before` says from `from` to `upper`, an empty directory on the same file system: changed and new
/// files, whiteouts for what is gone, and the directories that they are in.
///
/// Gives the paths at which something was taken away.
///
/// `begun` is when the command began, by the clock of the file system. Where change times do not tell of all changes, as
/// of those by a mapping in memory, every file is moved, and whoever compares `upper` with the tree reads it.
///
/// # Errors
/// Something cannot be looked at or moved.
pub fn take_changes(
    from: &Root,
    upper: &Root,
    before: &Record,
    begun: Timestamp,
    times: Times,
    stop: &Stop,
) -> Result<Vec<Vec<u8>>, LayerError> {
    let stat = from.dir().stat()?;
    let mut taking = Taking {
        from,
        upper,
        before,
        begun,
        times,
        dirs: vec![Visited {
            path: Vec::new(),
            stat,
            above: None,
            is_made: false,
        }],
        taken: Vec::new(),
        linked: None,
        stop,
    };
    if !before.root().is_some_and(|root| root.is_unchanged(&stat, begun)) {
        taking.make(0)?;
    }
    let mut pending = vec![0];
    while let Some(at) = pending.pop() {
        taking.dir(at, &mut pending)?;
    }
    taking.finish()?;
    Ok(taking.taken)
}

/// Whether change times tell of all changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Times {
    /// They do.
    TellAll,
    /// A file can have changed without.
    DoNotTell,
}

struct Taking<'a> {
    from: &'a Root,
    upper: &'a Root,
    before: &'a Record,
    begun: Timestamp,
    times: Times,
    /// Those that were there before, each after the one that it is in.
    dirs: Vec<Visited>,
    taken: Vec<Vec<u8>>,
    /// Files that are one in the tree, by their inodes; made when a directory is taken.
    linked: Option<HashMap<u64, Linked>>,
    stop: &'a Stop,
}

/// A file that has a file of its own for each name.
#[derive(Clone, Copy)]
struct Linked {
    changed: Timestamp,
    group: usize,
}

struct Visited {
    path: Vec<u8>,
    /// As the command left it: moving things out changes its time.
    stat: Stat,
    /// Where the one that it is in stands.
    above: Option<usize>,
    /// It is in the upper directory.
    is_made: bool,
}

impl Taking<'_> {
    fn dir(&mut self, at: usize, pending: &mut Vec<usize>) -> Result<(), LayerError> {
        let Some(Visited { path, .. }) = self.dirs.get(at) else {
            return Ok(());
        };
        let path = path.clone();
        self.stop
            .check()
            .map_err(|error| LayerError::content("examine", &path, error))?;
        let dir = self.from.open_dir(&path)?;
        let items = dir.read_dir().map_err(|error| error.at(&path))?;
        for item in &items {
            let below = join(&path, &item.name);
            let stat = dir.lstat(&item.name).map_err(|error| error.at(&below))?;
            let old = self.before.get(&path, &item.name);
            let is_unchanged = old.is_some_and(|old| old.is_unchanged(&stat, self.begun))
                && (self.times == Times::TellAll || stat.kind == Kind::Dir);
            if stat.kind == Kind::Dir
                && old.is_some_and(|old| old.is(&stat))
                && (is_unchanged || !self.is_anew(&dir, &item.name)?)
            {
                pending.push(self.dirs.len());
                self.dirs.push(Visited {
                    path: below,
                    stat,
                    above: Some(at),
                    is_made: false,
                });
                if !is_unchanged {
                    self.make(self.dirs.len() - 1)?;
                }
            } else if !is_unchanged {
                let hides = stat.kind == Kind::Dir && old.is_some_and(|old| old.is_dir);
                self.take(at, &dir, &item.name, hides)?;
            }
        }
        let mut gone: Vec<&[u8]> = self.before.names(&path).map(|(name, _)| name).collect();
        gone.retain(|name| {
            items
                .binary_search_by(|item| item.name.as_slice().cmp(name))
                .is_err()
        });
        gone.sort_unstable();
        for name in gone {
            let upper = self.make(at)?;
            Creator::current().whiteout(&upper, &join(&path, name))?;
        }
        Ok(())
    }

    /// Whether a directory with the number of one that was there was made since: a number is given again.
    fn is_anew(&self, dir: &Dir, name: &[u8]) -> Result<bool, LayerError> {
        let born = dir.open_dir(name).and_then(|dir| dir.born());
        Ok(born
            .map_err(|error| error.at(name))?
            .is_some_and(|born| born > self.begun))
    }

    /// Moves one name; a directory with all that is in it. One that `hides` stands where another was.
    fn take(&mut self, at: usize, dir: &Dir, name: &[u8], hides: bool) -> Result<(), LayerError> {
        let path = join(self.dirs.get(at).map_or(&[][..], |visited| &visited.path), name);
        let upper = self.make(at)?;
        let failed = |error: rbuild_rootdir::Error| error.at(&path);
        dir.rename(name, &upper, name).map_err(failed)?;
        let is_dir = upper.lstat(name).map_err(failed)?.kind == Kind::Dir;
        if hides {
            let moved = upper.open_dir(name).map_err(failed)?;
            rbuild_rootdir::fsetxattr(&moved, xattr::OPAQUE, b"y").map_err(failed)?;
        }
        if is_dir {
            self.link_again(&path)?;
        }
        self.taken.push(path);
        Ok(())
    }

    /// Makes files one again that were one in the tree, and came here with the directory that they are in: out of an overlay
    /// a directory is not renamed but copied, with all its links.
    fn link_again(&mut self, moved: &[u8]) -> Result<(), LayerError> {
        let linked = match self.linked.take() {
            Some(linked) => linked,
            None => self.links_of_tree(),
        };
        let mut first_names: HashMap<usize, Vec<u8>> = HashMap::new();
        let mut pending = vec![moved.to_vec()];
        while let Some(path) = pending.pop().filter(|_| !linked.is_empty()) {
            let dir = self.upper.open_dir(&path)?;
            let time = dir.stat()?.mtime;
            for item in dir.read_dir().map_err(|error| error.at(&path))? {
                let below = join(&path, &item.name);
                let stat = dir.lstat(&item.name).map_err(|error| error.at(&below))?;
                if stat.kind == Kind::Dir {
                    pending.push(below);
                } else if let Some(known) = linked.get(&stat.ino)
                    && known.changed == stat.ctime
                {
                    if let Some(first) = first_names.get(&known.group) {
                        self.upper.unlink(&below)?;
                        self.upper.link(&below, first)?;
                        rbuild_rootdir::fset_mtime(&dir, time).map_err(|error| error.at(&path))?;
                    } else {
                        first_names.insert(known.group, below);
                    }
                }
            }
        }
        self.linked = Some(linked);
        Ok(())
    }

    fn links_of_tree(&self) -> HashMap<u64, Linked> {
        let names = self.before.groups.names();
        let inodes = names.filter_map(|(path, group)| {
            let inode = self.before.get(parent(path)?, file_name(path))?;
            let changed = inode.changed;
            Some((inode.number, Linked { changed, group }))
        });
        inodes.collect()
    }

    /// The same directory in the upper one, made with those that it is in.
    fn make(&mut self, at: usize) -> Result<Dir, LayerError> {
        let mut missing = Vec::new();
        let mut next = Some(at);
        while let Some(visited) = next.and_then(|at| self.dirs.get_mut(at))
            && !visited.is_made
        {
            visited.is_made = true;
            missing.push(visited.path.clone());
            next = visited.above;
        }
        for path in missing.iter().rev().filter(|path| !path.is_empty()) {
            self.upper.mkdir(path)?;
        }
        let path = self.dirs.get(at).map_or(&[][..], |visited| &visited.path);
        Ok(self.upper.open_dir(path)?)
    }

    /// Gives the directories that were made what they were in the plain one, after all in them was moved.
    fn finish(&self) -> Result<(), LayerError> {
        for Visited { path, stat, .. } in self.dirs.iter().rev().filter(|dir| dir.is_made) {
            let xattrs = xattr::image_xattrs(&self.from.open_dir(path)?).map_err(|error| error.at(path))?;
            let meta = Metadata {
                mode: stat.mode,
                uid: stat.uid,
                gid: stat.gid,
                mtime: stat.mtime,
                dated: false,
                xattrs,
            };
            Creator::current().finish_dir(&self.upper.open_dir(path)?, path, &meta, false)?;
        }
        Ok(())
    }
}
