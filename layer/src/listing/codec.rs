//! The bytes of an entry. There is one way to write an entry, so the same bytes serve for the file and for hashing.
//!
//! ```text
//! path | tag u8 | [mode uid gid [secs nanos] count (name value)*] | what the kind needs
//! ```
//! Numbers are LEB128 (signed ones zig-zag), byte strings have their length in front. The tag's high bit is the opaque
//! flag, the next one says that the time was set. Hashing what counts leaves out `secs` and `nanos` where it was not.

use crate::hash::FileHash;
use crate::listing::entry::{Entry, EntryKind, Metadata, Timestamp, Xattrs};

/// Which modification times take part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Times {
    All,
    /// Those that were set.
    Set,
}

const FILE: u8 = 1;
const HARDLINK: u8 = 2;
const DIR: u8 = 3;
const SYMLINK: u8 = 4;
const FIFO: u8 = 5;
const CHAR: u8 = 6;
const BLOCK: u8 = 7;
const WHITEOUT: u8 = 8;
const OPAQUE: u8 = 0x80;
const DATED: u8 = 0x40;

pub(crate) fn encode(entry: &Entry, times: Times, out: &mut Vec<u8>) {
    put_bytes(&entry.path, out);
    let tag = match &entry.kind {
        EntryKind::File { .. } => FILE,
        EntryKind::Hardlink { .. } => HARDLINK,
        EntryKind::Dir { opaque: false } => DIR,
        EntryKind::Dir { opaque: true } => DIR | OPAQUE,
        EntryKind::Symlink { .. } => SYMLINK,
        EntryKind::Fifo => FIFO,
        EntryKind::CharDevice { .. } => CHAR,
        EntryKind::BlockDevice { .. } => BLOCK,
        EntryKind::Whiteout => WHITEOUT,
    };
    if tag == WHITEOUT {
        return out.push(tag);
    }
    let meta = &entry.meta;
    out.push(if meta.dated { tag | DATED } else { tag });
    put_number(u64::from(meta.mode), out);
    put_number(u64::from(meta.uid), out);
    put_number(u64::from(meta.gid), out);
    if times == Times::All || meta.dated {
        put_number(zigzag(meta.mtime.secs), out);
        put_number(u64::from(meta.mtime.nanos), out);
    }
    put_number(meta.xattrs.len() as u64, out);
    for (name, value) in meta.xattrs.iter() {
        put_bytes(name, out);
        put_bytes(value, out);
    }
    match &entry.kind {
        EntryKind::File { size, hash } => {
            put_number(*size, out);
            out.extend_from_slice(hash.as_bytes());
        }
        EntryKind::Hardlink { target } | EntryKind::Symlink { target } => put_bytes(target, out),
        EntryKind::CharDevice { rdev } | EntryKind::BlockDevice { rdev } => put_number(*rdev, out),
        EntryKind::Dir { .. } | EntryKind::Fifo | EntryKind::Whiteout => {}
    }
}

/// Reads one entry (with all times) from the front of `input`. `None` when the bytes are no entry.
pub(crate) fn decode(input: &mut &[u8]) -> Option<Entry> {
    let path = take_bytes(input)?.to_vec();
    let tag = take(input, 1)?[0];
    if tag == WHITEOUT {
        return Some(Entry {
            path,
            kind: EntryKind::Whiteout,
            meta: Metadata::default(),
        });
    }
    let (tag, dated) = (tag & !DATED, tag & DATED != 0);
    let mode = u16::try_from(take_number(input)?)
        .ok()
        .filter(|mode| *mode <= 0o7777)?;
    let uid = u32::try_from(take_number(input)?).ok()?;
    let gid = u32::try_from(take_number(input)?).ok()?;
    let secs = unzigzag(take_number(input)?);
    let nanos = u32::try_from(take_number(input)?)
        .ok()
        .filter(|nanos| *nanos < 1_000_000_000)?;
    let mut xattrs = Xattrs::new();
    for _ in 0..take_number(input)? {
        let name = take_bytes(input)?;
        let value = take_bytes(input)?;
        xattrs.set(name, value);
    }
    let kind = match tag {
        FILE => {
            let size = take_number(input)?;
            let hash: [u8; 32] = take(input, 32)?.try_into().ok()?;
            EntryKind::File {
                size,
                hash: FileHash::from_bytes(hash),
            }
        }
        HARDLINK => EntryKind::Hardlink {
            target: take_bytes(input)?.to_vec(),
        },
        DIR => EntryKind::Dir { opaque: false },
        tag if tag == DIR | OPAQUE => EntryKind::Dir { opaque: true },
        SYMLINK => EntryKind::Symlink {
            target: take_bytes(input)?.to_vec(),
        },
        FIFO => EntryKind::Fifo,
        CHAR => EntryKind::CharDevice {
            rdev: take_number(input)?,
        },
        BLOCK => EntryKind::BlockDevice {
            rdev: take_number(input)?,
        },
        _ => return None,
    };
    Some(Entry {
        path,
        kind,
        meta: Metadata {
            mode,
            uid,
            gid,
            mtime: Timestamp { secs, nanos },
            dated,
            xattrs,
        },
    })
}

