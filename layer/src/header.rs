//! One entry of a layer as tar headers.
//!
//! There is exactly one way to write an entry: ustar, with a pax header in front only for what ustar cannot hold (long
//! names, large numbers, extended attributes). Whole seconds, no user names, nothing of the host.

use tar::{EntryType, Header};

use crate::listing::{Entry, EntryKind, Metadata, file_name, join, parent};
use crate::pax;

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
    let mtime = meta.mtime_by(fields.epoch).secs;
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hash::FileHash;

    fn headers(entry: &Entry, epoch: Option<i64>) -> Vec<u8> {
        let mut bytes = Vec::new();
        put_entry(entry, epoch, &mut bytes);
        assert_eq!(bytes.len() % BLOCK, 0);
        bytes
    }

    fn file(path: &str, size: u64, meta: Metadata) -> Entry {
        Entry::file(path, size, FileHash::of(b""), meta)
    }

    /// The header as another reader sees it, pax records applied.
    fn read_back<T>(bytes: &[u8], look: impl FnOnce(&mut tar::Entry<'_, &[u8]>) -> T) -> T {
        let mut archive = tar::Archive::new(bytes);
        let mut entry = archive.entries().unwrap().next().unwrap().unwrap();
        look(&mut entry)
    }

    #[test]
    fn an_ordinary_file_needs_one_block() {
        let meta = Metadata::new(0o4755, 1000, 2_097_151).with_mtime(1_700_000_000, 999_999_999);
        let bytes = headers(&file(&"n".repeat(100), 8_589_934_591, meta), None);
        assert_eq!(bytes.len(), BLOCK);
        read_back(&bytes, |entry| {
            assert_eq!(entry.path_bytes().len(), 100);
            assert_eq!(entry.header().mode().unwrap(), 0o4755);
            assert_eq!(entry.header().uid().unwrap(), 1000);
            assert_eq!(entry.header().gid().unwrap(), 2_097_151);
            assert_eq!(entry.header().mtime().unwrap(), 1_700_000_000);
            assert_eq!(entry.header().size().unwrap(), 8_589_934_591);
            assert_eq!(entry.header().username_bytes().unwrap(), b"");
        });
        // A golden: these bytes must never change, or every DiffId does.
        let meta = Metadata::new(0o644, 0, 0).with_mtime(0, 0);
        let digest = FileHash::of(&headers(&file("a", 3, meta), None));
        assert_eq!(
            digest.to_hex(),
            "5e42ae48199a165f7e8005406b8db55c2bb1383afe27179d1a0857f5c0aff534"
        );
    }

    #[test]
    fn what_ustar_cannot_hold_is_pax() {
        let size = 9 << 30;
        let meta = Metadata::new(0o644, 3_000_000, 2_097_152).with_mtime(-5, 1);
        let path = "d/".repeat(60) + "name";
        let bytes = headers(&file(&path, size, meta), None);
        let records: Vec<_> = read_back(&bytes, |entry| {
            assert_eq!(entry.path_bytes().as_ref(), path.as_bytes());
            assert_eq!(entry.size(), size);
            let records = entry.pax_extensions().unwrap().unwrap();
            records
                .map(|record| record.unwrap().key().unwrap().to_owned())
                .collect()
        });
        assert_eq!(records, ["gid", "mtime", "path", "size", "uid"]);
        let own = crate::TarReader::new(&bytes[..], "test")
            .next_entry()
            .unwrap()
            .unwrap();
        assert_eq!((own.uid, own.gid, own.mtime.secs), (3_000_000, 2_097_152, -5));
        assert_eq!(own.kind, crate::TarKind::File(size));
    }

    #[test]
    fn the_epoch_is_the_latest_date_and_the_time_of_what_has_none() {
        let meta = Metadata::new(0o644, 0, 0);
        let read = |meta: Metadata, epoch| {
            let bytes = headers(&file("f", 0, meta), epoch);
            read_back(&bytes, |entry| entry.header().mtime().unwrap())
        };
        for (secs, epoch, set, made) in [
            (100, Some(50), 50, 50),
            (10, Some(50), 10, 50),
            (100, None, 100, 100),
        ] {
            assert_eq!(read(meta.clone().with_date(secs, 7), epoch), set);
            assert_eq!(read(meta.clone().with_mtime(secs, 7), epoch), made);
        }
    }

    #[test]
    fn other_kinds() {
        let meta = Metadata::new(0o666, 0, 0);
        let mut device = file("dev/null", 0, meta.clone());
        device.kind = EntryKind::CharDevice {
            rdev: rustix::fs::makedev(1, 3),
        };
        read_back(&headers(&device, None), |entry| {
            assert!(entry.header().entry_type().is_character_special());
            assert_eq!(entry.header().device_major().unwrap(), Some(1));
            assert_eq!(entry.header().device_minor().unwrap(), Some(3));
        });
        let long = "t".repeat(101);
        read_back(
            &headers(&Entry::symlink("l", long.clone(), meta.clone()), None),
            |entry| {
                assert_eq!(entry.link_name_bytes().unwrap().as_ref(), long.as_bytes());
            },
        );
        let names = |entry: &Entry| read_back(&headers(entry, None), |entry| entry.path_bytes().into_owned());
        assert_eq!(names(&Entry::dir("", meta.clone())), b"./");
        assert_eq!(names(&Entry::dir("d", meta)), b"d/");
        assert_eq!(names(&Entry::whiteout("d/gone")), b"d/.wh.gone");
        assert_eq!(names(&Entry::whiteout("gone")), b".wh.gone");
    }
}
