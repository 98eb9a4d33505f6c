//! Reading tar: ustar, GNU long names, pax. What is read is not trusted.
//!
//! Only the bytes become entries here; where an entry may land is decided in `unpack`.

mod sparse;

use std::io::{self, Read};

use tar::{EntryType, Header};

use crate::header::{BLOCK, padding};
use crate::listing::Timestamp;
use crate::{LayerError, pax};
use sparse::{Content, MAX_MAP, Map, Records, Run};

/// Bytes of pax records or of a GNU long name that are read into memory.
const MAX_EXTRA: u64 = 1024 * 1024;

/// What is wrong with a map of holes.
const BAD_MAP: &str = "a map of a sparse file is malformed";

/// One entry of an archive, as it says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TarEntry {
    /// The name, raw: absolute, dotted or hostile as it may be.
    pub path: Vec<u8>,
    /// What it is.
    pub kind: TarKind,
    /// Permission bits (`07777`).
    pub mode: u16,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Time of the last change.
    pub mtime: Timestamp,
    /// All extended attributes, by name as they came.
    pub xattrs: Vec<(Vec<u8>, Vec<u8>)>,
}

/// The kinds of entries that can be unpacked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TarKind {
    /// A regular file with this many bytes.
    File(u64),
    /// A further name of the entry with this name.
    Hardlink(Vec<u8>),
    /// A directory.
    Dir,
    /// A symbolic link with this text.
    Symlink(Vec<u8>),
    /// A named pipe.
    Fifo,
    /// A character device.
    CharDevice(u64),
    /// A block device.
    BlockDevice(u64),
}

/// Reads an uncompressed archive from front to back. The content of the last entry is read from the reader itself.
pub struct TarReader<R> {
    input: R,
    name: String,
    offset: u64,
    /// Content of the current entry that was not read, and the padding behind it.
    left: u64,
    padding: u64,
    /// Where the content of the current entry has its holes, if it has any.
    sparse: Option<Content>,
    ended: bool,
    /// A header for all entries was read.
    global: bool,
}

/// Owner and group; `None` when one of them is no id.
fn owner(header: &[u8; 512], extra: &Extra) -> Option<(u32, u32)> {
    let id = |given: Option<u32>, field: &[u8]| {
        // u32::MAX means "no id" to the kernel.
        let id = given.map_or_else(|| u32::try_from(number(field)?).ok(), Some)?;
        (id != u32::MAX).then_some(id)
    };
    Some((
        id(extra.uid, &header[108..116])?,
        id(extra.gid, &header[116..124])?,
    ))
}

/// What an entry is; of a file with as many bytes as the archive has of it.
fn kind(header: &Header, has_slash: bool, link: Vec<u8>, size: u64) -> Result<TarKind, &'static str> {
    let bytes = header.as_bytes();
    let device = || {
        let part = |field: &[u8]| u32::try_from(number(field)?).ok();
        Some(rustix::fs::makedev(
            part(&bytes[329..337])?,
            part(&bytes[337..345])?,
        ))
    };
    Ok(match header.entry_type() {
        // V7 archives tell a directory by its name alone.
        EntryType::Regular if bytes[156] == 0 && has_slash => TarKind::Dir,
        EntryType::Regular | EntryType::Continuous | EntryType::GNUSparse => TarKind::File(size),
        EntryType::Link => TarKind::Hardlink(link),
        EntryType::Symlink => TarKind::Symlink(link),
        EntryType::Directory => TarKind::Dir,
        EntryType::Fifo => TarKind::Fifo,
        EntryType::Char => TarKind::CharDevice(device().ok_or("has a malformed device number")?),
        EntryType::Block => TarKind::BlockDevice(device().ok_or("has a malformed device number")?),
        _ => return Err("has a type that is not supported"),
    })
}

/// What headers before an entry say about it.
#[derive(Default)]
struct Extra {
    path: Option<Vec<u8>>,
    link: Option<Vec<u8>>,
    size: Option<u64>,
    uid: Option<u32>,
    gid: Option<u32>,
    mtime: Option<(i64, u32)>,
    xattrs: Vec<(Vec<u8>, Vec<u8>)>,
    sparse: Option<Records>,
}

impl<R: Read> TarReader<R> {
    /// `name` stands in errors: "layer 2 of 5 (sha256:…)", "`files.tar`".
    pub fn new(input: R, name: impl Into<String>) -> Self {
        TarReader {
            input,
            name: name.into(),
            offset: 0,
            left: 0,
            padding: 0,
            sparse: None,
            ended: false,
            global: false,
        }
    }

