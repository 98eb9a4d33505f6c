//! Several layers read as one: the entries of a stack in order, each path once, what is hidden left out.

use crate::listing::{Cursor, Entry, EntryKind, EntryRef, ListingError, after_subtree, is_below, path_cmp};

/// A merged walk below one directory.
pub(super) struct Merge {
    /// Below this directory, the directory itself left out.
    dir: Vec<u8>,
    /// One per layer, top first.
    cursors: Vec<Cursor>,
    /// Below the path only this many of the topmost cursors count. Innermost last.
    limits: Vec<(Vec<u8>, usize)>,
}

impl Merge {
    /// The cursors stand at the first entry below `dir`, or wherever there is none.
    pub(super) fn new(dir: &[u8], cursors: Vec<Cursor>) -> Self {
        Merge {
            dir: dir.to_vec(),
            cursors,
            limits: Vec::new(),
        }
    }

    /// The next entry that can be seen, with the number of its cursor.
    pub(super) fn next(&mut self) -> Result<Option<(usize, EntryRef)>, ListingError> {
        loop {
            let Some(path) = self.smallest() else {
                return Ok(None);
            };
            while self.limits.last().is_some_and(|(dir, _)| !is_below(&path, dir)) {
                self.limits.pop();
            }
            let limit = self.limits.last().map_or(self.cursors.len(), |(_, limit)| *limit);
            let (found, below) = self.judge(&path, limit);
            if below < limit {
                self.limits.push((path.clone(), below));
            }
            self.pass(&path, below)?;
            if let Some(found) = found {
                return Ok(Some(found));
            }
        }
    }

    /// Leaves out all below `path`, which was the last entry returned.
    pub(super) fn skip_below(&mut self, path: &[u8]) -> Result<(), ListingError> {
        let target = after_subtree(path);
        for cursor in &mut self.cursors {
            if cursor.peek().is_some_and(|entry| is_below(&entry.path, path)) {
                cursor.seek(&target)?;
            }
        }
        Ok(())
    }

    fn smallest(&self) -> Option<Vec<u8>> {
        let paths = self
            .cursors
            .iter()
            .filter_map(Cursor::peek)
            .map(|entry| entry.path.as_slice());
        let smallest = paths
            .filter(|path| is_below(path, &self.dir))
            .min_by(|a, b| path_cmp(a, b))?;
        Some(smallest.to_vec())
    }

    /// What can be seen at `path`, and how many layers count below it.
    fn judge(&self, path: &[u8], limit: usize) -> (Option<(usize, EntryRef)>, usize) {
        let mut found = None;
        for (at, cursor) in self.cursors[..limit].iter().enumerate() {
            let Some(entry) = cursor.peek().filter(|entry| entry.path == path) else {
                continue;
            };
            match entry.kind {
                EntryKind::Whiteout => return (found, at),
                EntryKind::Dir { opaque } => {
                    if found.is_none() {
                        found = cursor.entry().map(|entry| (at, entry));
                    }
                    if opaque {
                        return (found, at + 1);
                    }
                }
                // Nothing is below it, and what lower layers have there is hidden.
                _ => return (found.or_else(|| cursor.entry().map(|entry| (at, entry))), at),
            }
        }
        (found, limit)
    }

    /// Moves all cursors behind `path`; those that do not count below it behind its whole subtree.
    fn pass(&mut self, path: &[u8], below: usize) -> Result<(), ListingError> {
        for (at, cursor) in self.cursors.iter_mut().enumerate() {
            if cursor.peek().is_some_and(|entry| entry.path == path) {
                cursor.advance()?;
            }
            let inside = |entry: &Entry| is_below(&entry.path, path);
            if at >= below && cursor.peek().is_some_and(inside) {
                cursor.seek(&after_subtree(path))?;
            }
        }
        Ok(())
    }
}
