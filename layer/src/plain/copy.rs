//! Copying a tree into a directory.

use std::sync::Arc;

use rbuild_rootdir::{Kind, Root};

use super::Record;
use super::groups::Groups;
use crate::LayerError;
use crate::fill::{Content, FileJob, FileSource, fill_and_hash};
use crate::inode::{Creator, Parents};
use crate::listing::{Metadata, file_name};
use crate::stop::Stop;
use crate::tree::{Node, NodeKind, Tree, TreeView, Walk, default_root};

/// So many files are copied at once, by all cores.
const BATCH: usize = 4096;

/// Copies all files of a tree below a directory of it into `root`, an empty directory. A device that this process may not
/// make is left out.
///
/// # Errors
/// A file cannot be read or is not what the tree says, or nothing can be written.
pub fn copy_tree(tree: &TreeView, from: &[u8], root: &Root, stop: &Stop) -> Result<(), LayerError> {
    let mut groups = Groups::default();
    let mut copy = Copy::new(tree, root, &mut groups, stop);
    if !from.is_empty() {
        copy.stripped = from.len() + 1;
    }
    copy.all_below(from)?;
    copy.finish()?;
    let meta = tree.lookup(from)?.unwrap_or_else(default_root).meta;
    Creator::current().finish_dir(root.dir(), b"", &meta, false)
}

/// Copies all files of a tree into `root`, an empty directory, for a command to write in.
///
/// # Errors
/// As [`copy_tree`].
pub fn copy_for_command(tree: &TreeView, root: &Root, stop: &Stop) -> Result<Record, LayerError> {
    let mut groups = Groups::default();
    let mut copy = Copy::new(tree, root, &mut groups, stop);
    copy.all_below(b"")?;
    copy.finish()?;
    let meta = tree.lookup(b"")?.unwrap_or_else(default_root).meta;
    Creator::current().finish_dir(root.dir(), b"", &meta, false)?;
    let mut record = Record::of(root, stop)?;
    record.groups = groups;
    Ok(record)
}

/// What of a tree is being copied.
pub(super) struct Copy<'a> {
    tree: Arc<dyn Tree>,
    root: &'a Root,
    groups: &'a mut Groups,
    /// So many bytes of the tree's paths are those of the directory that is copied.
    stripped: usize,
    creator: Creator,
    parents: Parents,
    /// Not copied yet.
    files: Vec<FileJob>,
    /// Get their metadata when all in them is there.
    dirs: Vec<(Vec<u8>, Metadata)>,
    stop: &'a Stop,
}

impl<'a> Copy<'a> {
    pub(super) fn new(tree: &TreeView, root: &'a Root, groups: &'a mut Groups, stop: &'a Stop) -> Self {
        groups.begin();
        Copy {
            tree: Arc::new(tree.clone()),
            root,
            groups,
            stripped: 0,
            creator: Creator::current(),
            parents: Parents::default(),
            files: Vec::new(),
            dirs: Vec::new(),
            stop,
        }
    }

    /// All below a directory of the tree.
    pub(super) fn all_below(&mut self, dir: &[u8]) -> Result<(), LayerError> {
        let tree = Arc::clone(&self.tree);
        let mut failed = None;
        tree.walk(dir, &mut |node| match self.node(node) {
            Ok(()) => Ok(Walk::Into),
            Err(error) => {
                failed = Some(error);
                Ok(Walk::Stop)
            }
        })?;
        failed.map_or(Ok(()), Err)
    }

    /// What was at a path and below it is gone.
    pub(super) fn forget(&mut self, path: &[u8]) {
        self.groups.forget(path);
    }

    /// The directories that were made.
    pub(super) fn made(&self) -> impl Iterator<Item = &[u8]> {
        self.dirs.iter().map(|(path, _)| path.as_slice())
    }

    /// Copies the files, and gives the directories their metadata.
    pub(super) fn finish(&mut self) -> Result<(), LayerError> {
        self.files()?;
        for (path, meta) in self.dirs.iter().rev() {
            let dir = self.root.open_dir(path)?;
            self.creator.finish_dir(&dir, path, meta, false)?;
        }
        Ok(())
    }

    /// One node, without what is below it.
    pub(super) fn node(&mut self, node: Node) -> Result<(), LayerError> {
        self.groups.note(&node, self.tree.as_ref())?;
        let Node {
            path: origin,
            kind,
            meta,
        } = node;
        let path = origin.get(self.stripped..).unwrap_or_default().to_vec();
        self.stop
            .check()
            .map_err(|error| LayerError::content("copy", &path, error))?;
        let (name, dir) = (file_name(&path), self.parents.of(self.root, &path)?);
        match kind {
            NodeKind::File { size, hash, .. } => {
                let tree = Arc::clone(&self.tree);
                let source = FileSource::Tree { tree, path: origin };
                self.files.push(FileJob {
                    path,
                    size,
                    hash,
                    meta,
                    content: Content::Copied(source),
                });
                if self.files.len() == BATCH {
                    self.files()?;
                }
            }
            NodeKind::Dir => {
                dir.mkdir(name).map_err(|error| error.at(&path))?;
                self.dirs.push((path, meta));
            }
            NodeKind::Symlink(target) => self.creator.symlink(dir, &path, &target, &meta)?,
            NodeKind::Fifo => self.special(&path, Kind::Fifo, 0, &meta)?,
            NodeKind::CharDevice(rdev) => self.special(&path, Kind::CharDevice, rdev, &meta)?,
            NodeKind::BlockDevice(rdev) => self.special(&path, Kind::BlockDevice, rdev, &meta)?,
        }
        Ok(())
    }

    fn special(&mut self, path: &[u8], kind: Kind, rdev: u64, meta: &Metadata) -> Result<(), LayerError> {
        let dir = self.parents.of(self.root, path)?;
        if !self.creator.node(dir, path, kind, rdev, meta)? {
            // A whiteout stands there, which here would be a file that is seen.
            dir.unlink(file_name(path)).map_err(|error| error.at(path))?;
        }
        Ok(())
    }

    fn files(&mut self) -> Result<(), LayerError> {
        fill_and_hash(self.root, self.creator, &self.files, self.stop)?;
        self.files.clear();
        Ok(())
    }
}
