//! A listing on disk.
//!
//! ```text
//! header    16 bytes "rbuild listing \n", format u32, 4 bytes 0
//! blocks    each up to 64 entries, one after the other
//! index     per block: offset u64, length u32, entries u32, SHA-256 of the block, length u32 and bytes of its first path
//! trailer   offset u64 and length u64 of the index, blocks u64, entries u64, file length u64, SHA-256 of index and
//!           these five numbers
//! ```
//! All numbers are little endian. Opening reads trailer and index; looking up a path reads one block. Every block is
//! checked against the index, the index against the trailer: what is damaged is found before it is believed, also when
//! the file was closed in between. A small file is read whole.

use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use rbuild_oci::hash::sha256;
use sha2::{Digest as _, Sha256};

use super::codec::{self, Times};
use super::cursor::EntryRef;
use super::{Entry, Listing, ListingError, path_cmp};
use crate::handles::Handle;

/// The number of the format that this program reads and writes.
pub(crate) const FORMAT: u32 = 2;

const MAGIC: &[u8; 16] = b"rbuild listing \n";
const HEADER: usize = 24;
const TRAILER: usize = 5 * 8 + 32;
const BLOCK_ENTRIES: usize = 64;
const CACHED_BLOCKS: usize = 32;

/// Up to this many bytes it is read whole when it is opened: most layers are that small, and there may be thousands.
const SMALL: u64 = 32 * 1024;

impl Listing {
    /// Writes the file form.
    pub fn write_to(&self, mut out: impl Write) -> io::Result<()> {
        let mut header = MAGIC.to_vec();
        header.extend_from_slice(&FORMAT.to_le_bytes());
        header.extend_from_slice(&[0; 4]);
        out.write_all(&header)?;
        let mut offset = header.len() as u64;
        let mut index = Vec::new();
        let mut blocks = 0u64;
        let mut block = Vec::new();
        for entries in self.entries().chunks(BLOCK_ENTRIES) {
            block.clear();
            for entry in entries {
                codec::encode(entry, Times::All, &mut block);
            }
            index.extend_from_slice(&offset.to_le_bytes());
            index.extend_from_slice(&(block.len() as u32).to_le_bytes());
            index.extend_from_slice(&(entries.len() as u32).to_le_bytes());
            index.extend_from_slice(&sha256(&block));
            let first = entries.first().map_or(&[][..], |entry| &entry.path);
            index.extend_from_slice(&(first.len() as u32).to_le_bytes());
            index.extend_from_slice(first);
            out.write_all(&block)?;
            offset += block.len() as u64;
            blocks += 1;
        }
        let mut tail = index;
        let index_len = tail.len() as u64;
        let total = offset + index_len + TRAILER as u64;
        for number in [offset, index_len, blocks, self.len() as u64, total] {
            tail.extend_from_slice(&number.to_le_bytes());
        }
        let hash = sha256(&tail);
        tail.extend_from_slice(&hash);
        out.write_all(&tail)?;
        // A buffer that is dropped tells nobody what it could not write.
        out.flush()
    }

    /// The file form.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        // Memory takes what is written to it.
        let _ = self.write_to(&mut bytes);
        bytes
    }

    /// Reads the file form, which may be anything. `name` stands in errors.
    pub fn from_bytes(bytes: Vec<u8>, name: impl Into<PathBuf>) -> Result<Listing, ListingError> {
        let len = bytes.len() as u64;
        ListingFile::read(name.into(), Bytes::Here(bytes), len)?.load()
    }
}

/// A listing file, open for questions. Shared between threads.
#[derive(Debug)]
pub struct ListingFile {
    bytes: Bytes,
    path: PathBuf,
    blocks: Vec<Block>,
    len: u64,
    cache: Mutex<Vec<(usize, Arc<Vec<Entry>>)>>,
}

/// Where its bytes are.
#[derive(Debug)]
enum Bytes {
    Here(Vec<u8>),
    OnDisk(Handle<File>),
}

