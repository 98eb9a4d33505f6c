//! The stat memo: what a file of a build context hashed to, so long as the kernel says that it is the same file.
//!
//! An entry counts only if device, inode, size, mtime **and ctime** are the same as when the file was hashed.
//! ctime cannot be set by a program, so a file that was changed and given its old mtime back is noticed. A file
//! changed within the clock's granularity after it was hashed could keep its ctime, therefore a file is not
//! remembered unless it was already older than [`RACY`] when it was hashed (git calls these "racily clean"). And one
//! that is mapped for writing could be changed without a trace: [`ChangeTimes`].
//!
//! One file per context directory, loaded with one read; entries are sorted and are normally asked for in order.
//!
//! Not here: walking and hashing.

mod trust;

pub use trust::ChangeTimes;

use std::path::{Path, PathBuf};

use rbuild_layer::listing::path_cmp;
use rbuild_oci::Digest;
use rustix::fs::Timespec;
use rustix::time::ClockId;

use crate::error::StoreError;
use crate::small_file::{open_if_there, remove_if_there, stamp_used};
use crate::store::Store;

/// How much older than its hashing a file must be to be remembered, in nanoseconds. Two seconds is the coarsest
/// timestamp among file systems in use (FAT's mtime); it also covers clocks that are slightly apart.
pub const RACY: i64 = 2_000_000_000;

/// Entries of files that the last walk did not see (another target, another ignore file) are kept up to this many.
const KEEP_UNSEEN: usize = 100_000;

const MAGIC: &[u8; 8] = b"rbmemo02";
/// Magic, checksum, number of entries.
const HEADER: usize = 8 + 8 + 8;
/// Path length, then dev, ino, size, mtime, ctime, sha256.
const FIXED: usize = 4 + 5 * 8 + 32;

/// What stat(2) says about a regular file; all that decides whether it is still the file that was hashed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileStat {
    /// Device.
    pub dev: u64,
    /// Inode.
    pub ino: u64,
    /// Bytes.
    pub size: u64,
    /// Last change of the content, in nanoseconds since 1970.
    pub mtime: i64,
    /// Last change of content or metadata, in nanoseconds since 1970.
    pub ctime: i64,
}

impl FileStat {
    /// Whether the last change was at least `age` nanoseconds before `now` (see [`file_system_now`]), which was taken
    /// before this.
    #[must_use]
    pub fn is_older(&self, age: i64, now: i64) -> bool {
        self.ctime.max(self.mtime) <= now.saturating_sub(age)
    }
}

/// The time that local file systems stamp files with, in nanoseconds since 1970: the kernel's coarse clock.
pub fn file_system_now() -> i64 {
    nanoseconds(rustix::time::clock_gettime(ClockId::RealtimeCoarse))
}

pub(crate) fn nanoseconds(time: Timespec) -> i64 {
    time.tv_sec
        .saturating_mul(1_000_000_000)
        .saturating_add(time.tv_nsec)
}

/// The memo of one context directory.
#[derive(Debug)]
pub struct Memo {
    path: PathBuf,
    bytes: Vec<u8>,
    /// Where each entry begins in `bytes`.
    starts: Vec<u32>,
    /// Which entries the walk asked for and found unchanged.
    seen: Vec<bool>,
    /// The entry that is probably asked for next.
    next: usize,
    fresh: Vec<Entry>,
}

#[derive(Clone, Debug)]
struct Entry {
    path: Vec<u8>,
    stat: FileStat,
    sha256: [u8; 32],
}

impl Memo {
    /// Loads the memo of the context directory `context` (its absolute path). None, or a damaged one, is empty.
    pub fn load(store: &Store, context: &Path) -> Result<Memo, StoreError> {
        let name = Digest::of(context.as_os_str().as_encoded_bytes()).to_hex();
        let path = store.memo_dir().join(name);
        let bytes = read_and_stamp(&path)?;
        let mut memo = Memo {
            path,
            bytes,
            starts: Vec::new(),
            seen: Vec::new(),
            next: 0,
            fresh: Vec::new(),
        };
        match index(&memo.bytes) {
            Some(starts) => {
                memo.seen = vec![false; starts.len()];
                memo.starts = starts;
            }
            None => memo.bytes.clear(),
        }
        Ok(memo)
    }

