//! What a directory was before a command ran in it.

use std::collections::{BTreeSet, HashMap};

use rbuild_rootdir::{Kind, Root, Stat, Timestamp};

use super::groups::Groups;
use crate::LayerError;
use crate::listing::{file_name, join, parent};
use crate::stop::Stop;

/// The inodes of a directory and all below it.
#[derive(Debug, Default)]
pub struct Record {
    /// What is in each directory, by its path.
    dirs: HashMap<Vec<u8>, HashMap<Vec<u8>, Inode>>,
    root: Option<Inode>,
    pub(super) groups: Groups,
}

/// An inode and its last change, which no system call can set.
#[derive(Debug, Clone, Copy)]
pub(super) struct Inode {
    pub(super) number: u64,
    pub(super) changed: Timestamp,
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
            groups: Groups::default(),
        };
        let mut pending = vec![Vec::new()];
        while let Some(path) = pending.pop() {
            stop.check()
                .map_err(|error| LayerError::content("examine", &path, error))?;
            let inodes = inodes(root, &path)?;
            let dirs = inodes.iter().filter(|(_, inode)| inode.is_dir);
            pending.extend(dirs.map(|(name, _)| join(&path, name)));
            record.dirs.insert(path, inodes);
        }
        Ok(record)
    }

    /// Looks at these directories again, each after the one that it is in.
    pub(super) fn look_again(&mut self, root: &Root, dirs: &BTreeSet<Vec<u8>>) -> Result<(), LayerError> {
        self.root = Some(Inode::of(&root.dir().stat()?));
        for path in dirs {
            self.dirs.insert(path.clone(), inodes(root, path)?);
            let above = parent(path).and_then(|above| self.dirs.get_mut(above));
            if let Some(above) = above {
                above.insert(file_name(path).to_vec(), Inode::of(&root.lstat(path)?));
            }
        }
        Ok(())
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

/// What is in a directory now. Each file has one name: one with a name elsewhere could be written through to there.
fn inodes(root: &Root, path: &[u8]) -> Result<HashMap<Vec<u8>, Inode>, LayerError> {
    let dir = root.open_dir(path)?;
    let mut inodes = HashMap::new();
    for item in dir.read_dir().map_err(|error| error.at(path))? {
        let below = || join(path, &item.name);
        let stat = dir.lstat(&item.name).map_err(|error| error.at(&below()))?;
        if stat.kind == Kind::File && stat.nlink > 1 {
            return Err(LayerError::Shared { path: below() });
        }
        inodes.insert(item.name, Inode::of(&stat));
    }
    Ok(inodes)
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
