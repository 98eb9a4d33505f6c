//! The bytes of an entry. There is one way to write an entry, so the same bytes serve for the file and for hashing.
//!
//! ```text
//! path | tag u8 | [mode uid gid [secs nanos] count (name value)*] | what the kind needs
//! ```
//! Numbers are LEB128 (signed ones zig-zag), byte strings have their length in front. Without times `secs` and `nanos`
//! are left out. The tag's high bit is the opaque flag.

use crate::hash::FileHash;
use crate::listing::entry::{Entry, EntryKind, Metadata, Timestamp, Xattrs};

/// Whether modification times take part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Times {
    Included,
    LeftOut,
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
    out.push(tag);
    if tag == WHITEOUT {
        return;
    }
    let meta = &entry.meta;
    put_number(u64::from(meta.mode), out);
    put_number(u64::from(meta.uid), out);
    put_number(u64::from(meta.gid), out);
    if times == Times::Included {
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

/// Reads one entry (with times) from the front of `input`. `None` when the bytes are no entry.
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

    proptest! {
        #[test]
        fn numbers_round_trip(number: u64, signed: i64) {
            let mut bytes = Vec::new();
            put_number(number, &mut bytes);
            prop_assert_eq!(take_number(&mut bytes.as_slice()), Some(number));
            prop_assert_eq!(unzigzag(zigzag(signed)), signed);
        }

        #[test]
        fn arbitrary_bytes_never_panic(bytes: Vec<u8>) {
            let mut input = bytes.as_slice();
            while let Some(entry) = decode(&mut input) {
                let mut again = Vec::new();
                encode(&entry, Times::Included, &mut again);
                prop_assert_eq!(decode(&mut again.as_slice()), Some(entry));
            }
        }
    }
}