    /// How many entries were loaded.
    pub fn len(&self) -> usize {
        self.starts.len()
    }

    /// Whether none was loaded.
    pub fn is_empty(&self) -> bool {
        self.starts.is_empty()
    }

    /// What the file hashed to, if it is still the same file. Cheapest in the order of a walk
    /// that sorts the names in each directory ([`path_cmp`]).
    pub fn lookup(&mut self, path: &[u8], stat: &FileStat) -> Option<[u8; 32]> {
        let at = self.find(path)?;
        self.next = at + 1;
        let (known, sha256) = self.value(at)?;
        if known != *stat {
            return None;
        }
        self.seen[at] = true;
        Some(sha256)
    }

    /// Notes what a file hashed to. `stat` was taken **before** it was read, and it [is old enough](FileStat::is_older).
    pub fn record(&mut self, path: &[u8], stat: &FileStat, sha256: [u8; 32]) {
        self.fresh.push(Entry {
            path: path.to_vec(),
            stat: *stat,
            sha256,
        });
    }

    /// Writes the memo if the walk learned something new. Returns whether it was written.
    pub fn save(mut self, store: &Store) -> Result<bool, StoreError> {
        if self.fresh.is_empty() {
            return Ok(false);
        }
        let mut fresh = std::mem::take(&mut self.fresh);
        fresh.sort_by(|one, other| path_cmp(&one.path, &other.path));
        fresh.dedup_by(|one, other| one.path == other.path);
        let mut unseen_left = KEEP_UNSEEN;
        let mut writer = Writer::new();
        let mut old = 0;
        for entry in &fresh {
            while self
                .path_at(old)
                .is_some_and(|path| path_cmp(path, &entry.path).is_lt())
            {
                self.carry(old, &mut unseen_left, &mut writer);
                old += 1;
            }
            if self.path_at(old) == Some(entry.path.as_slice()) {
                old += 1;
            }
            writer.push(&entry.path, &entry.stat, &entry.sha256);
        }
        for rest in old..self.starts.len() {
            self.carry(rest, &mut unseen_left, &mut writer);
        }
        store.write_file(&self.path, &writer.finish())?;
        Ok(true)
    }

    fn carry(&self, at: usize, unseen_left: &mut usize, writer: &mut Writer) {
        if !self.seen[at] {
            if *unseen_left == 0 {
                return;
            }
            *unseen_left -= 1;
        }
        if let (Some(path), Some((stat, sha256))) = (self.path_at(at), self.value(at)) {
            writer.push(path, &stat, &sha256);
        }
    }

    fn find(&self, path: &[u8]) -> Option<usize> {
        if self.path_at(self.next) == Some(path) {
            return Some(self.next);
        }
        self.starts
            .binary_search_by(|&start| path_cmp(path_of(&self.bytes, start).unwrap_or_default(), path))
            .ok()
    }

    fn path_at(&self, at: usize) -> Option<&[u8]> {
        path_of(&self.bytes, *self.starts.get(at)?)
    }

    fn value(&self, at: usize) -> Option<(FileStat, [u8; 32])> {
        let start = *self.starts.get(at)? as usize;
        let entry = self.bytes.get(start..start + FIXED)?;
        let number = |index: usize| -> Option<u64> {
            let from = 4 + index * 8;
            Some(u64::from_le_bytes(entry.get(from..from + 8)?.try_into().ok()?))
        };
        let stat = FileStat {
            dev: number(0)?,
            ino: number(1)?,
            size: number(2)?,
            mtime: number(3)? as i64,
            ctime: number(4)? as i64,
        };
        Some((stat, entry[4 + 40..].try_into().ok()?))
    }
}

