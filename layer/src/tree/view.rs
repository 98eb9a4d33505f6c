//! The tree that stacked layers make.

use std::fs::File;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use beneath::Root;

use super::merge::Merge;
use super::{Node, NodeKind, Tree, TreeError, Walk};
use crate::listing::{
    Entry, EntryKind, EntryRef, Listing, ListingError, ListingFile, Metadata, Source, ancestors, is_below,
};

/// One layer of a view: its entries and where its files are. Cheap to clone.
#[derive(Debug, Clone)]
pub struct TreeLayer {
    entries: Source,
    files: Arc<Files>,
}

#[derive(Debug)]
struct Files {
    path: PathBuf,
    /// Opened when the first file is wanted: most questions need no file.
    root: OnceLock<Root>,
}

impl TreeLayer {
    /// A committed layer: its listing file and the directory of its files.
    pub fn new(listing: Arc<ListingFile>, files: impl Into<PathBuf>) -> Self {
        TreeLayer {
            entries: Source::File(listing),
            files: Files::at(files.into()),
        }
    }

    /// A layer whose listing is in memory.
    pub fn in_memory(listing: Listing, files: impl Into<PathBuf>) -> Self {
        TreeLayer {
            entries: Source::Memory(listing),
            files: Files::at(files.into()),
        }
    }

    /// The directory of the files.
    pub fn files(&self) -> &std::path::Path {
        &self.files.path
    }

    /// That directory, open.
    pub fn root(&self) -> Result<&Root, beneath::Error> {
        if let Some(root) = self.files.root.get() {
            return Ok(root);
        }
        let root = Root::open(&self.files.path)?;
        Ok(self.files.root.get_or_init(|| root))
    }

    /// Shows all its entries in order.
    pub(crate) fn each_entry(&self, visit: &mut dyn FnMut(&Entry)) -> Result<(), ListingError> {
        let mut cursor = self.entries.seek(b"")?;
        while let Some(entry) = cursor.peek() {
            visit(entry);
            cursor.advance()?;
        }
        Ok(())
    }

    /// The layer's own entry at a path, whatever other layers say.
    pub fn entry(&self, path: &[u8]) -> Result<Option<EntryRef>, ListingError> {
        self.entries.get(path)
    }
}

impl Files {
    fn at(path: PathBuf) -> Arc<Files> {
        Arc::new(Files {
            path,
            root: OnceLock::new(),
        })
    }
}

/// A stack of layers as one tree: upper layers hide lower ones, whiteouts and opaque directories are obeyed.
#[derive(Debug, Clone, Default)]
pub struct TreeView {
    layers: Vec<TreeLayer>,
}

impl TreeView {
    /// Stacks layers, the topmost first. No layers make an empty tree: just a root directory.
    pub fn new(layers: Vec<TreeLayer>) -> Self {
        TreeView { layers }
    }

    /// The layers, topmost first.
    pub fn layers(&self) -> &[TreeLayer] {
        &self.layers
    }

    /// The layer whose entry is seen at `path`, and the entry.
    pub fn locate(&self, path: &[u8]) -> Result<Option<(&TreeLayer, EntryRef)>, TreeError> {
        let Some(layers) = self.visible_below_ancestors(path)? else {
            return Ok(None);
        };
        for layer in layers {
            if let Some(entry) = layer.entries.get(path)? {
                let hidden = entry.kind == EntryKind::Whiteout;
                return Ok((!hidden).then_some((layer, entry)));
            }
        }
        Ok(None)
    }

    /// The layers that can have something at `path`, topmost first; `None` if none can.
    fn visible_below_ancestors(&self, path: &[u8]) -> Result<Option<Vec<&TreeLayer>>, TreeError> {
        let mut alive: Vec<&TreeLayer> = self.layers.iter().collect();
        if path.is_empty() {
            return Ok(Some(alive));
        }
        for dir in std::iter::once(&b""[..]).chain(ancestors(path)) {
            alive = below(alive, dir)?;
            if alive.is_empty() {
                return Ok(None);
            }
        }
        Ok(Some(alive))
    }

    /// The number of one of the layers, the topmost being 0.
    fn number(&self, layer: &TreeLayer) -> usize {
        let is_it = |other: &TreeLayer| Arc::ptr_eq(&other.files, &layer.files);
        self.layers.iter().position(is_it).unwrap_or_default()
    }

