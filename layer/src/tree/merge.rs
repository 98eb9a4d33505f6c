//! Several layers read as one: the entries of a stack in order, each path once, what is hidden left out.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

use crate::listing::{Cursor, Entry, EntryKind, EntryRef, ListingError, after_subtree, is_below, path_cmp};

/// A merged walk below one directory. How long it takes grows with what there is to see, and only with the logarithm of
/// how many layers it is in.
pub(super) struct Merge {
    /// Below this directory, the directory itself left out.
    dir: Vec<u8>,
    /// One per layer, top first; each stands at its entry in `heads`.
    cursors: Vec<Cursor>,
    /// The next entry of each layer that has one, the first in order on top.
    heads: BinaryHeap<Head>,
    /// Below the path only this many of the topmost cursors count. Innermost, and lowest, last.
    limits: Vec<(Vec<u8>, usize)>,
}

/// The next entry of a layer.
struct Head {
    entry: EntryRef,
    at: usize,
}

impl Ord for Head {
    /// The greatest is the one with the first path; of those the topmost layer's.
    fn cmp(&self, other: &Self) -> Ordering {
        path_cmp(&other.entry.path, &self.entry.path).then(other.at.cmp(&self.at))
    }
}

impl PartialOrd for Head {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Head {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Head {}

impl Merge {
    /// The cursors stand at the first entry below `dir`, or wherever there is none.
    pub(super) fn new(dir: &[u8], cursors: Vec<Cursor>) -> Self {
        let mut merge = Merge {
            dir: dir.to_vec(),
            heads: BinaryHeap::with_capacity(cursors.len()),
            cursors,
            limits: Vec::new(),
        };
        (0..merge.cursors.len()).for_each(|at| merge.wait(at));
        merge
    }

    /// The next entry that can be seen, with the number of its cursor.
    pub(super) fn next(&mut self) -> Result<Option<(usize, EntryRef)>, ListingError> {
        while let Some(here) = self.next_path()? {
            let (found, below) = seen(&here);
            if let Some(below) = below {
                self.hide(&here[0].1.path, below);
            }
            if found.is_some() {
                return Ok(found);
            }
        }
        Ok(None)
    }

    /// What all layers that count say about the next path, the topmost first.
    pub(super) fn next_path(&mut self) -> Result<Option<Vec<(usize, EntryRef)>>, ListingError> {
        let mut here: Vec<(usize, EntryRef)> = Vec::new();
        while let Some(head) = self.heads.peek()
            && here
                .first()
                .is_none_or(|(_, first)| first.path == head.entry.path)
        {
            let Some(Head { entry, at }) = self.heads.pop() else {
                break;
            };
            while self
                .limits
                .last()
                .is_some_and(|(dir, _)| !is_below(&entry.path, dir))
            {
                self.limits.pop();
            }
            match self.limits.last() {
                Some((dir, limit)) if at >= *limit => self.cursors[at].seek(&after_subtree(dir))?,
                _ => {
                    self.cursors[at].advance()?;
                    here.push((at, entry));
                }
            }
            self.wait(at);
        }
        Ok((!here.is_empty()).then_some(here))
    }

    /// From the path that was returned last on: below it only this many of the topmost layers count.
    pub(super) fn hide(&mut self, path: &[u8], layers: usize) {
        self.limits.push((path.to_vec(), layers));
    }

    /// Leaves out all below `path`, which was the last entry returned.
    pub(super) fn skip_below(&mut self, path: &[u8]) {
        self.hide(path, 0);
    }

    fn wait(&mut self, at: usize) {
        if let Some(entry) = self.cursors[at].entry()
            && is_below(&entry.path, &self.dir)
        {
            self.heads.push(Head { entry, at });
        }
    }
}

/// What can be seen at a path, and how many layers count below it, if not all.
fn seen(here: &[(usize, EntryRef)]) -> (Option<(usize, EntryRef)>, Option<usize>) {
    let mut found: Option<&(usize, EntryRef)> = None;
    let given = |found: Option<&(usize, EntryRef)>| found.cloned();
    for here in here {
        let Entry { kind, .. } = &*here.1;
        match kind {
            EntryKind::Whiteout => return (given(found), Some(here.0)),
            EntryKind::Dir { opaque: true } => return (given(found.or(Some(here))), Some(here.0 + 1)),
            EntryKind::Dir { opaque: false } => found = found.or(Some(here)),
            // Nothing is below it, and what lower layers have there is hidden.
            _ => return (given(found.or(Some(here))), Some(here.0)),
        }
    }
    (given(found), None)
}
