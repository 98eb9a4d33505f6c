//! Several layers as one on disk. What is in it are further names of the inodes of those layers, so that it takes little
//! more room than its directories, and shows what they show: owners, modes, times, attributes, whiteouts.

use std::sync::Arc;

use rbuild_rootdir::{Kind, Root};

use crate::LayerError;
use crate::fill::{Content, FileJob, FileSource, fill_and_hash};
use crate::inode::{Creator, Parents};
use crate::listing::{Entry, EntryKind, Metadata, file_name};
use crate::stop::Stop;
use crate::tree::{Folded, TreeError, TreeLayer};

/// Puts the files of folded layers into `root`, an empty directory on the same file system. It gets `meta` where no
/// layer says anything of the root.
///
/// What cannot be linked, as a file that has all the names that a file system gives one, is copied.
///
/// # Errors
/// A file cannot be read, or nothing can be written.
pub fn flatten(folded: &Folded, root: &Root, meta: &Metadata, stop: &Stop) -> Result<(), LayerError> {
    let mut making = Flattening {
        folded,
        root,
        creator: Creator::current(),
        parents: Parents::default(),
        stop,
    };
    for (entry, layer) in folded.entries() {
        stop.check()
            .map_err(|e| LayerError::content("link", &entry.path, e))?;
        making.entry(entry, layer)?;
    }
    making.finish_dirs(meta)
}

struct Flattening<'a> {
    folded: &'a Folded,
    root: &'a Root,
    creator: Creator,
    parents: Parents,
    stop: &'a Stop,
}

impl Flattening<'_> {
    fn entry(&mut self, entry: &Entry, layer: &TreeLayer) -> Result<(), LayerError> {
        let path = entry.path.as_slice();
        match &entry.kind {
            EntryKind::Dir { .. } if path.is_empty() => {}
            EntryKind::Dir { .. } => {
                let dir = self.parents.of(self.root, path)?;
                dir.mkdir(file_name(path)).map_err(|e| e.at(path))?;
            }
            EntryKind::Hardlink { target } if self.root.link(path, target).is_ok() => {}
            _ if self.is_linked(path, layer)? => {}
            _ => self.make(entry, layer)?,
        }
        Ok(())
    }

    /// Gives the inode of a layer its name here; false: it cannot have one more.
    fn is_linked(&mut self, path: &[u8], layer: &TreeLayer) -> Result<bool, LayerError> {
        let layer = layer.root()?;
        let (old, name) = layer.parent(path)?;
        let dir = self.parents.of(self.root, path)?;
        Ok(dir.link_from(name, &old, name).is_ok())
    }

    /// Makes what an entry says anew.
    fn make(&mut self, entry: &Entry, layer: &TreeLayer) -> Result<(), LayerError> {
        let (path, meta, creator) = (entry.path.as_slice(), &entry.meta, self.creator);
        let dir = self.parents.of(self.root, path)?;
        let made = match &entry.kind {
            EntryKind::File { .. } | EntryKind::Hardlink { .. } => return self.copy(entry, layer),
            EntryKind::Symlink { target } => return creator.symlink(dir, path, target, meta),
            EntryKind::Whiteout => return creator.whiteout(dir, path),
            EntryKind::Dir { .. } => return Ok(()),
            EntryKind::Fifo => creator.node(dir, path, Kind::Fifo, 0, meta),
            EntryKind::CharDevice { rdev } => creator.node(dir, path, Kind::CharDevice, *rdev, meta),
            EntryKind::BlockDevice { rdev } => creator.node(dir, path, Kind::BlockDevice, *rdev, meta),
        };
        made.map(drop)
    }

    fn copy(&self, entry: &Entry, layer: &TreeLayer) -> Result<(), LayerError> {
        let first = match &entry.kind {
            EntryKind::Hardlink { target } => self.folded.listing().get(target),
            _ => Some(entry),
        };
        let Some(EntryKind::File { size, hash }) = first.map(|first| &first.kind) else {
            return Err(TreeError::NotAFile(entry.path.clone()).into());
        };
        let file = layer.root()?.open_file(&entry.path)?;
        let job = FileJob {
            path: entry.path.clone(),
            size: *size,
            hash: Some(*hash),
            meta: entry.meta.clone(),
            content: Content::Copied(FileSource::File(Arc::new(file))),
        };
        fill_and_hash(self.root, self.creator, &[job], self.stop).map(drop)
    }

    /// Gives the directories their metadata, after all in them was made.
    fn finish_dirs(&self, meta: &Metadata) -> Result<(), LayerError> {
        let mut has_root = false;
        for entry in self.folded.listing().entries().iter().rev() {
            if let EntryKind::Dir { opaque } = entry.kind {
                let dir = self.root.open_dir(&entry.path)?;
                self.creator.finish_dir(&dir, &entry.path, &entry.meta, opaque)?;
                has_root |= entry.path.is_empty();
            }
        }
        if !has_root {
            self.creator.finish_dir(self.root.dir(), b"", meta, false)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
