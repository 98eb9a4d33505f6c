//! Cache records: what a piece of work, named by its key, resulted in, and what the key was made from.
//!
//! One small file per record under `records/<first two digits>/<key>`. It begins with its own checksum, so a
//! damaged record is a miss, not a wrong answer. Long lists in pre-images (20,000 context files) are stored once
//! under `records/trees/`, by content.
//!
//! Not here: how keys are made (the solver) and how two pre-images are compared for the user.

mod preimage;

use std::path::PathBuf;

use rbuild_layer::{ContentId, SnapshotId};
use rbuild_oci::Digest;
use serde::{Deserialize, Serialize};

use crate::error::StoreError;
use crate::key::Key;
use crate::lock::Lease;
use crate::small_file::{list_dir, open_if_there, remove_if_there, stamp_used};
use crate::store::Store;

pub use preimage::{Field, FieldValue, FileList, FileListEntry, FileListRef, Preimage};

/// Version of the record format. Records of another version are misses.
pub const RECORD_VERSION: u32 = 1;

const MAGIC: &str = "rbuild-record-1";

/// What a piece of work resulted in.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Output {
    /// The snapshot; absent when the result has no files of its own (an image without layers).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub snapshot: Option<SnapshotId>,
    /// What the result contains: goes into the keys of the work that uses it.
    pub content: ContentId,
    /// What the operation wants to remember besides, for example a resolved digest.
    #[serde(default, skip_serializing_if = "serde_json::Value::is_null")]
    pub extra: serde_json::Value,
}

/// A cache record.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// [`RECORD_VERSION`].
    pub version: u32,
    /// The key, repeated so that a misplaced file is noticed.
    pub key: Key,
    /// The operation's name as the user sees it, for example `RUN make`.
    pub op: String,
    /// The result.
    pub output: Output,
    /// When the work was done, in seconds since 1970.
    pub created: u64,
    /// How long it took, in milliseconds.
    pub cost: u64,
    /// What the key was made from.
    pub preimage: Preimage,
}

/// Access to the cache records of one store.
#[derive(Clone, Copy, Debug)]
pub struct Records<'a> {
    store: &'a Store,
}

impl Store {
    /// Cache records by key.
    pub fn records(&self) -> Records<'_> {
        Records { store: self }
    }
}

impl<'a> Records<'a> {
    /// Where the record of a key is or would be.
    pub fn path(&self, key: &Key) -> PathBuf {
        self.store
            .path("records")
            .join(&key.as_str()[..2])
            .join(key.as_str())
    }

    /// The record of a key. A damaged one, or one of another version, is removed and is a miss.
    ///
    /// A hit sets the record's time, by which the garbage collector knows what was used last.
    pub fn lookup(&self, key: &Key) -> Result<Option<Record>, StoreError> {
        let found = self.read(key, true)?;
        match found {
            Some(Ok(record)) => Ok(Some(record)),
            Some(Err(_)) => {
                self.remove(key)?;
                Ok(None)
            }
            None => Ok(None),
        }
    }

    /// Reads a record without touching it: the outer `None` is "no such file", the inner error says what is wrong.
    pub(crate) fn read(&self, key: &Key, stamp: bool) -> Result<Option<Result<Record, String>>, StoreError> {
        let path = self.path(key);
        let Some((file, bytes)) = open_if_there(&path)? else {
            return Ok(None);
        };
        let record = decode(&bytes, key);
        if stamp && record.is_ok() {
            stamp_used(&file);
        }
        Ok(Some(record))
    }

    /// Writes a record, over an older one with the same key.
    pub fn put(&self, record: &Record) -> Result<(), StoreError> {
        let path = self.path(&record.key);
        let body = serde_json::to_vec(record).map_err(|error| StoreError::Corrupt {
            what: "cache record",
            path: path.clone(),
            detail: error.to_string(),
        })?;
        let mut bytes = format!("{MAGIC} {}\n", Digest::of(&body).to_hex()).into_bytes();
        bytes.extend_from_slice(&body);
        self.store.write_file(&path, &bytes)
    }

    /// Removes a record; `false` when there was none.
    pub fn remove(&self, key: &Key) -> Result<bool, StoreError> {
        remove_if_there(&self.path(key))
    }

    /// The keys of all records, sorted.
    pub fn keys(&self) -> Result<Vec<Key>, StoreError> {
        let mut keys = Vec::new();
        for shard in list_dir(&self.store.path("records"))? {
            if shard.len() == 2 {
                let names = list_dir(&self.store.path("records").join(&shard))?;
                keys.extend(names.iter().filter_map(|name| Key::parse(name).ok()));
            }
        }
        Ok(keys)
    }

    /// All readable records in the order of their keys, one in memory at a time.
    pub fn iter(&self) -> Result<impl Iterator<Item = Result<Record, StoreError>> + use<'a>, StoreError> {
        let records = *self;
        Ok(self
            .keys()?
            .into_iter()
            .filter_map(move |key| match records.read(&key, false) {
                Ok(Some(Ok(record))) => Some(Ok(record)),
                Ok(_) => None,
                Err(error) => Some(Err(error)),
            }))
    }

    /// Stores a list of (path, fingerprint) once and gives the reference to put into a pre-image; and the lease that
    /// keeps it until something that refers to it is stored.
    pub fn put_tree(&self, tree: &FileList) -> Result<(FileListRef, Lease), StoreError> {
        let bytes = tree.encode();
        let reference = FileListRef {
            digest: Digest::of(&bytes),
            entries: tree.len() as u64,
        };
        let lease = self.store.locks().lease_tree(&reference.digest)?;
        let path = self.tree_path(&reference.digest);
        // The size is enough to tell a whole file from one that a power loss emptied.
        if std::fs::metadata(&path).is_ok_and(|metadata| metadata.len() == bytes.len() as u64) {
            return Ok((reference, lease));
        }
        self.store.write_file(&path, &bytes)?;
        Ok((reference, lease))
    }

    /// Reads a stored list; `None` when it is gone or damaged (then a miss cannot be explained in detail).
    pub fn tree(&self, reference: &FileListRef) -> Result<Option<FileList>, StoreError> {
        let path = self.tree_path(&reference.digest);
        let Some(bytes) = crate::small_file::read_if_there(&path)? else {
            return Ok(None);
        };
        if Digest::of(&bytes) != reference.digest {
            remove_if_there(&path)?;
            return Ok(None);
        }
        Ok(FileList::decode(&bytes))
    }

    pub(crate) fn tree_path(&self, digest: &Digest) -> PathBuf {
        self.store.path("records/trees").join(digest.to_hex())
    }
}

fn decode(bytes: &[u8], key: &Key) -> Result<Record, String> {
    let split = bytes.iter().position(|&byte| byte == b'\n').ok_or("no header")?;
    let header = std::str::from_utf8(&bytes[..split]).map_err(|_| "no header")?;
    let (magic, checksum) = header.split_once(' ').ok_or("no header")?;
    if magic != MAGIC {
        return Err(format!("its format is `{}`", magic.escape_debug()));
    }
    let body = &bytes[split + 1..];
    if Digest::of(body).to_hex() != checksum {
        return Err("its checksum does not match".to_owned());
    }
    let record: Record = serde_json::from_slice(body).map_err(|error| error.to_string())?;
    if record.version != RECORD_VERSION {
        return Err(format!("its version is {}", record.version));
    }
    if record.key != *key {
        return Err(format!("it is the record of {}", record.key));
    }
    Ok(record)
}

#[cfg(test)]
mod tests;
