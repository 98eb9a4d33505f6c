//! The loader that a program names: its `PT_INTERP`, as `elf(5)` has it and the kernel reads it.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;

use rustix::fd::AsFd;
use rustix::io::pread;

/// Where things stand in one of the two classes of files.
struct Layout {
    program_headers: usize,
    entry_size: usize,
    entries: usize,
    offset: usize,
    length: usize,
    /// Bytes of an address.
    word: usize,
}

const BITS_32: Layout = Layout {
    program_headers: 28,
    entry_size: 42,
    entries: 44,
    offset: 4,
    length: 16,
    word: 4,
};
const BITS_64: Layout = Layout {
    program_headers: 32,
    entry_size: 54,
    entries: 56,
    offset: 8,
    length: 32,
    word: 8,
};
const PT_INTERP: u64 = 3;
/// `PATH_MAX`: the kernel takes no longer one.
const LONGEST: usize = 4096;

/// The path of the loader; `None` for what is no ELF file of this machine's byte order, or names none.
pub(crate) fn loader(file: impl AsFd, start: &[u8]) -> Option<OsString> {
    let layout = match start.strip_prefix(b"\x7fELF")?.first()? {
        1 => BITS_32,
        2 => BITS_64,
        _ => return None,
    };
    let file = file.as_fd();
    let headers = number(start, layout.program_headers, layout.word)?;
    let size = usize::try_from(number(start, layout.entry_size, 2)?).ok()?;
    let mut header = vec![0; size];
    for at in 0..number(start, layout.entries, 2)? {
        let place = headers.checked_add(at.checked_mul(size as u64)?)?;
        if pread(file, &mut header[..], place).ok()? != size {
            return None;
        }
        if number(&header, 0, 4)? != PT_INTERP {
            continue;
        }
        let length = usize::try_from(number(&header, layout.length, layout.word)?).ok()?;
        let mut path = vec![0; length.min(LONGEST)];
        let read = pread(file, &mut path[..], number(&header, layout.offset, layout.word)?).ok()?;
        path.truncate(read);
        if let Some(end) = path.iter().position(|byte| *byte == 0) {
            path.truncate(end);
        }
        return Some(OsString::from_vec(path));
    }
    None
}

/// A number in this machine's byte order, which is that of its programs.
fn number(bytes: &[u8], at: usize, size: usize) -> Option<u64> {
    let bytes = bytes.get(at..at.checked_add(size)?)?;
    Some(match size {
        2 => u16::from_ne_bytes(bytes.try_into().ok()?).into(),
        4 => u32::from_ne_bytes(bytes.try_into().ok()?).into(),
        _ => u64::from_ne_bytes(bytes.try_into().ok()?),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(bytes: &[u8]) -> Option<OsString> {
        use std::io::Write;
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        loader(&file, &bytes[..bytes.len().min(256)])
    }

    /// A file with two program headers, the second of which names a loader.
    fn elf(layout: &Layout, class: u8) -> Vec<u8> {
        let mut bytes = vec![0; 400];
        bytes[..5].copy_from_slice(&[0x7f, b'E', b'L', b'F', class]);
        let mut put = |at: usize, value: u64, size: usize| match size {
            2 => bytes[at..at + 2].copy_from_slice(&(value as u16).to_ne_bytes()),
            4 => bytes[at..at + 4].copy_from_slice(&(value as u32).to_ne_bytes()),
            _ => bytes[at..at + 8].copy_from_slice(&value.to_ne_bytes()),
        };
        put(layout.program_headers, 64, layout.word);
        put(layout.entry_size, 56, 2);
        put(layout.entries, 2, 2);
        put(64, 1, 4);
        put(120, PT_INTERP, 4);
        put(120 + layout.offset, 300, layout.word);
        put(120 + layout.length, 15, layout.word);
        bytes[300..315].copy_from_slice(b"/proc/self/exe\0");
        bytes
    }

    #[test]
    fn loaders_of_both_classes() {
        for (layout, class) in [(&BITS_32, 1), (&BITS_64, 2)] {
            assert_eq!(of(&elf(layout, class)), Some("/proc/self/exe".into()));
        }
        assert_eq!(of(b"#!/bin/sh\n"), None);
        assert_eq!(of(b"\x7fELF\x02"), None);
        let mut cut = elf(&BITS_64, 2);
        cut.truncate(150);
        assert_eq!(of(&cut), None);
    }
}
