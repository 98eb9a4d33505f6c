//! Copying a tree into a directory.

use std::sync::Arc;

use rbuild_rootdir::{Kind, Root};

use crate::LayerError;
use crate::fill::{Content, FileJob, FileSource, fill_and_hash};
use crate::inode::{Creator, Parents};
use crate::listing::{Metadata, file_name};
use crate::stop::Stop;
use crate::tree::{Node, NodeKind, Tree, TreeView, Walk, default_root};

/// So many files are copied at once, by all cores.
const BATCH: usize = 4096;

/// Copies all files of a tree into `root`, an empty directory. A device that this process may not make is left out.
///
/// # Errors
/// A file cannot be read or is not what the tree says, or nothing can be written.
pub fn copy_tree(tree: &TreeView, root: &Root, stop: &Stop) -> Result<(), LayerError> {
    let mut copy = Copy {
        tree: Arc::new(tree.clone()),
        root,
        creator: Creator::current(),
        parents: Parents::default(),
        files: Vec::new(),
        dirs: Vec::new(),
        stop,
    };
    let mut failed = None;
    tree.walk(b"", &mut |node| match copy.node(node) {
        Ok(()) => Ok(Walk::Into),
        Err(error) => {
            failed = Some(error);
            Ok(Walk::Stop)
        }
    })?;
    if let Some(error) = failed {
        return Err(error);
    }
    copy.files()?;
    copy.finish_dirs()
}

struct Copy<'a> {
    tree: Arc<dyn Tree>,
    root: &'a Root,
    creator: Creator,
    parents: Parents,
    /// Not copied yet.
    files: Vec<FileJob>,
    /// Get their metadata when all in them is there.
    dirs: Vec<(Vec<u8>, Metadata)>,
    stop: &'a Stop,
}

impl Copy<'_> {
    fn node(&mut self, node: Node) -> Result<(), LayerError> {
        let Node { path, kind, meta } = node;
        self.stop
            .check()
            .map_err(|error| LayerError::content("copy", &path, error))?;
        let (name, dir) = (file_name(&path), self.parents.of(self.root, &path)?);
        match kind {
            NodeKind::File { size, hash, .. } => {
                let tree = Arc::clone(&self.tree);
                let source = FileSource::Tree {
                    tree,
                    path: path.clone(),
                };
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

    fn finish_dirs(&self) -> Result<(), LayerError> {
        for (path, meta) in self.dirs.iter().rev() {
            let dir = self.root.open_dir(path)?;
            self.creator.finish_dir(&dir, path, meta, false)?;
        }
        let meta = self.tree.lookup(b"")?.unwrap_or_else(default_root).meta;
        self.creator.finish_dir(self.root.dir(), b"", &meta, false)
    }
}
