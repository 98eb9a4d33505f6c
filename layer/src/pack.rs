//! A layer's tar: a function of its listing, its files and the epoch, and of nothing else.

use std::io::{Read, Write};

use rbuild_rootdir::Root;

use crate::flow::{self, Out, Work};
use crate::hash::FileHash;
use crate::inode::Parents;
use crate::listing::{Entry, EntryKind, Listing};
use crate::piece::{PIECE, read_piece};
use crate::tar_sink::{PackedLayer, TarSink};
use crate::{LayerError, Stop};

/// Writes the tar of a layer whose files are in `files`, and tells its identity. With `epoch`, times follow it.
///
/// A tar has no opaque directories: a layer that has one is packed together with what it hides
/// ([`pack_squashed`](crate::pack_squashed)).
///
/// # Errors
/// [`LayerError::Changed`] when a file is not as long as the listing says; its hash is not looked at.
pub fn pack(
    listing: &Listing,
    files: &Root,
    epoch: Option<i64>,
    stop: &Stop,
    out: impl Write,
) -> Result<PackedLayer, LayerError> {
    let mut parents = Parents::default();
    write_tar(listing, epoch, stop, out, |path| parents.open_file(files, path))
}

/// Writes the tar of a listing whose files `open` opens.
pub(crate) fn write_tar<F: Read>(
    listing: &Listing,
    epoch: Option<i64>,
    stop: &Stop,
    mut out: impl Write,
    mut open: impl FnMut(&[u8]) -> Result<F, LayerError>,
) -> Result<PackedLayer, LayerError> {
    let mut sink = TarSink::new(listing.entries(), epoch, Some(&mut out));
    let mut buffer = Vec::with_capacity(PIECE);
    for entry in listing.entries() {
        let EntryKind::File { size, .. } = entry.kind else {
            continue;
        };
        sink.next_file()?;
        let mut file = open(&entry.path)?;
        let mut left = size;
        while left > 0 {
            read_piece(&mut file, left, &mut buffer, &entry.path, stop)?;
            left -= buffer.len() as u64;
            sink.content(&buffer)?;
        }
    }
    sink.rest()?;
    sink.finish()
}

/// The identity of a layer's tar, without writing it. Uses all cores when there is much to read.
pub fn diff_id(
    listing: &Listing,
    files: &Root,
    epoch: Option<i64>,
    stop: &Stop,
) -> Result<PackedLayer, LayerError> {
    struct Reading<'a> {
        files: &'a Root,
        stop: &'a Stop,
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
                read_piece(&mut file, left, &mut buffer, &entry.path, self.stop)?;
                left -= buffer.len() as u64;
                buffer = out.give(buffer)?;
            }
            Ok(*hash)
        }
    }

    let entries: Vec<_> = listing
        .entries()
        .iter()
        .filter_map(|entry| match entry.kind {
            EntryKind::File { size, hash } => Some((entry, size, hash)),
            _ => None,
        })
        .collect();
    let work = Reading { files, stop, entries };
    let mut sink = TarSink::new(listing.entries(), epoch, None);
    flow::run(&work, work.entries.len(), Some(&mut sink))?;
    sink.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::listing::Metadata;

    #[test]
    fn whiteouts_come_before_what_is_beside_them() {
        let meta = Metadata::new(0o755, 0, 0);
        let listing = Listing::new(vec![
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
            &listing.unwrap(),
            &Root::open(dir.path()).unwrap(),
            None,
            &Stop::new(),
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