pub(crate) fn put_number(mut number: u64, out: &mut Vec<u8>) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

pub(crate) fn put_bytes(bytes: &[u8], out: &mut Vec<u8>) {
    put_number(bytes.len() as u64, out);
    out.extend_from_slice(bytes);
}

pub(crate) fn take<'a>(input: &mut &'a [u8], len: usize) -> Option<&'a [u8]> {
    let (front, rest) = input.split_at_checked(len)?;
    *input = rest;
    Some(front)
}

pub(crate) fn take_number(input: &mut &[u8]) -> Option<u64> {
    let mut number = 0u64;
    for shift in (0..64).step_by(7) {
        let byte = take(input, 1)?[0];
        let bits = u64::from(byte & 0x7f);
        if shift == 63 && bits > 1 {
            return None;
        }
        number |= bits << shift;
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

pub(crate) fn take_bytes<'a>(input: &mut &'a [u8]) -> Option<&'a [u8]> {
    let len = usize::try_from(take_number(input)?).ok()?;
    take(input, len)
}

fn zigzag(number: i64) -> u64 {
    ((number << 1) ^ (number >> 63)) as u64
}

fn unzigzag(number: u64) -> i64 {
    (number >> 1) as i64 ^ -((number & 1) as i64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn entry() -> impl Strategy<Value = Entry> {
        let kind = prop_oneof![
            any::<(u64, [u8; 32])>().prop_map(|(size, hash)| EntryKind::File {
                size,
                hash: FileHash::from_bytes(hash),
            }),
            any::<Vec<u8>>().prop_map(|target| EntryKind::Hardlink { target }),
            any::<bool>().prop_map(|opaque| EntryKind::Dir { opaque }),
            any::<Vec<u8>>().prop_map(|target| EntryKind::Symlink { target }),
            Just(EntryKind::Fifo),
            any::<u64>().prop_map(|rdev| EntryKind::CharDevice { rdev }),
            any::<u64>().prop_map(|rdev| EntryKind::BlockDevice { rdev }),
            Just(EntryKind::Whiteout),
        ];
        let time = (any::<i64>(), 0..1_000_000_000u32, any::<bool>());
        let attributes = prop::collection::vec(any::<(Vec<u8>, Vec<u8>)>(), 0..3);
        let meta = (0..=0o7777u16, any::<u32>(), any::<u32>(), time, attributes);
        (any::<Vec<u8>>(), kind, meta).prop_map(|(path, kind, meta)| {
            let (mode, uid, gid, (secs, nanos, dated), attributes) = meta;
            let mut meta = Metadata::new(mode, uid, gid).with_mtime(secs, nanos);
            meta.dated = dated;
            for (name, value) in attributes {
                meta.xattrs.set(&name, &value);
            }
            if kind == EntryKind::Whiteout {
                meta = Metadata::default();
            }
            Entry { path, kind, meta }
        })
    }

    proptest! {
        #[test]
        fn numbers_round_trip(number: u64, signed: i64) {
            let mut bytes = Vec::new();
            put_number(number, &mut bytes);
            prop_assert_eq!(take_number(&mut bytes.as_slice()), Some(number));
            prop_assert_eq!(unzigzag(zigzag(signed)), signed);
        }

        #[test]
        fn entries_round_trip(entry in entry()) {
            let mut bytes = Vec::new();
            encode(&entry, Times::All, &mut bytes);
            let mut input = bytes.as_slice();
            prop_assert_eq!(decode(&mut input), Some(entry));
            prop_assert!(input.is_empty());
        }

        /// What names the content tells apart what was set, and that it was; nothing else about times.
        #[test]
        fn of_times_those_count_that_were_set(entry in entry(), secs: i64, dated: bool) {
            let mut other = entry.clone();
            other.meta.mtime.secs = secs;
            other.meta.dated = dated;
            let mut bytes = [Vec::new(), Vec::new()];
            encode(&entry, Times::Set, &mut bytes[0]);
            encode(&other, Times::Set, &mut bytes[1]);
            let date = |entry: &Entry| entry.meta.dated.then_some(entry.meta.mtime);
            let is_whiteout = entry.kind == EntryKind::Whiteout;
            prop_assert_eq!(bytes[0] == bytes[1], is_whiteout || date(&entry) == date(&other));
        }

        #[test]
        fn arbitrary_bytes_never_panic(bytes: Vec<u8>) {
            let mut input = bytes.as_slice();
            while let Some(entry) = decode(&mut input) {
                let mut again = Vec::new();
                encode(&entry, Times::All, &mut again);
                prop_assert_eq!(decode(&mut again.as_slice()), Some(entry));
            }
        }
    }
}