impl Bytes {
    /// All of an open file, or the file.
    fn of(file: File, len: u64) -> io::Result<Bytes> {
        if len > SMALL {
            return Ok(Bytes::OnDisk(Handle::new(file)));
        }
        let mut bytes = vec![0; len as usize];
        file.read_exact_at(&mut bytes, 0)?;
        Ok(Bytes::Here(bytes))
    }

    #[expect(clippy::disallowed_methods, reason = "the path of a manifest in the store")]
    fn read(&self, path: &Path, into: &mut [u8], offset: u64) -> io::Result<()> {
        match self {
            Bytes::OnDisk(handle) => handle.get(|| File::open(path))?.read_exact_at(into, offset),
            Bytes::Here(bytes) => {
                let from = usize::try_from(offset).ok();
                let slice = from.and_then(|from| bytes.get(from..from.checked_add(into.len())?));
                into.copy_from_slice(slice.ok_or(io::ErrorKind::UnexpectedEof)?);
                Ok(())
            }
        }
    }
}

#[derive(Debug)]
struct Block {
    offset: u64,
    len: usize,
    entries: usize,
    hash: [u8; 32],
    first: Vec<u8>,
}

impl ListingFile {
    /// Opens a listing file; reads its index and nothing else.
    pub fn open(path: impl Into<PathBuf>) -> Result<ListingFile, ListingError> {
        let path = path.into();
        let io = |source| ListingError::Io {
            operation: "open",
            path: path.clone(),
            source,
        };
        #[expect(clippy::disallowed_methods, reason = "a file of the store")]
        let file = File::open(&path).map_err(io)?;
        let file_len = file.metadata().map_err(io)?.len();
        let bytes = Bytes::of(file, file_len).map_err(io)?;
        Self::read(path, bytes, file_len)
    }

    /// Reads the index of what claims to be a listing.
    fn read(path: PathBuf, bytes: Bytes, file_len: u64) -> Result<ListingFile, ListingError> {
        let io = |source| ListingError::Io {
            operation: "open",
            path: path.clone(),
            source,
        };
        let damaged = |what| ListingError::Damaged {
            path: path.clone(),
            what,
        };
        if file_len < (HEADER + TRAILER) as u64 {
            return Err(damaged("it is too short"));
        }
        let read = |into: &mut [u8], offset| bytes.read(&path, into, offset).map_err(io);
        let mut header = [0; HEADER];
        read(&mut header, 0)?;
        if &header[..16] != MAGIC {
            return Err(damaged("it does not begin as a listing"));
        }
        let format = u32::from_le_bytes([header[16], header[17], header[18], header[19]]);
        if format != FORMAT {
            return Err(ListingError::Format { path, found: format });
        }
        let mut trailer = [0; TRAILER];
        read(&mut trailer, file_len - TRAILER as u64)?;
        let mut numbers = &trailer[..40];
        let mut number = || take_u64(&mut numbers).unwrap_or(0);
        let (index_offset, index_len, blocks, entries, total) =
            (number(), number(), number(), number(), number());
        if total != file_len || index_offset.checked_add(index_len) != Some(file_len - TRAILER as u64) {
            return Err(damaged("its length is wrong"));
        }
        let mut index = vec![0; index_len as usize];
        read(&mut index, index_offset)?;
        let mut hasher = Sha256::new();
        hasher.update(&index);
        hasher.update(&trailer[..40]);
        if hasher.finalize().as_slice() != &trailer[40..] {
            return Err(damaged("its index does not match its checksum"));
        }
        let blocks =
            read_index(&index, blocks, index_offset).ok_or_else(|| damaged("its index is malformed"))?;
        Ok(ListingFile {
            bytes,
            path,
            blocks,
            len: entries,
            cache: Mutex::new(Vec::new()),
        })
    }

    /// The path it was opened by.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The number of entries.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// True when it has no entries.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The entry at a path.
    pub fn get(&self, path: &[u8]) -> Result<Option<EntryRef>, ListingError> {
        let Some(at) = self.block_for(path) else {
            return Ok(None);
        };
        let block = self.block(at)?;
        let found = block.binary_search_by(|entry| path_cmp(&entry.path, path));
        Ok(found.ok().map(|index| EntryRef { block, index }))
    }

