//! The tar around the files of an image: plain entries of root, epoch 0, in the order in which they are added.

use std::io::{self, Write};

/// Writes a tar without anything that differs between machines.
pub(super) struct TarWriter<'a> {
    out: &'a mut dyn Write,
}

/// Bytes of a tar block.
const BLOCK: u64 = 512;

impl<'a> TarWriter<'a> {
    pub(super) fn new(out: &'a mut dyn Write) -> Self {
        TarWriter { out }
    }

    /// Adds a directory; `name` without a slash at its end.
    pub(super) fn dir(&mut self, name: &str) -> io::Result<()> {
        self.header(&format!("{name}/"), 0o755, 0, tar::EntryType::Directory)
    }

    /// Adds a file whose bytes are in memory.
    pub(super) fn bytes(&mut self, name: &str, bytes: &[u8]) -> io::Result<()> {
        self.file(name, bytes.len() as u64, |out| out.write_all(bytes))
    }

    /// Adds a file of exactly `size` bytes, which `write` gives.
    pub(super) fn file<E: From<io::Error>>(
        &mut self,
        name: &str,
        size: u64,
        write: impl FnOnce(&mut dyn Write) -> Result<(), E>,
    ) -> Result<(), E> {
        self.header(name, 0o644, size, tar::EntryType::Regular)?;
        let mut exact = Exact {
            out: self.out,
            left: size,
        };
        write(&mut exact)?;
        if exact.left > 0 {
            let text = format!("`{name}` is {} bytes shorter than announced", exact.left);
            return Err(io::Error::new(io::ErrorKind::InvalidData, text).into());
        }
        let padding = size.next_multiple_of(BLOCK) - size;
        Ok(self.out.write_all(&[0; BLOCK as usize][..padding as usize])?)
    }

    fn header(&mut self, name: &str, mode: u32, size: u64, kind: tar::EntryType) -> io::Result<()> {
        let mut header = tar::Header::new_gnu();
        header.set_path(name)?;
        header.set_mode(mode);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(0);
        header.set_size(size);
        header.set_entry_type(kind);
        header.set_cksum();
        self.out.write_all(header.as_bytes())
    }

    /// Ends the archive.
    pub(super) fn finish(self) -> io::Result<()> {
        self.out.write_all(&[0; 2 * BLOCK as usize])?;
        self.out.flush()
    }
}

/// Refuses more bytes than the header announced: they would be read as the next header.
struct Exact<'a> {
    out: &'a mut dyn Write,
    left: u64,
}

impl Write for Exact<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if bytes.len() as u64 > self.left {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "more bytes than announced",
            ));
        }
        let count = self.out.write(bytes)?;
        self.left -= count as u64;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}
