//! Walking over the entries of a layer, wherever they are: in memory or in a file.

use std::ops::Deref;
use std::sync::Arc;

use super::{Entry, Listing, ListingError, ListingFile, path_cmp};

/// One entry of a listing, without copying it.
#[derive(Debug, Clone)]
pub struct EntryRef {
    pub(super) block: Arc<Vec<Entry>>,
    pub(super) index: usize,
}

impl EntryRef {
    /// The number of the entry in a manifest that is in memory.
    pub(crate) fn index(&self) -> usize {
        self.index
    }
}

impl Deref for EntryRef {
    type Target = Entry;

    fn deref(&self) -> &Entry {
        &self.block[self.index]
    }
}

/// The entries of a layer, wherever they are.
#[derive(Debug, Clone)]
pub(crate) enum Source {
    Memory(Listing),
    File(Arc<ListingFile>),
}

impl Source {
    pub(crate) fn get(&self, path: &[u8]) -> Result<Option<EntryRef>, ListingError> {
        match self {
            Source::File(file) => file.get(path),
            Source::Memory(listing) => {
                let block = listing.shared();
                let found = block.binary_search_by(|entry| path_cmp(&entry.path, path));
                Ok(found.ok().map(|index| EntryRef {
                    block: Arc::clone(block),
                    index,
                }))
            }
        }
    }

    /// A cursor at the first entry that is not before `path`.
    pub(crate) fn seek(&self, path: &[u8]) -> Result<Cursor, ListingError> {
        let mut cursor = Cursor {
            source: self.clone(),
            number: 0,
            block: Arc::default(),
            index: 0,
        };
        cursor.seek(path)?;
        Ok(cursor)
    }
}

/// Walks over the entries of a layer in order.
#[derive(Debug)]
pub(crate) struct Cursor {
    source: Source,
    number: usize,
    block: Arc<Vec<Entry>>,
    index: usize,
}

impl Cursor {
    /// Goes to the first entry that is not before `path`.
    pub(crate) fn seek(&mut self, path: &[u8]) -> Result<(), ListingError> {
        // Often the target is a few entries ahead in the block at hand.
        let ahead = &self.block[self.index.min(self.block.len())..];
        let step = ahead.partition_point(|entry| path_cmp(&entry.path, path).is_lt());
        let near = ahead
            .first()
            .is_some_and(|entry| path_cmp(&entry.path, path).is_le());
        if near && step < ahead.len() {
            self.index += step;
            return Ok(());
        }
        match &self.source {
            Source::Memory(listing) => {
                self.block = Arc::clone(listing.shared());
                self.index = self
                    .block
                    .partition_point(|entry| path_cmp(&entry.path, path).is_lt());
            }
            Source::File(file) => {
                self.number = file.block_for(path).unwrap_or(0);
                self.index = 0;
                self.block = if self.number < file.block_count() {
                    file.block(self.number)?
                } else {
                    Arc::default()
                };
                self.index = self
                    .block
                    .partition_point(|entry| path_cmp(&entry.path, path).is_lt());
                self.settle()?;
            }
        }
        Ok(())
    }

    /// The entry at the cursor.
    pub(crate) fn peek(&self) -> Option<&Entry> {
        self.block.get(self.index)
    }

    /// The entry at the cursor, to keep.
    pub(crate) fn entry(&self) -> Option<EntryRef> {
        (self.index < self.block.len()).then(|| EntryRef {
            block: Arc::clone(&self.block),
            index: self.index,
        })
    }

    /// Goes one entry on.
    pub(crate) fn advance(&mut self) -> Result<(), ListingError> {
        self.index += 1;
        self.settle()
    }

    /// At the end of a block, takes the next.
    fn settle(&mut self) -> Result<(), ListingError> {
        if let Source::File(file) = &self.source
            && self.index >= self.block.len()
            && self.number + 1 < file.block_count()
        {
            self.number += 1;
            self.block = file.block(self.number)?;
            self.index = 0;
        }
        Ok(())
    }
}
