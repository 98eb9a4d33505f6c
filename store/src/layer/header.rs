//! One entry of a layer as tar headers.
//!
//! There is exactly one way to write an entry: ustar, with a pax header in front only for what ustar cannot hold (long
//! names, large numbers, extended attributes). Whole seconds, no user names, nothing of the host.

use tar::{EntryType, Header};

use crate::layer::pax;
use crate::manifest::{Entry, EntryKind, Metadata, file_name, join, parent};

pub(crate) const BLOCK: usize = 512;
/// The two zero blocks at the end of a tar.
pub(crate) const END: [u8; 2 * BLOCK] = [0; 2 * BLOCK];

const NAME_LEN: usize = 100;
/// Largest values of the octal fields: seven digits, eleven digits.
const MAX_ID: u64 = 0o777_7777;
const MAX_LONG: u64 = 0o777_7777_7777;

/// Appends the headers of an entry. `size` is the length of the content that follows; 0 for all but files.
pub(crate) fn put_entry(entry: &Entry, epoch: Option<i64>, out: &mut Vec<u8>) {
    let (kind, size, link, rdev) = match &entry.kind {
        EntryKind::File { size, .. } => (EntryType::Regular, *size, &[][..], 0),
        EntryKind::Hardlink { target } => (EntryType::Link, 0, target.as_slice(), 0),
        EntryKind::Dir { .. } => (EntryType::Directory, 0, &[][..], 0),
        EntryKind::Symlink { target } => (EntryType::Symlink, 0, target.as_slice(), 0),
        EntryKind::Fifo => (EntryType::Fifo, 0, &[][..], 0),
        EntryKind::CharDevice { rdev } => (EntryType::Char, 0, &[][..], *rdev),
        EntryKind::BlockDevice { rdev } => (EntryType::Block, 0, &[][..], *rdev),
        EntryKind::Whiteout => {
            let name = [b".wh.", file_name(&entry.path)].concat();
            let path = join(parent(&entry.path).unwrap_or_default(), &name);
            return put_marker(&path, out);
        }
    };
    let mut path = entry.path.clone();
    if entry.is_dir() {
        if path.is_empty() {
            path.push(b'.');
        }
        path.push(b'/');
    }
    put(
        &Fields {
            path: &path,
            kind,
            size,
            link,
            rdev,
            meta: &entry.meta,
            epoch,
        },
        out,
    );
}

/// Appends the marker that makes `dir` opaque.
pub(crate) fn put_opaque(dir: &[u8], out: &mut Vec<u8>) {
    put_marker(&join(dir, b".wh..wh..opq"), out);
}

/// An empty file whose name is its meaning. Its metadata means nothing, so it is all zero.
fn put_marker(path: &[u8], out: &mut Vec<u8>) {
    let meta = Metadata::default();
    put(
        &Fields {
            path,
            kind: EntryType::Regular,
            size: 0,
            link: &[],
            rdev: 0,
            meta: &meta,
            epoch: None,
        },
        out,
    );
}

struct Fields<'a> {
    path: &'a [u8],
    kind: EntryType,
    size: u64,
    link: &'a [u8],
    rdev: u64,
    meta: &'a Metadata,
    epoch: Option<i64>,
}

fn put(fields: &Fields<'_>, out: &mut Vec<u8>) {
    let meta = fields.meta;
    let mtime = fields
        .epoch
        .map_or(meta.mtime.secs, |epoch| meta.mtime.secs.min(epoch));
    let fits = |value: u64, max: u64| value <= max;
    let mtime_fits = mtime >= 0 && fits(mtime as u64, MAX_LONG);
    let (uid, gid) = (u64::from(meta.uid), u64::from(meta.gid));
    let mut records = Vec::new();
    let mut record = |wanted: bool, key: &str, value: &[u8]| {
        if wanted {
            pax::put_record(key.as_bytes(), value, &mut records);
        }
    };
    record(!fits(gid, MAX_ID), "gid", gid.to_string().as_bytes());
    record(fields.link.len() > NAME_LEN, "linkpath", fields.link);
    record(!mtime_fits, "mtime", mtime.to_string().as_bytes());
    record(fields.path.len() > NAME_LEN, "path", fields.path);
    record(
        !fits(fields.size, MAX_LONG),
        "size",
        fields.size.to_string().as_bytes(),
    );
    record(!fits(uid, MAX_ID), "uid", uid.to_string().as_bytes());
    for (name, value) in meta.xattrs.iter() {
        pax::put_record(&[b"SCHILY.xattr.", name].concat(), value, &mut records);
    }
    if !records.is_empty() {
        put_pax_header(fields.path, &records, out);
    }
    let mut header = Header::new_ustar();
    let ustar = header.as_old_mut();
    copy(&mut ustar.name, fields.path);
    copy(&mut ustar.linkname, fields.link);
    header.set_entry_type(fields.kind);
    header.set_mode(u32::from(meta.mode));
    let or_zero = |value: u64, max: u64| if fits(value, max) { value } else { 0 };
    header.set_uid(or_zero(uid, MAX_ID));
    header.set_gid(or_zero(gid, MAX_ID));
    header.set_size(or_zero(fields.size, MAX_LONG));
    header.set_mtime(if mtime_fits { mtime as u64 } else { 0 });
    if matches!(fields.kind, EntryType::Char | EntryType::Block)
        && let Some(ustar) = header.as_ustar_mut()
    {
        ustar.set_device_major(rustix::fs::major(fields.rdev));
        ustar.set_device_minor(rustix::fs::minor(fields.rdev));
    }
    header.set_cksum();
    out.extend_from_slice(header.as_bytes());
}

/// The pax header of an entry. Its own name is only seen by readers that know no pax.
fn put_pax_header(path: &[u8], records: &[u8], out: &mut Vec<u8>) {
    let path = path.strip_suffix(b"/").unwrap_or(path);
    let mut header = Header::new_ustar();
    copy(
        &mut header.as_old_mut().name,
        &[b"PaxHeaders/", file_name(path)].concat(),
    );
    header.set_entry_type(EntryType::XHeader);
    header.set_mode(0o644);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    header.set_size(records.len() as u64);
    header.set_cksum();
    out.extend_from_slice(header.as_bytes());
    out.extend_from_slice(records);
    out.resize(out.len() + padding(records.len() as u64), 0);
}

/// Zero bytes that follow a content of this length.
pub(crate) fn padding(size: u64) -> usize {
    (BLOCK - (size % BLOCK as u64) as usize) % BLOCK
}

fn copy(field: &mut [u8], text: &[u8]) {
    let len = field.len().min(text.len());
    field[..len].copy_from_slice(&text[..len]);
}
