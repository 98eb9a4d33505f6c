//! The way through the directories that a command left.

use rbuild_rootdir::{Dir, DirEntry, Kind, Root};

use super::{Below, Diff};
use crate::LayerError;
use crate::listing::{MAX_PATH, join};

/// Directories that are open at once, at most.
const MAX_OPEN: usize = 64;

/// A directory on the way to the one that is looked at.
pub(super) struct OpenDir {
    /// Closed when many are below it, and opened again on the way back.
    dir: Option<Dir>,
    path: Vec<u8>,
    below: Below,
    /// What is still to be looked at.
    items: std::vec::IntoIter<DirEntry>,
}

impl OpenDir {
    pub(super) fn new(dir: Dir, path: Vec<u8>, below: Below) -> Result<OpenDir, LayerError> {
        let items = dir.read_dir().map_err(|e| e.at(&path))?.into_iter();
        Ok(OpenDir {
            dir: Some(dir),
            path,
            below,
            items,
        })
    }
}

impl Diff<'_> {
    /// Goes through all directories. A command may nest them deeper than the stack and the descriptor limit, so those on
    /// the way are in a list, and only the last of them are open.
    pub(super) fn tree(&mut self, upper: &Root) -> Result<(), LayerError> {
        let root = upper.dir().try_clone()?;
        let mut way = vec![OpenDir::new(root, Vec::new(), Below::Shown)?];
        while let Some(open) = way.last_mut() {
            let Some(item) = open.items.next() else {
                way.pop();
                continue;
            };
            let dir = match &mut open.dir {
                Some(dir) => dir,
                closed => closed.insert(upper.open_dir(&open.path)?),
            };
            let Some(next) = self.item(dir, &open.path, open.below, &item.name)? else {
                continue;
            };
            way.push(next);
            let closed = way.len().checked_sub(MAX_OPEN + 1);
            if let Some(open) = closed.and_then(|at| way.get_mut(at)) {
                open.dir = None;
            }
        }
        Ok(())
    }

    /// One name of a directory; the directory that it is, if it is one.
    fn item(
        &mut self,
        dir: &Dir,
        above: &[u8],
        below: Below,
        name: &[u8],
    ) -> Result<Option<OpenDir>, LayerError> {
        let path = join(above, name);
        if path.len() > MAX_PATH {
            return Err(LayerError::long_path(&path));
        }
        let old = match below {
            Below::Shown => self.below.lookup(&path)?,
            Below::Hidden => None,
        };
        let stat = dir.lstat(name).map_err(|e| e.at(&path))?;
        match stat.kind {
            Kind::CharDevice if stat.rdev == 0 => self.whiteout(dir, name, path, old.is_some())?,
            Kind::Dir => return self.subdir(dir, name, path, old).map(Some),
            Kind::File => self.file(dir, name, path, old)?,
            // A socket is the host's; a listener does not survive in an image.
            Kind::Socket => self.remove(dir, name, &path)?,
            _ => self.other(dir, name, path, &stat, old)?,
        }
        Ok(None)
    }
}