    /// The name given to it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The next entry, `None` at the end. What was not read of the last one's content is passed over.
    pub fn next_entry(&mut self) -> Result<Option<TarEntry>, LayerError> {
        let mut extra = Extra::default();
        loop {
            self.skip(self.left + self.padding)?;
            (self.left, self.padding, self.sparse) = (0, 0, None);
            let Some(header) = self.header()? else {
                return Ok(None);
            };
            let bytes = header.as_bytes();
            let declared = number(&bytes[124..136]).and_then(|size| u64::try_from(size).ok());
            match header.entry_type() {
                EntryType::XHeader => {
                    let block = self.extra_block(declared)?;
                    self.pax(&block, &mut extra)?;
                }
                EntryType::XGlobalHeader => {
                    let block = self.extra_block(declared)?;
                    // Comments (git's) and defaults that no image builder writes. It must still be well-formed.
                    if pax::records(&block).is_none() {
                        return Err(self.malformed("its pax records are malformed"));
                    }
                    self.global = true;
                }
                EntryType::GNULongName => extra.path = Some(until_nul(self.extra_block(declared)?)),
                EntryType::GNULongLink => extra.link = Some(until_nul(self.extra_block(declared)?)),
                _ => return self.entry(&header, declared, extra).map(Some),
            }
        }
    }

    /// True when it begins with an entry, be it one that is refused, or with a header for all entries: when it is an
    /// archive beyond doubt.
    pub(crate) fn has_entry(&mut self) -> bool {
        match self.next_entry() {
            Ok(entry) => entry.is_some() || self.global,
            Err(LayerError::Entry { .. } | LayerError::Unsupported { .. }) => true,
            Err(_) => false,
        }
    }

    fn entry(
        &mut self,
        header: &Header,
        declared: Option<u64>,
        mut extra: Extra,
    ) -> Result<TarEntry, LayerError> {
        let bytes = header.as_bytes();
        // The name that a sparse file has beside is made up, for tools that know none.
        let sparse_name = extra.sparse.as_mut().and_then(|sparse| sparse.name.take());
        let path = sparse_name
            .or_else(|| extra.path.take())
            .unwrap_or_else(|| header.path_bytes().into_owned());
        let link = match extra.link.take() {
            Some(link) => link,
            None => header.link_name_bytes().unwrap_or_default().into_owned(),
        };
        let refuse = |what| LayerError::Entry {
            layer: self.name.clone(),
            path: path.clone(),
            what,
        };
        if path.contains(&0) || link.contains(&0) {
            return Err(refuse("has a name with a NUL byte"));
        }
        let size = extra.size.or(declared);
        let size = size.ok_or_else(|| refuse("has a malformed size"))?;
        let owner = owner(bytes, &extra).ok_or_else(|| refuse("has an owner that is no id"))?;
        let mode = number(&bytes[100..108]).ok_or_else(|| refuse("has a malformed mode"))?;
        let mtime = extra
            .mtime
            .or_else(|| Some((i64::try_from(number(&bytes[136..148])?).ok()?, 0)));
        let (secs, nanos) = mtime.ok_or_else(|| refuse("has a malformed time"))?;
        let kind = match kind(header, path.last() == Some(&b'/'), link, size).map_err(refuse)? {
            TarKind::File(size) => TarKind::File(self.begin(header, size, extra.sparse)?),
            other => other,
        };
        Ok(TarEntry {
            path,
            kind,
            mode: (mode & 0o7777) as u16,
            uid: owner.0,
            gid: owner.1,
            mtime: Timestamp { secs, nanos },
            xattrs: extra.xattrs,
        })
    }

    /// Begins the content of a file that has `size` bytes in the archive, and gives the size that it has unpacked.
    fn begin(&mut self, header: &Header, size: u64, records: Option<Records>) -> Result<u64, LayerError> {
        let is_gnu = header.entry_type() == EntryType::GNUSparse;
        let map = if is_gnu { Some(self.gnu_map(header)?) } else { None };
        (self.left, self.padding) = (size, padding(size) as u64);
        let map = match (map, records) {
            (Some(map), _) => map,
            (None, Some(records)) if records.before_data => self.map_before_data(records.map().size)?,
            (None, Some(records)) => records.map(),
            (None, None) => return Ok(size),
        };
        let map = map.checked(self.left).ok_or_else(|| self.malformed(BAD_MAP))?;
        let size = map.size;
        self.sparse = Some(Content::new(map));
        Ok(size)
    }