    /// Reads it whole, checking every block.
    pub fn load(&self) -> Result<Listing, ListingError> {
        // What it says of itself may be wrong.
        let most = self.blocks.len() * BLOCK_ENTRIES;
        let mut entries = Vec::with_capacity(most.min(self.len as usize));
        for at in 0..self.blocks.len() {
            entries.extend(self.read_block(at)?);
        }
        if entries.len() as u64 != self.len {
            return Err(self.damaged("the number of entries is wrong"));
        }
        Listing::new(entries)
    }

    fn damaged(&self, what: &'static str) -> ListingError {
        ListingError::Damaged {
            path: self.path.clone(),
            what,
        }
    }

    pub(super) fn block_count(&self) -> usize {
        self.blocks.len()
    }

    /// The only block that can hold `path`.
    pub(super) fn block_for(&self, path: &[u8]) -> Option<usize> {
        self.blocks
            .partition_point(|block| path_cmp(&block.first, path).is_le())
            .checked_sub(1)
    }

    /// A block, from memory if it was asked for lately.
    pub(super) fn block(&self, at: usize) -> Result<Arc<Vec<Entry>>, ListingError> {
        let cached = |cache: &mut Vec<(usize, Arc<Vec<Entry>>)>| {
            let found = cache.iter().position(|(have, _)| *have == at)?;
            cache[..=found].rotate_right(1);
            Some(Arc::clone(&cache[0].1))
        };
        if let Ok(mut cache) = self.cache.lock()
            && let Some(block) = cached(&mut cache)
        {
            return Ok(block);
        }
        let block = Arc::new(self.read_block(at)?);
        if let Ok(mut cache) = self.cache.lock() {
            cache.truncate(CACHED_BLOCKS - 1);
            cache.insert(0, (at, Arc::clone(&block)));
        }
        Ok(block)
    }

    fn read_block(&self, at: usize) -> Result<Vec<Entry>, ListingError> {
        let Some(block) = self.blocks.get(at) else {
            return Err(self.damaged("a block is missing"));
        };
        let mut bytes = vec![0; block.len];
        self.bytes
            .read(&self.path, &mut bytes, block.offset)
            .map_err(|source| ListingError::Io {
                operation: "read",
                path: self.path.clone(),
                source,
            })?;
        if sha256(&bytes) != block.hash {
            return Err(self.damaged("a block does not match its checksum"));
        }
        let mut input = bytes.as_slice();
        let mut entries = Vec::with_capacity(block.entries.min(BLOCK_ENTRIES));
        while !input.is_empty() {
            entries.push(codec::decode(&mut input).ok_or_else(|| self.damaged("an entry is malformed"))?);
        }
        if entries.len() != block.entries {
            return Err(self.damaged("a block has another number of entries"));
        }
        Ok(entries)
    }
}

fn read_index(mut index: &[u8], blocks: u64, end: u64) -> Option<Vec<Block>> {
    let mut list = Vec::new();
    let mut next = HEADER as u64;
    while !index.is_empty() {
        let offset = take_u64(&mut index)?;
        let len = take_u32(&mut index)? as usize;
        let entries = take_u32(&mut index)? as usize;
        let hash = codec::take(&mut index, 32)?.try_into().ok()?;
        let first_len = take_u32(&mut index)? as usize;
        let first = codec::take(&mut index, first_len)?.to_vec();
        // One after the other: none is read twice.
        if offset != next || offset.checked_add(len as u64)? > end {
            return None;
        }
        next = offset + len as u64;
        list.push(Block {
            offset,
            len,
            entries,
            hash,
            first,
        });
    }
    (list.len() as u64 == blocks).then_some(list)
}

fn take_u64(input: &mut &[u8]) -> Option<u64> {
    Some(u64::from_le_bytes(codec::take(input, 8)?.try_into().ok()?))
}

