//! A layer being put together: its entries in memory, what is made of it already in a directory.
//!
//! Directories, links and nodes are made at once; regular files either come complete (from an archive) or are planned
//! and filled in at the end, all together. Paths given here are without symbolic links; following those is the
//! caller's work.

mod finish;
mod listed;
mod remove;

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::sync::Arc;

use rbuild_rootdir::{Kind, Root};

use crate::LayerError;
use crate::fill::Content;
use crate::hash::FileHash;
use crate::inode::{Creator, Parents};
use crate::listing::{MAX_PATH, Metadata, Xattrs, ancestors, file_name, parent, path_cmp};
use crate::stop::Stop;
use crate::tree::{Node, NodeKind, Tree, TreeError, TreeView, default_root};

pub use finish::{Finished, Tar, fill};

/// A path in the listing's order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Key(pub(crate) Vec<u8>);

impl Ord for Key {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        path_cmp(&self.0, &other.0)
    }
}

impl PartialOrd for Key {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

/// What is staged at a path.
#[derive(Debug, Clone)]
pub(crate) struct Staged {
    pub(crate) kind: StagedKind,
    pub(crate) meta: Metadata,
    /// Which of several archives it came from: whiteouts hide only what earlier ones brought.
    pub(crate) round: u32,
}

#[derive(Debug, Clone)]
pub(crate) enum StagedKind {
    File {
        size: u64,
        hash: Option<FileHash>,
        content: Content,
    },
    Hardlink {
        target: Vec<u8>,
    },
    Dir {
        opaque: bool,
    },
    Symlink {
        target: Vec<u8>,
    },
    Fifo,
    CharDevice(u64),
    BlockDevice(u64),
    Whiteout,
}

/// A layer that is being put together in a directory.
pub struct Stage {
    root: Root,
    /// What the layer goes on top of; `None` for the lowest, in which nothing has to be hidden.
    below: Option<TreeView>,
    /// What missing parents get.
    implicit: Metadata,
    nodes: BTreeMap<Key, Staged>,
    /// How many directories were ever staged that hide what is below.
    opaque: usize,
    /// First names of linked files and their further names.
    links: HashMap<Vec<u8>, Vec<Vec<u8>>>,
    creator: Creator,
    parents: Parents,
    /// Stamped on what is staged from now on.
    pub(crate) round: u32,
    pub(crate) stop: Stop,
}

impl Stage {
    /// `root` is an empty directory without setgid bit.
    pub fn new(root: Root, below: Option<TreeView>) -> Self {
        Stage {
            root,
            below,
            implicit: Metadata::new(0o755, 0, 0),
            nodes: BTreeMap::new(),
            opaque: 0,
            links: HashMap::new(),
            creator: Creator::current(),
            parents: Parents::default(),
            round: 0,
            stop: Stop::new(),
        }
    }

    /// What ends the filling in and unpacking.
    #[must_use]
    pub fn with_stop(mut self, stop: Stop) -> Self {
        self.stop = stop;
        self
    }

    /// What directories get that are missing above a path.
    pub fn set_implicit(&mut self, meta: Metadata) {
        self.implicit = meta;
    }

    /// What directories get that are missing above a path.
    pub fn implicit(&self) -> &Metadata {
        &self.implicit
    }

    /// The tree that the layer goes on top of.
    pub fn below(&self) -> Option<Arc<dyn Tree>> {
        self.below.clone().map(|below| Arc::new(below) as Arc<dyn Tree>)
    }

    /// The number of staged paths.
    pub(crate) fn len(&self) -> usize {
        self.nodes.len()
    }

    /// What is staged at a path.
    pub(crate) fn get(&self, path: &[u8]) -> Option<&Staged> {
        self.nodes.get(&Key(path.to_vec()))
    }

    /// What a process would see at a path: staged, or below and not hidden.
    pub fn lookup(&self, path: &[u8]) -> Result<Option<Node>, TreeError> {
        if let Some(staged) = self.get(path) {
            return Ok(self.node(path, staged));
        }
        self.lookup_below(path)
    }

    /// What of the tree below shows at a path that is not staged itself.
    fn lookup_below(&self, path: &[u8]) -> Result<Option<Node>, TreeError> {
        match &self.below {
            Some(below) if !below.stack().is_empty() && self.shows_below(path) => below.lookup(path),
            _ if path.is_empty() => Ok(Some(default_root())),
            _ => Ok(None),
        }
    }

    /// Whether nothing that is staged hides what is below at a path.
    fn shows_below(&self, path: &[u8]) -> bool {
        let mut at = parent(path);
        while let Some(dir) = at {
            match self.get(dir).map(|staged| &staged.kind) {
                // All above it is staged too, and directories.
                Some(StagedKind::Dir { opaque: false }) if self.opaque == 0 => return true,
                None | Some(StagedKind::Dir { opaque: false }) => at = parent(dir),
                Some(_) => return false,
            }
        }
        true
    }

