//! [`Preimage`]: the named values that a cache key was made from, in order.

use rbuild_oci::Digest;
use serde::{Deserialize, Serialize};

/// What a key was made from, in the order in which it was hashed. `rbuild why` compares two of these.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Preimage {
    /// The fields. A name may occur several times.
    pub fields: Vec<Field>,
}

/// One named value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Field {
    /// For example `argv` or `env`.
    pub name: String,
    /// Its value.
    pub value: FieldValue,
}

/// A value in a pre-image.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FieldValue {
    /// Text, shown to the user as it is. Never a secret.
    Text(String),
    /// A list of files and what they contain, stored beside the records.
    Tree(FileListRef),
}

/// A reference to a stored [`FileList`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileListRef {
    /// Digest of the stored list.
    pub digest: Digest,
    /// How many entries it has.
    pub entries: u64,
}

/// A list of paths with a fingerprint of each: what a `COPY` selected.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FileList {
    entries: Vec<FileListEntry>,
}

/// One line of a [`FileList`].
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct FileListEntry {
    /// Raw bytes, relative.
    pub path: Vec<u8>,
    /// What was hashed for it, in a form that can be shown, for example `file 0644 0:0 sha256:…`. Bytes, because the
    /// target of a link is; without NUL.
    pub fingerprint: Vec<u8>,
}

impl FileList {
    /// Sorts the entries by path, so that equal lists have one form.
    pub fn new(mut entries: Vec<FileListEntry>) -> FileList {
        entries.sort_unstable();
        FileList { entries }
    }

    /// The entries, sorted by path.
    pub fn entries(&self) -> &[FileListEntry] {
        &self.entries
    }

    /// How many entries.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Path, NUL, fingerprint, NUL, for each entry: neither a path nor the target of a link can hold a NUL.
    pub(super) fn encode(&self) -> Vec<u8> {
        let size = self
            .entries
            .iter()
            .map(|entry| entry.path.len() + entry.fingerprint.len() + 2)
            .sum();
        let mut bytes = Vec::with_capacity(size);
        for entry in &self.entries {
            bytes.extend_from_slice(&entry.path);
            bytes.push(0);
            bytes.extend_from_slice(&entry.fingerprint);
            bytes.push(0);
        }
        bytes
    }

    pub(super) fn decode(bytes: &[u8]) -> Option<FileList> {
        let mut entries = Vec::new();
        let Some(body) = bytes.strip_suffix(b"\0") else {
            return bytes.is_empty().then(FileList::default);
        };
        let mut parts = body.split(|&byte| byte == 0);
        while let Some(path) = parts.next() {
            entries.push(FileListEntry {
                path: path.to_vec(),
                fingerprint: parts.next()?.to_vec(),
            });
        }
        Some(FileList { entries })
    }
}
