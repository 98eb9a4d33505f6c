//! What a directory was before a command ran in it.

use std::collections::HashMap;

use rbuild_rootdir::{Kind, Root, Stat, Timestamp};

use crate::LayerError;
use crate::listing::join;
use crate::stop::Stop;

/// The inodes of a directory and all below it.
#[derive(Debug, Default)]
pub struct Record {
    /// What is in each directory, by its path.
    dirs: HashMap<Vec<u8>, HashMap<Vec<u8>, Inode>>,
    root: Option<Inode>,
}

/// An inode and its last change, which no system call can set.
#[derive(Debug, Clone, Copy)]
pub(super) struct Inode {
    number: u64,
    changed: Timestamp,
    pub(super) is_dir: bool,
}

impl Record {
    /// Of what there is now: one stat for each name.
    ///
    /// # Errors
    /// A directory cannot be read.
    pub fn of(root: &Root, stop: &Stop) -> Result<Record, LayerError> {
        let mut record = Record {
            dirs: HashMap::new(),
            root: Some(Inode::of(&root.dir().stat()?)),
        };
        let mut pending = vec![Vec::new()];
        while let Some(path) = pending.pop() {
            stop.check()
                .map_err(|error| LayerError::content("examine", &path, error))?;
            let dir = root.open_dir(&path)?;
            let mut inodes = HashMap::new();
            for item in dir.read_dir().map_err(|error| error.at(&path))? {
                let stat = dir
                    .lstat(&item.name)
                    .map_err(|error| error.at(&join(&path, &item.name)))?;
                if stat.kind == Kind::Dir {
                    pending.push(join(&path, &item.name));
                }
                inodes.insert(item.name, Inode::of(&stat));
            }
            record.dirs.insert(path, inodes);
        }
        Ok(record)
    }

    /// The root itself.
    pub(super) fn root(&self) -> Option<Inode> {
        self.root
    }

    /// What was in a directory.
    pub(super) fn names(&self, dir: &[u8]) -> impl Iterator<Item = (&[u8], Inode)> {
        let names = self.dirs.get(dir).into_iter().flatten();
        names.map(|(name, inode)| (name.as_slice(), *inode))
    }

    /// One name of a directory.
    pub(super) fn get(&self, dir: &[u8], name: &[u8]) -> Option<Inode> {
        self.dirs.get(dir)?.get(name).copied()
    }
}

impl Inode {
    fn of(stat: &Stat) -> Inode {
        Inode {
            number: stat.ino,
            changed: stat.ctime,
            is_dir: stat.kind == Kind::Dir,
        }
    }

    /// Whether it is this one still, changed or not.
    pub(super) fn is(&self, stat: &Stat) -> bool {
        self.number == stat.ino && self.is_dir == (stat.kind == Kind::Dir)
    }

    /// Whether it is this one, and was changed in nothing. `begun` is when the command began, by the clock of the file
    /// system, whose ticks are some milliseconds long: what was made in that tick may have been changed in it too.
    pub(super) fn is_unchanged(&self, stat: &Stat, begun: Timestamp) -> bool {
        self.is(stat) && self.changed == stat.ctime && self.changed < begun
    }
}
