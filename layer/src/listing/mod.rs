//! Listings: the truth about a layer, one sorted entry per changed path.
//!
//! [`Listing`] is the whole of one in memory, [`ListingFile`] one on disk that answers without being loaded.
//! Where the bytes of the files are, and how layers stack, is not known here.

mod codec;
mod cursor;
mod entry;
mod file;
mod order;

use std::path::PathBuf;
use std::sync::Arc;

use sha2::{Digest as _, Sha256};

use crate::hash::{ContentId, SnapshotId};
use codec::Times;

pub use cursor::EntryRef;
pub(crate) use cursor::{Cursor, Source};
pub use entry::{Entry, EntryKind, Metadata, Timestamp, UNDATED, Xattrs};
pub use file::ListingFile;
pub(crate) use order::after_subtree;
pub use order::{MAX_PATH, ancestors, file_name, is_below, join, parent, path_cmp};

/// What can be wrong with a listing.
#[derive(Debug, thiserror::Error)]
pub enum ListingError {
    /// Reading or writing the file failed.
    #[error("cannot {operation} the file listing {}: {source}", .path.display())]
    Io {
        /// What was attempted.
        operation: &'static str,
        /// The file.
        path: PathBuf,
        /// Why it failed.
        source: std::io::Error,
    },
    /// The file is not what was once written.
    #[error("the file listing {} is damaged: {what}", .path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Which check failed.
        what: &'static str,
    },
    /// The file was written by another version of this program.
    #[error("the file listing {} has format {found}, this program knows format {}", .path.display(), file::FORMAT)]
    Format {
        /// The file.
        path: PathBuf,
        /// Its format number.
        found: u32,
    },
    /// Entries that cannot stand in one listing.
    #[error("`{}` {what}", String::from_utf8_lossy(.path))]
    Invalid {
        /// The entry's path.
        path: Vec<u8>,
        /// What is wrong with it.
        what: &'static str,
    },
}

/// The sorted entries of one layer. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Listing {
    entries: Arc<Vec<Entry>>,
}

impl Listing {
    /// Sorts the entries and checks that they can be a layer: proper paths, no path twice, every directory above an
    /// entry is there (the root may be missing), hard links name a file of this layer that sorts before them.
    pub fn new(mut entries: Vec<Entry>) -> Result<Listing, ListingError> {
        entries.sort_by(|a, b| path_cmp(&a.path, &b.path));
        let mut dirs: Vec<&[u8]> = Vec::new();
        for (at, entry) in entries.iter().enumerate() {
            let fail = |what| {
                Err(ListingError::Invalid {
                    path: entry.path.clone(),
                    what,
                })
            };
            if !is_proper(&entry.path) {
                return fail("is no proper path");
            }
            if entry.path.len() > MAX_PATH {
                return fail("is longer than a path may be");
            }
            if file_name(&entry.path).starts_with(b".wh.") {
                return fail("has a name that images reserve for whiteouts");
            }
            if at > 0 && entries[at - 1].path == entry.path {
                return fail("is there twice");
            }
            while dirs.last().is_some_and(|dir| !is_below(&entry.path, dir)) {
                dirs.pop();
            }
            if let Some(parent) = parent(&entry.path)
                && !parent.is_empty()
                && dirs.last() != Some(&parent)
            {
                return fail("is in no directory of the same layer");
            }
            match &entry.kind {
                EntryKind::Dir { .. } => dirs.push(&entry.path),
                _ if entry.path.is_empty() => return fail("the root must be a directory"),
                EntryKind::Hardlink { target } => {
                    let found = entries[..at].binary_search_by(|have| path_cmp(&have.path, target));
                    if !found.is_ok_and(|found| matches!(entries[found].kind, EntryKind::File { .. })) {
                        return fail("is a hard link to no earlier file of the same layer");
                    }
                }
                _ => {}
            }
        }
        drop(dirs);
        Ok(Listing {
            entries: Arc::new(entries),
        })
    }

    /// All entries in order ([`path_cmp`]).
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    pub(crate) fn shared(&self) -> &Arc<Vec<Entry>> {
        &self.entries
    }

    /// The entry at a path.
    pub fn get(&self, path: &[u8]) -> Option<&Entry> {
        let at = self
            .entries
            .binary_search_by(|entry| path_cmp(&entry.path, path))
            .ok()?;
        Some(&self.entries[at])
    }

    /// The number of entries.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// True when nothing changed.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Sum of the sizes of the files, each inode once.
    pub fn content_bytes(&self) -> u64 {
        self.entries
            .iter()
            .map(|entry| {
                if let EntryKind::File { size, .. } = entry.kind {
                    size
                } else {
                    0
                }
            })
            .sum()
    }

