//! [`TarSink`]: a layer's tar, put together from its entries and the contents of its files.
//!
//! Entries come in the listing's order, but whiteouts before the other entries of their directory (OCI image-spec,
//! `layer.md`, "Whiteouts"). Directories above a change are in every listing, so they are in every tar.

use std::collections::HashMap;
use std::io::Write;

use rbuild_oci::DiffId;
use sha2::{Digest as _, Sha256};

use crate::LayerError;
use crate::header::{self, padding};
use crate::listing::{Entry, EntryKind, parent};
use crate::piece::PIECE;

/// What a layer's tar came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct PackedLayer {
    /// SHA-256 of the tar.
    pub diff_id: DiffId,
    /// Length of the tar in bytes.
    pub size: u64,
}

/// The order in a tar, as numbers of entries.
fn order(entries: &[Entry]) -> Vec<usize> {
    debug_assert!(
        !entries.iter().any(Entry::is_opaque),
        "what it hides is written out"
    );
    let mut whiteouts: HashMap<&[u8], Vec<usize>> = HashMap::new();
    for (at, entry) in entries.iter().enumerate() {
        if entry.kind == EntryKind::Whiteout {
            whiteouts
                .entry(parent(&entry.path).unwrap_or_default())
                .or_default()
                .push(at);
        }
    }
    let mut items = Vec::with_capacity(entries.len());
    let mut flush = |dir: &[u8], items: &mut Vec<usize>| {
        items.extend(whiteouts.remove(dir).into_iter().flatten());
    };
    if entries.first().is_none_or(|entry| !entry.path.is_empty()) {
        flush(b"", &mut items);
    }
    for (at, entry) in entries.iter().enumerate() {
        if entry.kind == EntryKind::Whiteout {
            continue;
        }
        items.push(at);
        if entry.is_dir() {
            flush(&entry.path, &mut items);
        }
    }
    items
}

/// Puts a layer's tar together: the headers from its entries, the contents as they come.
pub(crate) struct TarSink<'a> {
    entries: &'a [Entry],
    items: std::vec::IntoIter<usize>,
    epoch: Option<i64>,
    out: Option<&'a mut dyn Write>,
    hasher: Sha256,
    size: u64,
    /// Bytes of the current file that are still to come.
    left: u64,
    padding: usize,
    scratch: Vec<u8>,
}

impl<'a> TarSink<'a> {
    /// The hashes of the entries' files do not matter here and may be anything.
    pub(crate) fn new(entries: &'a [Entry], epoch: Option<i64>, out: Option<&'a mut dyn Write>) -> Self {
        TarSink {
            entries,
            items: order(entries).into_iter(),
            epoch,
            out,
            hasher: Sha256::new(),
            size: 0,
            left: 0,
            padding: 0,
            scratch: Vec::new(),
        }
    }

    /// Writes all headers up to and with the next file's.
    pub(crate) fn next_file(&mut self) -> Result<(), LayerError> {
        self.headers().map(|_| ())
    }

    /// Writes all headers that are left, and the end.
    pub(crate) fn rest(&mut self) -> Result<(), LayerError> {
        while self.headers()? {}
        self.write(&header::END)
    }

    /// `false` when there is no file any more.
    fn headers(&mut self) -> Result<bool, LayerError> {
        debug_assert_eq!(self.left, 0, "the last file is complete");
        let mut bytes = std::mem::take(&mut self.scratch);
        bytes.clear();
        bytes.resize(self.padding, 0);
        self.padding = 0;
        let mut found = false;
        while let Some(at) = self.items.next() {
            let entry = &self.entries[at];
            header::put_entry(entry, self.epoch, &mut bytes);
            if let EntryKind::File { size, .. } = entry.kind {
                self.left = size;
                self.padding = padding(size);
                found = true;
                break;
            }
            if bytes.len() > PIECE {
                self.write(&bytes)?;
                bytes.clear();
            }
        }
        let written = self.write(&bytes);
        self.scratch = bytes;
        written.map(|()| found)
    }

    /// The next bytes of the file whose header was last.
    pub(crate) fn content(&mut self, bytes: &[u8]) -> Result<(), LayerError> {
        debug_assert!(bytes.len() as u64 <= self.left, "more bytes than the header says");
        self.left = self.left.saturating_sub(bytes.len() as u64);
        self.write(bytes)
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), LayerError> {
        self.hasher.update(bytes);
        self.size += bytes.len() as u64;
        match &mut self.out {
            Some(out) => out.write_all(bytes).map_err(LayerError::Output),
            None => Ok(()),
        }
    }

    /// The identity of what was written.
    pub(crate) fn finish(self) -> Result<PackedLayer, LayerError> {
        if let Some(out) = self.out {
            out.flush().map_err(LayerError::Output)?;
        }
        Ok(PackedLayer {
            diff_id: DiffId::from_bytes(self.hasher.finalize().into()),
            size: self.size,
        })
    }
}