/// The file's bytes, none when it is not there. Sets its time, by which the garbage collector knows which contexts
/// are still built.
fn read_and_stamp(path: &Path) -> Result<Vec<u8>, StoreError> {
    let Some((file, bytes)) = open_if_there(path)? else {
        return Ok(Vec::new());
    };
    stamp_used(&file);
    Ok(bytes)
}

fn path_of(bytes: &[u8], start: u32) -> Option<&[u8]> {
    let start = start as usize;
    let length = u32::from_le_bytes(bytes.get(start..start + 4)?.try_into().ok()?) as usize;
    bytes.get(start + FIXED..start + FIXED + length)
}

/// Checks the file and finds where its entries begin; `None` when it is damaged.
fn index(bytes: &[u8]) -> Option<Vec<u32>> {
    if bytes.get(..8)? != MAGIC {
        return None;
    }
    let checksum = u64::from_le_bytes(bytes.get(8..16)?.try_into().ok()?);
    let count = u64::from_le_bytes(bytes.get(16..24)?.try_into().ok()?);
    if checksum != sum(&bytes[16..]) || count > (bytes.len() / FIXED) as u64 {
        return None;
    }
    let mut starts = Vec::with_capacity(count as usize);
    let mut at = HEADER;
    for _ in 0..count {
        let start = u32::try_from(at).ok()?;
        at += FIXED + path_of(bytes, start)?.len();
        starts.push(start);
    }
    (at == bytes.len()).then_some(starts)
}

/// A checksum against blocks that a power loss left empty or torn, not against malice: a cryptographic hash would
/// cost more than everything else about the memo.
fn sum(bytes: &[u8]) -> u64 {
    let mut state = 0x9E37_79B9_7F4A_7C15_u64 ^ bytes.len() as u64;
    for chunk in bytes.chunks(8) {
        let mut word = [0; 8];
        word[..chunk.len()].copy_from_slice(chunk);
        state = (state ^ u64::from_le_bytes(word))
            .wrapping_mul(0xD6E8_FEB8_6659_FD93)
            .rotate_left(29);
    }
    state
}

struct Writer {
    bytes: Vec<u8>,
    count: u64,
}

impl Writer {
    fn new() -> Self {
        let mut bytes = MAGIC.to_vec();
        bytes.resize(HEADER, 0);
        Writer { bytes, count: 0 }
    }

    fn push(&mut self, path: &[u8], stat: &FileStat, sha256: &[u8; 32]) {
        // An entry that cannot be addressed with 32 bits is not remembered: such a context is over 4 GB of paths.
        let Ok(length) = u32::try_from(path.len()) else {
            return;
        };
        if self.bytes.len() + FIXED + path.len() > u32::MAX as usize {
            return;
        }
        self.bytes.extend_from_slice(&length.to_le_bytes());
        for number in [
            stat.dev,
            stat.ino,
            stat.size,
            stat.mtime as u64,
            stat.ctime as u64,
        ] {
            self.bytes.extend_from_slice(&number.to_le_bytes());
        }
        self.bytes.extend_from_slice(sha256);
        self.bytes.extend_from_slice(path);
        self.count += 1;
    }

    fn finish(mut self) -> Vec<u8> {
        self.bytes[16..24].copy_from_slice(&self.count.to_le_bytes());
        let checksum = sum(&self.bytes[16..]);
        self.bytes[8..16].copy_from_slice(&checksum.to_le_bytes());
        self.bytes
    }
}

/// Forgets the memo of a context directory.
pub fn forget(store: &Store, context: &Path) -> Result<bool, StoreError> {
    let name = Digest::of(context.as_os_str().as_encoded_bytes()).to_hex();
    remove_if_there(&store.memo_dir().join(name))
}

#[cfg(test)]
mod tests;