    fn gnu_map(&mut self, header: &Header) -> Result<Map, LayerError> {
        let mut map = Map::default();
        let mut block = *header.as_bytes();
        let mut is_header = true;
        for _ in 0..MAX_MAP / BLOCK {
            match map.add_gnu(&block, is_header) {
                None => return Err(self.malformed(BAD_MAP)),
                Some(false) => return Ok(map),
                Some(true) => self.read_exact_or(&mut block)?,
            }
            is_header = false;
        }
        Err(self.malformed(BAD_MAP))
    }

    fn map_before_data(&mut self, size: u64) -> Result<Map, LayerError> {
        let mut bytes = Vec::new();
        let (mut lines, mut wanted) = (0, 1);
        while bytes.len() < MAX_MAP && self.left >= BLOCK as u64 {
            let mut block = [0; BLOCK];
            self.read_exact_or(&mut block)?;
            self.left -= BLOCK as u64;
            bytes.extend_from_slice(&block);
            lines += block.iter().filter(|byte| **byte == b'\n').count() as u64;
            // Not to read all again for each block.
            if lines < wanted {
                continue;
            }
            match Map::of_lines(&bytes, size) {
                // The first line says how many pairs of lines follow.
                None => {
                    let first = bytes.split(|byte| *byte == b'\n').next();
                    wanted = 1 + 2 * first.and_then(pax::decimal).unwrap_or_default();
                }
                Some(Ok(map)) => return Ok(map),
                Some(Err(())) => break,
            }
        }
        Err(self.malformed(BAD_MAP))
    }

    fn pax(&self, block: &[u8], extra: &mut Extra) -> Result<(), LayerError> {
        let malformed = || self.malformed("its pax records are malformed");
        for (key, value) in pax::records(block).ok_or_else(malformed)? {
            let number = || pax::decimal(value).ok_or_else(malformed);
            let id = || u32::try_from(number()?).map_err(|_| malformed());
            match key {
                b"path" => extra.path = Some(value.to_vec()),
                b"linkpath" => extra.link = Some(value.to_vec()),
                b"size" => extra.size = Some(number()?),
                b"uid" => extra.uid = Some(id()?),
                b"gid" => extra.gid = Some(id()?),
                b"mtime" => extra.mtime = Some(pax::time(value).ok_or_else(malformed)?),
                _ => {
                    if let Some(key) = key.strip_prefix(b"GNU.sparse.") {
                        let sparse = extra.sparse.get_or_insert_default();
                        sparse.take(key, value).ok_or_else(malformed)?;
                    }
                    if let Some(name) = key.strip_prefix(b"SCHILY.xattr.")
                        && !name.is_empty()
                    {
                        extra.xattrs.push((name.to_vec(), value.to_vec()));
                    }
                }
            }
        }
        Ok(())
    }

    fn malformed(&self, what: &'static str) -> LayerError {
        LayerError::Malformed {
            layer: self.name.clone(),
            offset: self.offset,
            what,
        }
    }

    fn input_error(&self, source: io::Error) -> LayerError {
        LayerError::Input {
            layer: self.name.clone(),
            source,
        }
    }

    /// The content of a header that belongs to the next entry.
    fn extra_block(&mut self, declared: Option<u64>) -> Result<Vec<u8>, LayerError> {
        let size = declared
            .filter(|size| *size <= MAX_EXTRA)
            .ok_or_else(|| self.malformed("a header is too large"))?;
        let mut block = vec![0; size as usize];
        self.read_exact_or(&mut block)?;
        self.padding = padding(size) as u64;
        Ok(block)
    }

    /// The next header block, `None` at the end of the archive.
    fn header(&mut self) -> Result<Option<Header>, LayerError> {
        if self.ended {
            return Ok(None);
        }
        let mut block = [0; BLOCK];
        if !self.block(&mut block)? {
            // GNU tar and Go take a missing end as the end.
            self.ended = true;
            return Ok(None);
        }
        if block == [0; BLOCK] {
            let ends = !self.block(&mut block)? || block == [0; BLOCK];
            self.ended = true;
            return if ends {
                Ok(None)
            } else {
                Err(self.malformed("a zero block is followed by more"))
            };
        }
        let sum = |signed: bool| {
            block.iter().enumerate().fold(0i64, |sum, (at, &byte)| {
                let byte = if (148..156).contains(&at) { b' ' } else { byte };
                sum + if signed {
                    i64::from(byte as i8)
                } else {
                    i64::from(byte)
                }
            })
        };
        let expected = number(&block[148..156]);
        // Some old writers summed signed bytes.
        if expected != Some(i128::from(sum(false))) && expected != Some(i128::from(sum(true))) {
            return Err(self.malformed("a header does not match its checksum"));
        }
        let mut header = Header::new_old();
        header.as_mut_bytes().copy_from_slice(&block);
        Ok(Some(header))
    }

