//! One entry of a listing.

pub use rbuild_rootdir::Timestamp;

use crate::hash::FileHash;

/// A changed path and what is there now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Raw bytes, relative, without `.` and `..`. Empty for the root directory itself.
    pub path: Vec<u8>,
    /// What it is.
    pub kind: EntryKind,
    /// Owner, mode, time, extended attributes. A whiteout has none: [`Metadata::default`].
    pub meta: Metadata,
}

/// What is at a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EntryKind {
    /// A regular file.
    File {
        /// Length in bytes.
        size: u64,
        /// Hash of the content.
        hash: FileHash,
    },
    /// A further name of a file of the same layer.
    Hardlink {
        /// The path of its first name, in sorted order; that entry is a [`EntryKind::File`].
        target: Vec<u8>,
    },
    /// A directory.
    Dir {
        /// What lower layers have in it is hidden.
        opaque: bool,
    },
    /// A symbolic link.
    Symlink {
        /// Its text, as it is.
        target: Vec<u8>,
    },
    /// A named pipe.
    Fifo,
    /// A character device.
    CharDevice {
        /// Device number as `stat` tells it.
        rdev: u64,
    },
    /// A block device.
    BlockDevice {
        /// Device number as `stat` tells it.
        rdev: u64,
    },
    /// What lower layers have at this path is gone.
    Whiteout,
}

/// The time of what has none of its own: 1 February 1980. Zip archives know no earlier year, in any time zone.
pub const UNDATED: Timestamp = Timestamp {
    secs: 318_211_200,
    nanos: 0,
};

/// What an inode has besides its content.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Metadata {
    /// Permission bits with setuid, setgid and sticky (`07777`).
    pub mode: u16,
    /// Owner, as the container knows it.
    pub uid: u32,
    /// Group, as the container knows it.
    pub gid: u32,
    /// Last change of the content.
    pub mtime: Timestamp,
    /// The time was set, by a command, an archive or a server: it is part of the content. Any other time only says when
    /// somebody made the file, or checked it out.
    pub dated: bool,
    /// Extended attributes that belong to an image.
    pub xattrs: Xattrs,
}

impl Metadata {
    /// Mode, owner and group, [`UNDATED`] and without extended attributes.
    pub fn new(mode: u16, uid: u32, gid: u32) -> Self {
        Metadata {
            mode,
            uid,
            gid,
            mtime: UNDATED,
            ..Metadata::default()
        }
    }

    /// The same with another time, as if it had just been made.
    #[must_use]
    pub fn with_mtime(mut self, secs: i64, nanos: u32) -> Self {
        self.mtime = Timestamp { secs, nanos };
        self.dated = false;
        self
    }

    /// The same with a time that was set.
    #[must_use]
    pub fn with_date(mut self, secs: i64, nanos: u32) -> Self {
        self.mtime = Timestamp { secs, nanos };
        self.dated = true;
        self
    }

    /// The time that it has in an image of this `SOURCE_DATE_EPOCH`: one that was set is not later, any other is just
    /// that. So it depends on nothing but the content.
    pub fn mtime_by(&self, epoch: Option<i64>) -> Timestamp {
        match epoch.map(|secs| Timestamp { secs, nanos: 0 }) {
            None => self.mtime,
            Some(epoch) if self.dated => self.mtime.min(epoch),
            Some(epoch) => epoch,
        }
    }

    /// Equal but for the time.
    pub fn same_but_time(&self, other: &Metadata) -> bool {
        self.mode == other.mode
            && self.uid == other.uid
            && self.gid == other.gid
            && self.xattrs == other.xattrs
    }
}

/// Extended attributes, sorted by name.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Xattrs(Vec<(Vec<u8>, Vec<u8>)>);

impl Xattrs {
    /// None at all.
    pub const fn new() -> Self {
        Xattrs(Vec::new())
    }

    /// Sets one, replacing what was there.
    pub fn set(&mut self, name: &[u8], value: &[u8]) {
        match self.0.binary_search_by(|(have, _)| have.as_slice().cmp(name)) {
            Ok(at) => self.0[at].1 = value.to_vec(),
            Err(at) => self.0.insert(at, (name.to_vec(), value.to_vec())),
        }
    }

    /// The value of one.
    pub fn get(&self, name: &[u8]) -> Option<&[u8]> {
        let at = self
            .0
            .binary_search_by(|(have, _)| have.as_slice().cmp(name))
            .ok()?;
        Some(&self.0[at].1)
    }

    /// Removes one.
    pub fn remove(&mut self, name: &[u8]) {
        self.0.retain(|(have, _)| have != name);
    }

    /// All, sorted by name.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&[u8], &[u8])> {
        self.0
            .iter()
            .map(|(name, value)| (name.as_slice(), value.as_slice()))
    }

    /// How many.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// True when there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Entry {
    /// A regular file.
    pub fn file(path: impl Into<Vec<u8>>, size: u64, hash: FileHash, meta: Metadata) -> Self {
        Entry {
            path: path.into(),
            kind: EntryKind::File { size, hash },
            meta,
        }
    }

    /// A directory that is not opaque.
    pub fn dir(path: impl Into<Vec<u8>>, meta: Metadata) -> Self {
        Entry {
            path: path.into(),
            kind: EntryKind::Dir { opaque: false },
            meta,
        }
    }

    /// A symbolic link. Its mode is 0777, the only one that links have.
    pub fn symlink(path: impl Into<Vec<u8>>, target: impl Into<Vec<u8>>, meta: Metadata) -> Self {
        let kind = EntryKind::Symlink {
            target: target.into(),
        };
        Entry {
            path: path.into(),
            kind,
            meta: Metadata { mode: 0o777, ..meta },
        }
    }

    /// A whiteout.
    pub fn whiteout(path: impl Into<Vec<u8>>) -> Self {
        Entry {
            path: path.into(),
            kind: EntryKind::Whiteout,
            meta: Metadata::default(),
        }
    }

    /// True for a directory that hides what lower layers have in it.
    pub fn is_opaque(&self) -> bool {
        self.kind == EntryKind::Dir { opaque: true }
    }

    /// True for a directory.
    pub fn is_dir(&self) -> bool {
        matches!(self.kind, EntryKind::Dir { .. })
    }
}