    /// Names what a snapshot with this layer on `parent` contains. Of the times those count that were set.
    pub fn content_id(&self, parent: Option<&ContentId>) -> ContentId {
        ContentId::from_bytes(self.hash("rbuild content 2\0", parent.map(ContentId::as_bytes), Times::Set))
    }

    /// Names the snapshot with exactly this layer on `parent`.
    pub fn snapshot_id(&self, parent: Option<&SnapshotId>) -> SnapshotId {
        SnapshotId::from_bytes(self.hash(
            "rbuild snapshot 2\0",
            parent.map(SnapshotId::as_bytes),
            Times::All,
        ))
    }

    fn hash(&self, what: &str, parent: Option<&[u8; 32]>, times: Times) -> [u8; 32] {
        let mut hasher = Sha256::new();
        hasher.update(what.as_bytes());
        hasher.update([u8::from(parent.is_some())]);
        hasher.update(parent.unwrap_or(&[0; 32]));
        hasher.update((self.entries.len() as u64).to_le_bytes());
        let mut bytes = Vec::with_capacity(16 * 1024);
        for entry in self.entries.iter() {
            codec::encode(entry, times, &mut bytes);
            if bytes.len() > 15 * 1024 {
                hasher.update(&bytes);
                bytes.clear();
            }
        }
        hasher.update(&bytes);
        hasher.finalize().into()
    }
}

/// Relative, and made of real names. The empty path is the root.
fn is_proper(path: &[u8]) -> bool {
    path.is_empty()
        || (!path.contains(&0)
            && path
                .split(|&byte| byte == b'/')
                .all(|name| !name.is_empty() && name != b"." && name != b".."))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hash::FileHash;

    fn meta() -> Metadata {
        Metadata::new(0o755, 0, 0)
    }

    fn file(path: &str) -> Entry {
        Entry::file(path, 3, FileHash::of(b"abc"), meta())
    }

    #[test]
    fn what_is_no_layer_is_refused() {
        let link = |path: &str, target: &str| Entry {
            path: path.into(),
            kind: EntryKind::Hardlink {
                target: target.into(),
            },
            meta: meta(),
        };
        let bad: [Vec<Entry>; 10] = [
            vec![file("a"), file("a")],
            vec![file("a/b")],
            vec![file("a"), file("a/b")],
            vec![file("../a")],
            vec![file("/a")],
            vec![Entry::dir("a", meta()), file("a//b")],
            vec![link("a", "b"), file("b")],
            vec![link("b", "a")],
            vec![file("")],
            vec![file(".wh.x")],
        ];
        for entries in bad {
            assert!(Listing::new(entries.clone()).is_err(), "{entries:?}");
        }
        assert!(Listing::new(vec![file("b"), link("c", "b"), Entry::dir("", meta())]).is_ok());
    }

    #[test]
    fn ids_are_pinned() {
        // A changed literal means that every store out there loses its cache: bump the version in the text instead.
        let listing = Listing::new(vec![
            Entry::dir("d", meta().with_date(5, 7)),
            file("d/f"),
            Entry::whiteout("w"),
        ])
        .unwrap();
        assert_eq!(
            listing.content_id(None).to_hex(),
            "e213485d8aa30f902b7a1e97064a7495dec16392dd6bb8755b95cafad432108b"
        );
        assert_eq!(
            listing.snapshot_id(None).to_hex(),
            "a21d1769dbcb728058b70278e98c4b013d2b3f6d53435f6286bb82968af93e14"
        );
    }

    #[test]
    fn times_that_were_not_set_count_for_the_snapshot_only() {
        let of = |meta| Listing::new(vec![Entry::dir("d", meta)]).unwrap();
        let made = |secs| of(meta().with_mtime(secs, 5));
        assert_eq!(made(1).content_id(None), made(2).content_id(None));
        assert_ne!(made(1).snapshot_id(None), made(2).snapshot_id(None));
        let id = made(1).content_id(None);
        assert_ne!(made(1).content_id(Some(&id)), id);
        let set = |secs, nanos| of(meta().with_date(secs, nanos));
        assert_ne!(set(1, 5).content_id(None), set(2, 5).content_id(None));
        assert_ne!(set(1, 5).content_id(None), set(1, 6).content_id(None));
        assert_ne!(set(1, 5).content_id(None), made(1).content_id(None));
        assert_ne!(set(1, 5).snapshot_id(None), made(1).snapshot_id(None));
    }
}
