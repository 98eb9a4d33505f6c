//! The tree that stacked layers make.

use std::fs::File;
use std::path::PathBuf;
use std::sync::Arc;

use rbuild_rootdir::Root;

use super::fold::Folded;
use super::merge::Merge;
use super::{Node, NodeKind, Tree, TreeError, Walk};
use crate::handles::Handle;
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
    /// Opened when a file is wanted: most questions need none.
    root: Handle<Root>,
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
    pub fn root(&self) -> Result<Arc<Root>, rbuild_rootdir::Error> {
        self.files.root.get(|| Root::open(&self.files.path))
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
            root: Handle::default(),
        })
    }
}

/// A part of a stack: a layer, or several folded into one. Cheap to clone.
#[derive(Debug, Clone)]
pub enum Run {
    /// One layer.
    Layer(TreeLayer),
    /// Several.
    Folded(Arc<Folded>),
}

impl Run {
    pub(super) fn entries(&self) -> &Source {
        match self {
            Run::Layer(layer) => &layer.entries,
            Run::Folded(folded) => folded.source(),
        }
    }

    /// The layer in which the inode of an entry is.
    fn layer(&self, entry: &EntryRef) -> &TreeLayer {
        match self {
            Run::Layer(layer) => layer,
            Run::Folded(folded) => folded.layer(entry),
        }
    }
}

/// A stack of layers as one tree: upper layers hide lower ones, whiteouts and opaque directories are obeyed.
#[derive(Debug, Clone, Default)]
pub struct TreeView {
    stack: Vec<Run>,
}

/// A part of a stack with its number.
type Numbered<'r> = (usize, &'r Run);

impl TreeView {
    /// Stacks layers, the topmost first. No layers make an empty tree: just a root directory.
    pub fn new(layers: Vec<TreeLayer>) -> Self {
        Self::of(layers.into_iter().map(Run::Layer).collect())
    }

    /// As [`TreeView::new`], where some may be folded.
    pub fn of(stack: Vec<Run>) -> Self {
        TreeView { stack }
    }

    /// What it is made of, topmost first.
    pub fn stack(&self) -> &[Run] {
        &self.stack
    }

    /// The layer whose inode is seen at `path`, and its entry.
    pub fn locate(&self, path: &[u8]) -> Result<Option<(&TreeLayer, EntryRef)>, TreeError> {
        let found = self.find(path)?;
        Ok(found.map(|((_, run), entry)| (run.layer(&entry), entry)))
    }

