//! Which compression a stream has, told from its first bytes, and the reader for it.

use std::io::{self, BufRead, BufReader, Cursor, Read};

use crate::LayerError;
use crate::archive::TarReader;

/// How bytes are compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compression {
    /// Not at all.
    None,
    /// RFC 1952.
    Gzip,
    /// RFC 8878.
    Zstd,
    /// bzip2.
    Bzip2,
    /// xz.
    Xz,
}

/// Enough of a stream to tell its compression and whether it is a tar.
const SNIFF: usize = 512;

impl Compression {
    /// Tells by the first bytes (six are enough).
    pub fn of(start: &[u8]) -> Compression {
        match start {
            [0x1f, 0x8b, 8, ..] => Compression::Gzip,
            [0x28, 0xb5, 0x2f, 0xfd, ..] => Compression::Zstd,
            // Skippable frames may come first (zstd:chunked).
            [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Compression::Zstd,
            [b'B', b'Z', b'h', b'1'..=b'9', ..] => Compression::Bzip2,
            [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Compression::Xz,
            _ => Compression::None,
        }
    }
}

/// Reads the uncompressed bytes of a stream, whatever its compression is. The end of the stream is checked: a gzip that
/// is cut off is an error. `name` stands in errors.
pub fn decompress<'r>(
    mut input: impl Read + Send + 'r,
    name: &str,
) -> Result<(Compression, Box<dyn Read + Send + 'r>), LayerError> {
    let mut start = Vec::with_capacity(SNIFF);
    (&mut input)
        .take(SNIFF as u64)
        .read_to_end(&mut start)
        .map_err(|source| LayerError::Input {
            layer: name.to_owned(),
            source,
        })?;
    let compression = Compression::of(&start);
    let all = BufReader::with_capacity(128 * 1024, Cursor::new(start).chain(input));
    let plain: Box<dyn Read + Send + 'r> = match compression {
        Compression::None => Box::new(all),
        Compression::Gzip => Box::new(flate2::bufread::MultiGzDecoder::new(all)),
        Compression::Bzip2 => Box::new(bzip2::bufread::MultiBzDecoder::new(all)),
        Compression::Xz => Box::new(lzma_rust2::XzReader::new(all, true)),
        Compression::Zstd => Box::new(ZstdFrames {
            input: Some(all),
            frame: None,
        }),
    };
    Ok((compression, plain))
}

/// Tells whether a stream is a tar, compressed or not, as `ADD` does: by what is in it and not by its name. `None` for
/// everything else, a compressed file that holds no tar among it. Reads from the stream: start again from the front.
pub fn sniff_archive(input: impl Read + Send) -> Option<Compression> {
    let (compression, mut plain) = decompress(input, "").ok()?;
    let mut block = [0; SNIFF];
    plain.read_exact(&mut block).ok()?;
    // An archive without entries is no archive: a block of zeros says nothing.
    let is_tar = block != [0; SNIFF] && TarReader::new(&block[..], "").is_header();
    is_tar.then_some(compression)
}

/// Several zstd frames, one after the other; the decoder knows only one.
struct ZstdFrames<R: BufRead> {
    input: Option<R>,
    frame: Option<Box<ruzstd::decoding::StreamingDecoder<R, ruzstd::decoding::FrameDecoder>>>,
}

impl<R: BufRead> Read for ZstdFrames<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        loop {
            if let Some(frame) = &mut self.frame {
                let read = frame.read(buffer)?;
                if read > 0 {
                    return Ok(read);
                }
                self.input = self.frame.take().map(|frame| frame.into_inner());
            }
            let Some(input) = &mut self.input else {
                return Ok(0);
            };
            let start = input.fill_buf()?;
            if start.is_empty() {
                return Ok(0);
            }
            if skip_frame(input)? {
                continue;
            }
            let Some(input) = self.input.take() else {
                return Ok(0);
            };
            let decoder = ruzstd::decoding::StreamingDecoder::new(input).map_err(io::Error::other)?;
            self.frame = Some(Box::new(decoder));
        }
    }
}

/// Passes over a skippable frame (RFC 8878, 3.1.2), if one is next.
fn skip_frame(input: &mut impl BufRead) -> io::Result<bool> {
    let start = input.fill_buf()?;
    if !matches!(start.first(), Some(0x50..=0x5f)) {
        return Ok(false);
    }
    let mut head = [0; 8];
    input.read_exact(&mut head)?;
    if head[1..4] != [0x2a, 0x4d, 0x18] {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "no zstd frame"));
    }
    let len = u64::from(u32::from_le_bytes([head[4], head[5], head[6], head[7]]));
    let skipped = io::copy(&mut input.take(len), &mut io::sink())?;
    if skipped != len {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    /// `xz -9` of `hello xz\n`.
    const XZ: &[u8] = &[
        0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00, 0x00, 0x04, 0xe6, 0xd6, 0xb4, 0x46, 0x02, 0x00, 0x21, 0x01, 0x1c,
        0x00, 0x00, 0x00, 0x10, 0xcf, 0x58, 0xcc, 0x01, 0x00, 0x08, 0x68, 0x65, 0x6c, 0x6c, 0x6f, 0x20, 0x78,
        0x7a, 0x0a, 0x00, 0x00, 0x00, 0x00, 0xc1, 0x49, 0x3a, 0xfa, 0x63, 0x52, 0x14, 0x5a, 0x00, 0x01, 0x21,
        0x09, 0x6c, 0x18, 0xc5, 0xd5, 0x1f, 0xb6, 0xf3, 0x7d, 0x01, 0x00, 0x00, 0x00, 0x00, 0x04, 0x59, 0x5a,
    ];

    #[test]
    fn xz_is_read_and_checked() {
        let read = |bytes: &[u8]| {
            let (compression, mut plain) = decompress(bytes, "x").unwrap();
            assert_eq!(compression, Compression::Xz);
            let mut text = String::new();
            plain.read_to_string(&mut text).map(|_| text)
        };
        assert_eq!(read(XZ).unwrap(), "hello xz\n");
        assert!(read(&XZ[..XZ.len() - 5]).is_err());
        let mut damaged = XZ.to_vec();
        damaged[30] ^= 1;
        assert!(read(&damaged).is_err());
    }

    #[test]
    fn archives_are_told_by_their_content() {
        let mut header = tar::Header::new_ustar();
        header.as_old_mut().name[0] = b'f';
        header.set_size(0);
        header.set_cksum();
        let tar = [&header.as_bytes()[..], &[0; 1024]].concat();
        let gzip = |bytes: &[u8]| {
            let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            encoder.write_all(bytes).unwrap();
            encoder.finish().unwrap()
        };
        assert_eq!(sniff_archive(&tar[..]), Some(Compression::None));
        assert_eq!(sniff_archive(&gzip(&tar)[..]), Some(Compression::Gzip));
        assert_eq!(sniff_archive(&gzip(b"just a file")[..]), None);
        assert_eq!(sniff_archive(&b"#!/bin/sh\n"[..]), None);
        assert_eq!(sniff_archive(&[0; 2048][..]), None);
        assert_eq!(sniff_archive(&b""[..]), None);
        let mut damaged = tar;
        damaged[3] ^= 1;
        assert_eq!(sniff_archive(&damaged[..]), None);
    }
}
