//! A layer's tar: a function of its manifest, its files and the epoch, and of nothing else.
//!
//! Entries come in the manifest's order, but whiteouts before the other entries of their directory (OCI image-spec,
//! layer.md, "Whiteouts"). Directories above a change are in every manifest, so they are in every tar.

use std::collections::HashMap;
use std::io::{ErrorKind, Read, Write};

use beneath::Root;
use rbuild_oci::DiffId;
use sha2::{Digest as _, Sha256};

use crate::LayerError;
use crate::flow::{self, Out, PIECE, Work};
use crate::hash::FileHash;
use crate::header::{self, padding};
use crate::inode::Parents;
use crate::listing::{Entry, EntryKind, Manifest, parent};

/// What a layer's tar came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct PackedLayer {
    /// SHA-256 of the tar.
    pub diff_id: DiffId,
    /// Length of the tar in bytes.
    pub size: u64,
}

/// Writes the tar of a layer whose files are in `files`, and tells its identity. With `epoch`, later times become it.
///
/// A tar has no opaque directories: a layer that has one is packed together with what it hides
/// ([`pack_squashed`](crate::pack_squashed)).
///
/// # Errors
/// [`LayerError::Changed`] when a file is not as long as the manifest says; its hash is not looked at.
pub fn pack(
    manifest: &Manifest,
    files: &Root,
    epoch: Option<i64>,
    out: impl Write,
) -> Result<PackedLayer, LayerError> {
    let mut parents = Parents::default();
    write_tar(manifest, epoch, out, |path| parents.open_file(files, path))
}

/// Writes the tar of a manifest whose files `open` opens.
pub(crate) fn write_tar<F: Read>(
    manifest: &Manifest,
    epoch: Option<i64>,
    mut out: impl Write,
    mut open: impl FnMut(&[u8]) -> Result<F, LayerError>,
) -> Result<PackedLayer, LayerError> {
    let mut sink = TarSink::new(manifest.entries(), epoch, Some(&mut out));
    let mut buffer = Vec::with_capacity(PIECE);
    for entry in manifest.entries() {
        let EntryKind::File { size, .. } = entry.kind else {
            continue;
        };
        sink.next_file()?;
        let mut file = open(&entry.path)?;
        let mut left = size;
        while left > 0 {
            read_piece(&mut file, left, &mut buffer, &entry.path)?;
            left -= buffer.len() as u64;
            sink.content(&buffer)?;
        }
    }
    sink.rest()?;
    sink.finish()
}

/// The identity of a layer's tar, without writing it. Uses all cores when there is much to read.
pub fn diff_id(manifest: &Manifest, files: &Root, epoch: Option<i64>) -> Result<PackedLayer, LayerError> {
    struct Reading<'a> {
        files: &'a Root,
        entries: Vec<(&'a Entry, u64, FileHash)>,
    }

    impl Work for Reading<'_> {
        type State = Parents;

        fn size(&self, at: usize) -> u64 {
            self.entries[at].1
        }

        fn run(&self, at: usize, state: &mut Parents, out: &mut Out<'_>) -> Result<FileHash, LayerError> {
            let (entry, size, hash) = &self.entries[at];
            let mut file = state.open_file(self.files, &entry.path)?;
            let mut buffer = Vec::new();
            let mut left = *size;
            while left > 0 {
                read_piece(&mut file, left, &mut buffer, &entry.path)?;
                left -= buffer.len() as u64;
                buffer = out.give(buffer)?;
            }
            Ok(*hash)
        }
    }

    let entries: Vec<_> = manifest
        .entries()
        .iter()
        .filter_map(|entry| match entry.kind {
            EntryKind::File { size, hash } => Some((entry, size, hash)),
            _ => None,
        })
        .collect();
    let work = Reading { files, entries };
    let mut sink = TarSink::new(manifest.entries(), epoch, None);
    flow::run(&work, work.entries.len(), Some(&mut sink))?;
    sink.finish()
}

/// Reads the next piece of a file of which `left` bytes are missing. Never empty: a file that ends early has changed.
pub(crate) fn read_piece(
    file: &mut impl Read,
    left: u64,
    buffer: &mut Vec<u8>,
    path: &[u8],
) -> Result<(), LayerError> {
    crate::stop::check().map_err(|error| LayerError::content("read", path, error))?;
    // Not cleared first: a buffer that is used again is not filled with zeros again.
    buffer.resize(left.min(PIECE as u64) as usize, 0);
    file.read_exact(buffer).map_err(|error| match error.kind() {
        ErrorKind::UnexpectedEof => LayerError::Changed { path: path.to_vec() },
        _ => LayerError::content("read", path, error),
    })
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::listing::Metadata;

    #[test]
    fn whiteouts_come_before_what_is_beside_them() {
        let meta = Metadata::new(0o755, 0, 0);
        let manifest = Manifest::new(vec![
            Entry::dir("a", meta.clone()),
            Entry::dir("a/x", meta.clone()),
            Entry::whiteout("a/y"),
            Entry::whiteout("a/x/z"),
            Entry::dir("b", meta.clone()),
            Entry::dir("b/c", meta),
            Entry::whiteout("z"),
        ]);
        let dir = tempfile::tempdir().unwrap();
        let mut bytes = Vec::new();
        pack(
            &manifest.unwrap(),
            &Root::open(dir.path()).unwrap(),
            None,
            &mut bytes,
        )
        .unwrap();
        let mut archive = tar::Archive::new(&bytes[..]);
        let names: Vec<_> = archive
            .entries()
            .unwrap()
            .map(|entry| String::from_utf8(entry.unwrap().path_bytes().into_owned()).unwrap())
            .collect();
        assert_eq!(
            names,
            [".wh.z", "a/", "a/.wh.y", "a/x/", "a/x/.wh.z", "b/", "b/c/"]
        );
        assert_eq!(bytes.len(), 7 * 512 + 1024);
    }
}