    /// Whether a layer hides what one below all of these has at `path`: by a whiteout, an opaque directory, or something
    /// that is no directory, there or above it, even where a layer further up has a directory.
    pub fn hides(&self, path: &[u8]) -> Result<bool, TreeError> {
        for run in &self.stack {
            for at in ancestors(path).chain(std::iter::once(path)) {
                let entry = run.entries().get(at)?;
                if entry.is_some_and(|entry| entry.kind != (EntryKind::Dir { opaque: false })) {
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }

    fn find(&self, path: &[u8]) -> Result<Option<(Numbered<'_>, EntryRef)>, TreeError> {
        let Some(stack) = self.visible_below_ancestors(path)? else {
            return Ok(None);
        };
        for run in stack {
            if let Some(entry) = run.1.entries().get(path)? {
                let hidden = entry.kind == EntryKind::Whiteout;
                return Ok((!hidden).then_some((run, entry)));
            }
        }
        Ok(None)
    }

    /// What of the stack can have something at `path`, topmost first; `None` if nothing can.
    fn visible_below_ancestors(&self, path: &[u8]) -> Result<Option<Vec<Numbered<'_>>>, TreeError> {
        let mut alive: Vec<Numbered<'_>> = self.stack.iter().enumerate().collect();
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

    fn node(&self, (number, run): Numbered<'_>, entry: &Entry) -> Result<Node, TreeError> {
        let kind = match &entry.kind {
            EntryKind::File { size, hash } => NodeKind::File {
                size: *size,
                hash: Some(*hash),
                first_name: None,
                layer: number,
            },
            EntryKind::Hardlink { target } => match run.entries().get(target)?.as_deref() {
                Some(Entry {
                    kind: EntryKind::File { size, hash },
                    ..
                }) => NodeKind::File {
                    size: *size,
                    hash: Some(*hash),
                    first_name: Some(target.clone()),
                    layer: number,
                },
                _ => return Err(TreeError::NotAFile(entry.path.clone())),
            },
            EntryKind::Dir { .. } => NodeKind::Dir,
            EntryKind::Symlink { target } => NodeKind::Symlink(target.clone()),
            EntryKind::Fifo => NodeKind::Fifo,
            EntryKind::CharDevice { rdev } => NodeKind::CharDevice(*rdev),
            EntryKind::BlockDevice { rdev } => NodeKind::BlockDevice(*rdev),
            // Never seen: find() and Merge leave them out.
            EntryKind::Whiteout => return Err(TreeError::NotAFile(entry.path.clone())),
        };
        Ok(Node {
            path: entry.path.clone(),
            kind,
            meta: entry.meta.clone(),
        })
    }

    /// A merged walk below `dir`, and what its numbers mean.
    pub(super) fn merge(&self, dir: &[u8]) -> Result<Option<(Merge, Vec<Numbered<'_>>)>, TreeError> {
        let Some(stack) = self.visible_below_ancestors(dir)? else {
            return Ok(None);
        };
        let stack = below(stack, dir)?;
        let mut cursors = Vec::with_capacity(stack.len());
        let start = if dir.is_empty() {
            Vec::new()
        } else {
            [dir, b"/"].concat()
        };
        for (_, run) in &stack {
            let mut cursor = run.entries().seek(&start)?;
            if cursor
                .peek()
                .is_some_and(|entry| !is_below(&entry.path, dir) && entry.path == dir)
            {
                cursor.advance()?;
            }
            cursors.push(cursor);
        }
        Ok(Some((Merge::new(dir, cursors), stack)))
    }
}

/// Of these, top first, those that can have something below `dir`: the ones with a directory there, down to the first
/// that hides the rest. Every layer has a root, written or not.
pub(super) fn below<'r>(stack: Vec<Numbered<'r>>, dir: &[u8]) -> Result<Vec<Numbered<'r>>, TreeError> {
    let mut alive = Vec::with_capacity(stack.len());
    for run in stack {
        match run.1.entries().get(dir)?.as_deref().map(|entry| &entry.kind) {
            Some(EntryKind::Dir { opaque }) => {
                alive.push(run);
                if *opaque {
                    break;
                }
            }
            Some(_) => break,
            None if dir.is_empty() => alive.push(run),
            None => {}
        }
    }
    Ok(alive)
}

impl Tree for TreeView {
    fn lookup(&self, path: &[u8]) -> Result<Option<Node>, TreeError> {
        match self.find(path)? {
            Some((run, entry)) => self.node(run, &entry).map(Some),
            None if path.is_empty() => Ok(Some(default_root())),
            None => Ok(None),
        }
    }

    fn list(&self, dir: &[u8]) -> Result<Vec<Node>, TreeError> {
        let mut nodes = Vec::new();
        let Some((mut merge, stack)) = self.merge(dir)? else {
            return Ok(nodes);
        };
        while let Some((at, entry)) = merge.next()? {
            merge.skip_below(&entry.path);
            nodes.push(self.node(stack[at], &entry)?);
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
        let Some((mut merge, stack)) = self.merge(dir)? else {
            return Ok(());
        };
        while let Some((at, entry)) = merge.next()? {
            match visit(self.node(stack[at], &entry)?)? {
                Walk::Into => {}
                Walk::Over => merge.skip_below(&entry.path),
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