    fn node(&self, path: &[u8], staged: &Staged) -> Option<Node> {
        let kind = match &staged.kind {
            StagedKind::File { size, hash, .. } => NodeKind::File {
                size: *size,
                hash: *hash,
                first_name: None,
                layer: 0,
            },
            StagedKind::Hardlink { target } => match self.get(target).map(|target| &target.kind) {
                Some(StagedKind::File { size, hash, .. }) => NodeKind::File {
                    size: *size,
                    hash: *hash,
                    first_name: Some(target.clone()),
                    layer: 0,
                },
                _ => return None,
            },
            StagedKind::Dir { .. } => NodeKind::Dir,
            StagedKind::Symlink { target } => NodeKind::Symlink(target.clone()),
            StagedKind::Fifo => NodeKind::Fifo,
            StagedKind::CharDevice(rdev) => NodeKind::CharDevice(*rdev),
            StagedKind::BlockDevice(rdev) => NodeKind::BlockDevice(*rdev),
            StagedKind::Whiteout => return None,
        };
        Some(Node {
            path: path.to_vec(),
            kind,
            meta: staged.meta.clone(),
        })
    }

    /// Makes all directories above `path`, as they are below or as missing ones are made.
    pub(crate) fn ensure_parents(&mut self, path: &[u8]) -> Result<(), LayerError> {
        let wanted = parent(path).unwrap_or_default();
        if wanted.is_empty()
            || matches!(
                self.get(wanted),
                Some(Staged {
                    kind: StagedKind::Dir { .. },
                    ..
                })
            )
        {
            return Ok(());
        }
        for dir in ancestors(path) {
            self.ensure_dir(dir)?;
        }
        Ok(())
    }

    fn ensure_dir(&mut self, dir: &[u8]) -> Result<(), LayerError> {
        let not_a_directory = || LayerError::NotADirectory { path: dir.to_vec() };
        match self.get(dir).map(|staged| &staged.kind) {
            Some(StagedKind::Dir { .. }) => return Ok(()),
            Some(StagedKind::Whiteout) => {
                let meta = self.implicit.clone();
                return self.dir(dir, meta);
            }
            Some(_) => return Err(not_a_directory()),
            None => {}
        }
        let meta = match self.lookup_below(dir)? {
            Some(node) if node.is_dir() => node.meta,
            Some(_) => return Err(not_a_directory()),
            None => self.implicit.clone(),
        };
        self.root.mkdir(dir)?;
        self.insert(dir, StagedKind::Dir { opaque: false }, meta);
        Ok(())
    }

    fn insert(&mut self, path: &[u8], kind: StagedKind, meta: Metadata) {
        self.opaque += usize::from(matches!(kind, StagedKind::Dir { opaque: true }));
        self.nodes.insert(
            Key(path.to_vec()),
            Staged {
                kind,
                meta,
                round: self.round,
            },
        );
    }

    /// Stages a directory. What is staged in it stays, another kind of thing at its place does not.
    pub fn dir(&mut self, path: &[u8], meta: Metadata) -> Result<(), LayerError> {
        check(path)?;
        if path.is_empty() {
            self.insert(path, StagedKind::Dir { opaque: false }, meta);
            return Ok(());
        }
        self.ensure_parents(path)?;
        let mut opaque = false;
        match self.get(path).map(|staged| &staged.kind) {
            Some(StagedKind::Dir { opaque: was }) => {
                let opaque = *was;
                self.insert(path, StagedKind::Dir { opaque }, meta);
                return Ok(());
            }
            Some(StagedKind::Whiteout) => {
                // Removed and made again: what was in it below stays hidden.
                self.remove(path)?;
                opaque = self.lookup_below(path)?.is_some_and(|node| node.is_dir());
            }
            Some(_) => self.remove(path)?,
            None => {}
        }
        self.parents
            .of(&self.root, path)?
            .mkdir(file_name(path))
            .map_err(|e| e.at(path))?;
        self.insert(path, StagedKind::Dir { opaque }, meta);
        Ok(())
    }

    /// Makes room for something new at `path`, and the directories above it.
    pub(crate) fn clear(&mut self, path: &[u8]) -> Result<(), LayerError> {
        check(path)?;
        if path.is_empty() {
            return Err(LayerError::Path {
                path: Vec::new(),
                what: "must be a directory",
            });
        }
        self.ensure_parents(path)?;
        if self.get(path).is_some() {
            self.remove(path)
        } else {
            Ok(())
        }
    }