    /// Reads a whole block; `false` at a clean end of the input.
    fn block(&mut self, block: &mut [u8; BLOCK]) -> Result<bool, LayerError> {
        let mut read = 0;
        while read < BLOCK {
            match self.input.read(&mut block[read..]) {
                Ok(0) if read == 0 => return Ok(false),
                Ok(0) => return Err(self.input_error(io::ErrorKind::UnexpectedEof.into())),
                Ok(more) => {
                    read += more;
                    self.offset += more as u64;
                }
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(self.input_error(e)),
            }
        }
        Ok(true)
    }

    fn read_exact_or(&mut self, buffer: &mut [u8]) -> Result<(), LayerError> {
        self.input.read_exact(buffer).map_err(|e| self.input_error(e))?;
        self.offset += buffer.len() as u64;
        Ok(())
    }

    fn skip(&mut self, len: u64) -> Result<(), LayerError> {
        let skipped = io::copy(&mut (&mut self.input).take(len), &mut io::sink());
        let skipped = skipped.map_err(|e| self.input_error(e))?;
        self.offset += skipped;
        if skipped < len {
            return Err(self.input_error(io::ErrorKind::UnexpectedEof.into()));
        }
        Ok(())
    }

    /// Reads the next piece of the current entry's content into `buffer`; `false` when it was read whole.
    pub fn piece(&mut self, buffer: &mut Vec<u8>, max: usize) -> Result<bool, LayerError> {
        let run = match &mut self.sparse {
            Some(sparse) => sparse.next(max),
            None => {
                let want = self.left.min(max as u64) as usize;
                (want > 0).then_some(Run::Data(want))
            }
        };
        match run {
            None => return Ok(false),
            Some(Run::Zeros(len)) => {
                buffer.clear();
                buffer.resize(len, 0);
            }
            Some(Run::Data(len)) => {
                buffer.resize(len, 0);
                self.read_exact_or(buffer)?;
                self.left -= len as u64;
            }
        }
        Ok(true)
    }

    /// Reads to the end of the input, past the end of the archive: those bytes count for the layer's digest.
    pub(crate) fn drain(&mut self) -> Result<(), LayerError> {
        io::copy(&mut self.input, &mut io::sink())
            .map(|_| ())
            .map_err(|e| self.input_error(e))
    }
}

fn until_nul(mut bytes: Vec<u8>) -> Vec<u8> {
    let end = bytes.iter().position(|&byte| byte == 0).unwrap_or(bytes.len());
    bytes.truncate(end);
    bytes
}

/// A numeric field: octal digits, or base 256 (GNU), which may be negative. An empty field is 0.
fn number(field: &[u8]) -> Option<i128> {
    match field {
        [first, rest @ ..] if first & 0x80 != 0 => {
            let mut bits = rest;
            // Seven bits of the first byte are the number's, the highest of them its sign.
            let mut value = i128::from(first & 0x7f);
            if first & 0x40 != 0 {
                value -= 0x80;
            }
            while let [byte, more @ ..] = bits {
                value = value.checked_mul(256)?.checked_add(i128::from(*byte))?;
                bits = more;
            }
            Some(value)
        }
        _ => {
            let digits = field.iter().skip_while(|&&byte| byte == b' ' || byte == 0);
            let mut value = 0i128;
            for &byte in digits.take_while(|&&byte| byte != b' ' && byte != 0) {
                let digit = byte.checked_sub(b'0').filter(|digit| *digit < 8)?;
                value = value * 8 + i128::from(digit);
            }
            Some(value)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn numbers() {
        assert_eq!(number(b"0000644\0"), Some(0o644));
        assert_eq!(number(b"   12 \0\0"), Some(0o12));
        assert_eq!(number(b"\0\0\0\0"), Some(0));
        assert_eq!(number(b"12x4\0"), None);
        assert_eq!(number(&[0x80, 0, 0, 0, 0, 0x2d, 0xc6, 0xc0]), Some(3_000_000));
        assert_eq!(number(&[0xff; 12]), Some(-1));
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(mut bytes: Vec<u8>, fixed in 0usize..2) {
            bytes.resize(bytes.len().next_multiple_of(BLOCK), 7);
            if fixed == 1 && bytes.len() >= BLOCK {
                let mut header = Header::new_old();
                header.as_mut_bytes().copy_from_slice(&bytes[..BLOCK]);
                header.set_cksum();
                bytes[..BLOCK].copy_from_slice(header.as_bytes());
            }
            let mut reader = TarReader::new(&bytes[..], "fuzz");
            while let Ok(Some(_)) = reader.next_entry() {}
        }
    }
}