    fn node(&self, layer: &TreeLayer, entry: &Entry) -> Result<Node, TreeError> {
        let kind = match &entry.kind {
            EntryKind::File { size, hash } => NodeKind::File {
                size: *size,
                hash: Some(*hash),
                first_name: None,
                layer: self.number(layer),
            },
            EntryKind::Hardlink { target } => match layer.entries.get(target)?.as_deref() {
                Some(Entry {
                    kind: EntryKind::File { size, hash },
                    ..
                }) => NodeKind::File {
                    size: *size,
                    hash: Some(*hash),
                    first_name: Some(target.clone()),
                    layer: self.number(layer),
                },
                _ => return Err(TreeError::NotAFile(entry.path.clone())),
            },
            EntryKind::Dir { .. } => NodeKind::Dir,
            EntryKind::Symlink { target } => NodeKind::Symlink(target.clone()),
            EntryKind::Fifo => NodeKind::Fifo,
            EntryKind::CharDevice { rdev } => NodeKind::CharDevice(*rdev),
            EntryKind::BlockDevice { rdev } => NodeKind::BlockDevice(*rdev),
            // Never seen: locate() and Merge leave them out.
            EntryKind::Whiteout => return Err(TreeError::NotAFile(entry.path.clone())),
        };
        Ok(Node {
            path: entry.path.clone(),
            kind,
            meta: entry.meta.clone(),
        })
    }

    /// A merged walk below `dir`, and the layers its numbers mean.
    pub(super) fn merge(&self, dir: &[u8]) -> Result<Option<(Merge, Vec<&TreeLayer>)>, TreeError> {
        let Some(layers) = self.visible_below_ancestors(dir)? else {
            return Ok(None);
        };
        let layers = below(layers, dir)?;
        let mut cursors = Vec::with_capacity(layers.len());
        let start = if dir.is_empty() {
            Vec::new()
        } else {
            [dir, b"/"].concat()
        };
        for layer in &layers {
            let mut cursor = layer.entries.seek(&start)?;
            if cursor
                .peek()
                .is_some_and(|entry| !is_below(&entry.path, dir) && entry.path == dir)
            {
                cursor.advance()?;
            }
            cursors.push(cursor);
        }
        Ok(Some((Merge::new(dir, cursors), layers)))
    }
}

/// Of these layers, top first, those that can have something below `dir`: the ones with a directory there, down to the
/// first that hides the rest. Every layer has a root, written or not.
fn below<'l>(layers: Vec<&'l TreeLayer>, dir: &[u8]) -> Result<Vec<&'l TreeLayer>, TreeError> {
    let mut alive = Vec::with_capacity(layers.len());
    for layer in layers {
        match layer.entries.get(dir)?.as_deref().map(|entry| &entry.kind) {
            Some(EntryKind::Dir { opaque }) => {
                alive.push(layer);
                if *opaque {
                    break;
                }
            }
            Some(_) => break,
            None if dir.is_empty() => alive.push(layer),
            None => {}
        }
    }
    Ok(alive)
}

impl Tree for TreeView {
    fn lookup(&self, path: &[u8]) -> Result<Option<Node>, TreeError> {
        match self.locate(path)? {
            Some((layer, entry)) => self.node(layer, &entry).map(Some),
            None if path.is_empty() => Ok(Some(default_root())),
            None => Ok(None),
        }
    }

    fn list(&self, dir: &[u8]) -> Result<Vec<Node>, TreeError> {
        let mut nodes = Vec::new();
        let Some((mut merge, layers)) = self.merge(dir)? else {
            return Ok(nodes);
        };
        while let Some((at, entry)) = merge.next()? {
            merge.skip_below(&entry.path)?;
            nodes.push(self.node(layers[at], &entry)?);
        }
        Ok(nodes)
    }

    fn open(&self, path: &[u8]) -> Result<File, TreeError> {
        match self.locate(path)? {
            Some((layer, entry))
                if matches!(entry.kind, EntryKind::File { .. } | EntryKind::Hardlink { .. }) =>
            {
                Ok(layer.root()?.open_file(path)?)
            }
            _ => Err(TreeError::NotAFile(path.to_vec())),
        }
    }

    fn walk(
        &self,
        dir: &[u8],
        visit: &mut dyn FnMut(Node) -> Result<Walk, TreeError>,
    ) -> Result<(), TreeError> {
        let Some((mut merge, layers)) = self.merge(dir)? else {
            return Ok(());
        };
        while let Some((at, entry)) = merge.next()? {
            match visit(self.node(layers[at], &entry)?)? {
                Walk::Into => {}
                Walk::Over => merge.skip_below(&entry.path)?,
                Walk::Stop => break,
            }
        }
        Ok(())
    }
}

/// The root directory of a tree in which no layer says anything about it.
pub fn default_root() -> Node {
    Node {
        path: Vec::new(),
        kind: NodeKind::Dir,
        meta: Metadata::new(0o755, 0, 0),
    }
}

#[cfg(test)]
mod tests;