    /// Stages a file that is filled in at the end.
    pub fn planned_file(
        &mut self,
        path: &[u8],
        size: u64,
        hash: Option<FileHash>,
        content: Content,
        meta: Metadata,
    ) -> Result<(), LayerError> {
        self.clear(path)?;
        self.insert(path, StagedKind::File { size, hash, content }, meta);
        Ok(())
    }

    /// Creates a file now; [`Stage::written_file`] follows when its content is there.
    pub(crate) fn create_file(&mut self, path: &[u8]) -> Result<File, LayerError> {
        self.clear(path)?;
        Ok(self
            .parents
            .of(&self.root, path)?
            .create_file(file_name(path))
            .map_err(|e| e.at(path))?)
    }

    /// Stages a file that was written to what [`Stage::create_file`] gave.
    pub(crate) fn written_file(
        &mut self,
        path: &[u8],
        file: &File,
        size: u64,
        hash: FileHash,
        meta: Metadata,
    ) -> Result<(), LayerError> {
        self.creator.finish_file(file, path, &meta)?;
        self.insert(
            path,
            StagedKind::File {
                size,
                hash: Some(hash),
                content: Content::InPlace,
            },
            meta,
        );
        Ok(())
    }

    /// Stages a symbolic link.
    pub fn symlink(&mut self, path: &[u8], target: &[u8], meta: Metadata) -> Result<(), LayerError> {
        self.clear(path)?;
        let meta = Metadata {
            mode: 0o777,
            xattrs: Xattrs::new(),
            ..meta
        };
        let dir = self.parents.of(&self.root, path)?;
        self.creator.symlink(dir, path, target, &meta)?;
        self.insert(
            path,
            StagedKind::Symlink {
                target: target.to_vec(),
            },
            meta,
        );
        Ok(())
    }

    /// Stages a named pipe.
    pub fn fifo(&mut self, path: &[u8], meta: Metadata) -> Result<(), LayerError> {
        self.node_at(path, StagedKind::Fifo, meta)
    }

    /// Stages a character device. Where it may not be made it is in the listing, and so in the image, only.
    pub fn char_device(&mut self, path: &[u8], rdev: u64, meta: Metadata) -> Result<(), LayerError> {
        self.node_at(path, StagedKind::CharDevice(rdev), meta)
    }

    /// Stages a block device; as [`Stage::char_device`].
    pub fn block_device(&mut self, path: &[u8], rdev: u64, meta: Metadata) -> Result<(), LayerError> {
        self.node_at(path, StagedKind::BlockDevice(rdev), meta)
    }

    /// Stages a pipe or device.
    pub(crate) fn node_at(
        &mut self,
        path: &[u8],
        kind: StagedKind,
        meta: Metadata,
    ) -> Result<(), LayerError> {
        self.clear(path)?;
        let (inode, rdev) = match kind {
            StagedKind::CharDevice(rdev) => (Kind::CharDevice, rdev),
            StagedKind::BlockDevice(rdev) => (Kind::BlockDevice, rdev),
            _ => (Kind::Fifo, 0),
        };
        let meta = Metadata {
            xattrs: Xattrs::new(),
            ..meta
        };
        let dir = self.parents.of(&self.root, path)?;
        self.creator.node(dir, path, inode, rdev, &meta)?;
        self.insert(path, kind, meta);
        Ok(())
    }

    /// Stages a further name of a staged file. `false` when `target` is no staged file.
    pub fn hardlink(&mut self, path: &[u8], target: &[u8]) -> Result<bool, LayerError> {
        let first = match self.get(target).map(|staged| &staged.kind) {
            Some(StagedKind::File { .. }) => target.to_vec(),
            Some(StagedKind::Hardlink { target }) => target.clone(),
            _ => return Ok(false),
        };
        if path == target || path == first {
            return Ok(true);
        }
        self.clear(path)?;
        // Clearing may have taken the target's only other name, or the target with its directory.
        let Some(Staged {
            kind: StagedKind::File { .. },
            meta,
            ..
        }) = self.get(&first)
        else {
            return Ok(false);
        };
        let meta = meta.clone();
        self.insert(
            path,
            StagedKind::Hardlink {
                target: first.clone(),
            },
            meta,
        );
        self.links.entry(first).or_default().push(path.to_vec());
        Ok(true)
    }
}

/// What cannot be a path in a layer.
fn check(path: &[u8]) -> Result<(), LayerError> {
    let fail = |what| {
        Err(LayerError::Path {
            path: path.to_vec(),
            what,
        })
    };
    if path.len() > MAX_PATH {
        return Err(LayerError::long_path(path));
    }
    for name in path.split(|&byte| byte == b'/').filter(|_| !path.is_empty()) {
        if rbuild_rootdir::check_name(name).is_err() {
            return fail("has a name that no file can have");
        }
        if name.starts_with(b".wh.") {
            return fail("has a name that is reserved for whiteouts");
        }
    }
    Ok(())
}
