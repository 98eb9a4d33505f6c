//! Several layers as one that hides of those below what they hide: what a long stack is made of, so that a question to
//! it is not one to each of its layers.
//!
//! Unlike a squashed layer ([`squash`](super::TreeView::squash)) it keeps whiteouts and opaque directories, and needs no
//! look at what is below.

use std::collections::HashMap;

use super::merge::Merge;
use super::view::below;
use super::{Run, TreeError, TreeLayer};
use crate::listing::{Entry, EntryKind, EntryRef, Listing, Source};

/// Layers that were folded into one.
#[derive(Debug)]
pub struct Folded {
    listing: Listing,
    /// The same.
    source: Source,
    /// Topmost first.
    layers: Vec<TreeLayer>,
    /// Of each entry the number of its layer.
    from: Vec<u32>,
}

impl Folded {
    /// Folds a stack, topmost first.
    ///
    /// # Errors
    /// A listing cannot be read.
    pub fn new(stack: &[Run]) -> Result<Folded, TreeError> {
        let mut fold = Fold::new(stack);
        fold.root(stack)?;
        let alive = below(stack.iter().enumerate().collect(), b"")?;
        let mut cursors = Vec::with_capacity(alive.len());
        for (_, run) in &alive {
            let mut cursor = run.entries().seek(b"")?;
            if cursor.peek().is_some_and(|entry| entry.path.is_empty()) {
                cursor.advance()?;
            }
            cursors.push(cursor);
        }
        let mut merge = Merge::new(b"", cursors);
        while let Some(here) = merge.next_path()? {
            let (folded, hidden) = fold_path(&here);
            if let Some(layers) = hidden {
                merge.hide(&here[0].1.path, layers);
            }
            let at = alive[here[0].0].0;
            fold.push(stack, at, &here[0].1, folded)?;
        }
        fold.finish()
    }

    /// Its entries.
    pub fn listing(&self) -> &Listing {
        &self.listing
    }

    /// Its entries, and the layer in which the inode of each is at the same path.
    pub fn entries(&self) -> impl Iterator<Item = (&Entry, &TreeLayer)> {
        let layers = self.from.iter().map(|at| &self.layers[*at as usize]);
        self.listing.entries().iter().zip(layers)
    }

    pub(super) fn source(&self) -> &Source {
        &self.source
    }

    /// The layer in which the inode of an entry is.
    pub(super) fn layer(&self, entry: &EntryRef) -> &TreeLayer {
        &self.layers[self.from[entry.index()] as usize]
    }
}

/// What the entries at one path come to, and how many of the layers count below it, if not all.
fn fold_path(here: &[(usize, EntryRef)]) -> (EntryKind, Option<usize>) {
    let mut is_dir = false;
    for (at, entry) in here {
        match &entry.kind {
            EntryKind::Dir { opaque: false } => is_dir = true,
            EntryKind::Dir { opaque: true } => return (EntryKind::Dir { opaque: true }, Some(at + 1)),
            // What the directory above it hides here it hides further below.
            _ if is_dir => return (EntryKind::Dir { opaque: true }, Some(*at)),
            other => return (other.clone(), Some(*at)),
        }
    }
    (EntryKind::Dir { opaque: false }, None)
}

/// A fold in the making.
struct Fold {
    layers: Vec<TreeLayer>,
    /// Of each of the stack the number of its first layer.
    first: Vec<usize>,
    entries: Vec<Entry>,
    from: Vec<u32>,
    /// Of each inode (its layer in the stack and its first name there) the first name that is left.
    names: HashMap<(usize, Vec<u8>), Vec<u8>>,
}

impl Fold {
    fn new(stack: &[Run]) -> Fold {
        let mut fold = Fold {
            layers: Vec::new(),
            first: Vec::with_capacity(stack.len()),
            entries: Vec::new(),
            from: Vec::new(),
            names: HashMap::new(),
        };
        for run in stack {
            fold.first.push(fold.layers.len());
            match run {
                Run::Layer(layer) => fold.layers.push(layer.clone()),
                Run::Folded(folded) => fold.layers.extend_from_slice(&folded.layers),
            }
        }
        fold
    }

    /// The root, if a layer says something of it.
    fn root(&mut self, stack: &[Run]) -> Result<(), TreeError> {
        let mut here = Vec::new();
        for (at, run) in stack.iter().enumerate() {
            here.extend(run.entries().get(b"")?.map(|entry| (at, entry)));
        }
        match here.first() {
            Some((at, entry)) => self.push(stack, *at, entry, fold_path(&here).0),
            None => Ok(()),
        }
    }

    fn push(&mut self, stack: &[Run], at: usize, entry: &EntryRef, kind: EntryKind) -> Result<(), TreeError> {
        let kind = match &entry.kind {
            EntryKind::File { .. } => self.file(&stack[at], at, &entry.path, entry)?,
            EntryKind::Hardlink { target } => self.file(&stack[at], at, target, entry)?,
            _ => kind,
        };
        let layer = self.first[at]
            + match &stack[at] {
                Run::Layer(_) => 0,
                Run::Folded(folded) => folded.from[entry.index()] as usize,
            };
        self.from.push(u32::try_from(layer).unwrap_or(u32::MAX));
        self.entries.push(Entry {
            kind,
            ..Entry::clone(entry)
        });
        Ok(())
    }

    /// The first name that is left becomes the file, in whatever order its layer has them.
    fn file(
        &mut self,
        run: &Run,
        at: usize,
        first_name: &[u8],
        entry: &Entry,
    ) -> Result<EntryKind, TreeError> {
        let inode = (at, first_name.to_vec());
        if let Some(first) = self.names.get(&inode) {
            let target = first.clone();
            return Ok(EntryKind::Hardlink { target });
        }
        self.names.insert(inode, entry.path.clone());
        match run.entries().get(first_name)?.as_deref() {
            Some(Entry { kind, .. }) if matches!(kind, EntryKind::File { .. }) => Ok(kind.clone()),
            _ => Err(TreeError::NotAFile(entry.path.clone())),
        }
    }

    fn finish(self) -> Result<Folded, TreeError> {
        let listing = Listing::new(self.entries)?;
        Ok(Folded {
            source: Source::Memory(listing.clone()),
            listing,
            layers: self.layers,
            from: self.from,
        })
    }
}

#[cfg(test)]
mod tests;