fn take_u32(input: &mut &[u8]) -> Option<u32> {
    Some(u32::from_le_bytes(codec::take(input, 4)?.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hash::FileHash;
    use crate::listing::{Metadata, Source};

    /// A disk that is full.
    struct Full;

    impl Write for Full {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::Error::from_raw_os_error(28))
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn what_a_buffer_cannot_write_is_an_error() {
        let written = sample(1, 1).write_to(io::BufWriter::with_capacity(64 * 1024, Full));
        assert_eq!(written.unwrap_err().raw_os_error(), Some(28));
    }

    fn sample(dirs: usize, files: usize) -> Listing {
        let mut entries = Vec::new();
        for dir in 0..dirs {
            entries.push(Entry::dir(
                format!("d{dir}"),
                Metadata::new(0o755, 0, 0).with_mtime(-5, 7),
            ));
            for file in 0..files {
                let mut meta = Metadata::new(0o644, 1, 2);
                meta.xattrs.set(b"user.x", b"a\nb\0");
                entries.push(Entry::file(
                    format!("d{dir}/f{file}"),
                    file as u64,
                    FileHash::of(b"x"),
                    meta,
                ));
            }
        }
        Listing::new(entries).unwrap()
    }

    fn written(listing: &Listing) -> (tempfile::NamedTempFile, ListingFile) {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        listing.write_to(&mut file).unwrap();
        let open = ListingFile::open(file.path()).unwrap();
        (file, open)
    }

    #[test]
    fn file_answers_as_memory_does() {
        for (dirs, files) in [(0, 0), (1, 0), (1, 62), (1, 63), (1, 64), (7, 100)] {
            let listing = sample(dirs, files);
            let (_file, open) = written(&listing);
            assert_eq!(open.load().unwrap(), listing);
            for path in [
                "", "d", "d0", "d0/f1", "d3/f99", "d3/f99/x", "d6/f99", "zzz", "d9",
            ] {
                let found = open.get(path.as_bytes()).unwrap();
                assert_eq!(found.as_deref(), listing.get(path.as_bytes()), "{path}");
            }
        }
    }

    #[test]
    fn cursor_seeks_forwards_and_backwards() {
        let listing = sample(5, 100);
        let (_file, open) = written(&listing);
        for source in [Source::Memory(listing.clone()), Source::File(Arc::new(open))] {
            let mut cursor = source.seek(b"").unwrap();
            let mut seen = Vec::new();
            while let Some(entry) = cursor.peek() {
                seen.push(entry.clone());
                cursor.advance().unwrap();
            }
            assert_eq!(seen, listing.entries());
            for path in ["d3/f5", "d1", "d1/f99", "d1/f990", "d0", "zz", "d4/f7"] {
                cursor.seek(path.as_bytes()).unwrap();
                let expected = listing
                    .entries()
                    .iter()
                    .find(|entry| path_cmp(&entry.path, path.as_bytes()).is_ge());
                assert_eq!(cursor.peek(), expected, "{path}");
            }
        }
    }

    #[test]
    fn every_damaged_byte_is_noticed() {
        let listing = sample(2, 70);
        let mut bytes = Vec::new();
        listing.write_to(&mut bytes).unwrap();
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("listing");
        let reads = |bytes: &[u8]| {
            std::fs::write(&path, bytes).unwrap();
            ListingFile::open(&path).and_then(|file| file.load())
        };
        assert!(reads(&bytes).is_ok());
        for at in (0..bytes.len())
            .step_by(13)
            .chain(0..20)
            .filter(|at| !(20..24).contains(at))
        {
            let mut damaged = bytes.clone();
            damaged[at] ^= 0x40;
            assert!(reads(&damaged).is_err(), "byte {at}");
        }
        for len in (0..bytes.len()).step_by(97) {
            assert!(reads(&bytes[..len]).is_err(), "cut to {len}");
        }
        let mut other = bytes.clone();
        other[16] = 9;
        assert!(matches!(
            reads(&other),
            Err(ListingError::Format { found: 9, .. })
        ));
    }
}
