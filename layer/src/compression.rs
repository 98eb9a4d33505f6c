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
        Compression::Gzip => Box::new(Members {
            input: Some(all),
            member: None,
            next: skip_padding,
            open: |input| Ok(flate2::bufread::GzDecoder::new(input)),
            close: |member| Ok(member.into_inner()),
        }),
        Compression::Bzip2 => Box::new(Members {
            input: Some(all),
            member: None,
            next: skip_padding,
            open: |input| Ok(bzip2::bufread::BzDecoder::new(input)),
            close: |member| Ok(member.into_inner()),
        }),
        Compression::Xz => Box::new(lzma_rust2::XzReader::new(all, true)),
        Compression::Zstd => Box::new(Members {
            input: Some(all),
            member: None,
            next: skip_frames,
            open: |input| {
                ruzstd::decoding::StreamingDecoder::new(input)
                    .map(Box::new)
                    .map_err(io::Error::other)
            },
            close: |frame| close_frame(*frame),
        }),
    };
    Ok((compression, plain))
}

/// Tells whether a stream is a tar, compressed or not, as `ADD` does: by what is in it and not by its name. Its first
/// entry must be readable, so that zeros, with which disk images begin and an empty tar too, are no archive. `None` for
/// everything else, a compressed file that holds no tar among it. Reads from the stream: start again from the front.
pub fn sniff_archive(input: impl Read + Send) -> Option<Compression> {
    let (compression, plain) = decompress(input, "").ok()?;
    TarReader::new(plain, "").has_entry().then_some(compression)
}

/// Several compressed members, one after the other, as one stream: each decoder here knows only one.
struct Members<R, D> {
    input: Option<R>,
    member: Option<D>,
    /// Whether another member comes; passes over what may stand before it.
    next: fn(&mut R) -> io::Result<bool>,
    open: fn(R) -> io::Result<D>,
    close: fn(D) -> io::Result<R>,
}

impl<R: BufRead, D: Read> Read for Members<R, D> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        loop {
            if let Some(member) = &mut self.member {
                let read = member.read(buffer)?;
                if read > 0 {
                    return Ok(read);
                }
                self.input = self.member.take().map(self.close).transpose()?;
            }
            let Some(mut input) = self.input.take() else {
                return Ok(0);
            };
            if !(self.next)(&mut input)? {
                return Ok(0);
            }
            self.member = Some((self.open)(input)?);
        }
    }
}

/// Whether another gzip or bzip2 member comes. Zeros behind the last one fill up blocks, as on a tape, and say nothing.
fn skip_padding(input: &mut impl BufRead) -> io::Result<bool> {
    let mut padded = false;
    loop {
        let start = input.fill_buf()?;
        if start.is_empty() {
            return Ok(false);
        }
        let zeros = start.iter().take_while(|byte| **byte == 0).count();
        if zeros == 0 && padded {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "more follows after padding",
            ));
        }
        if zeros == 0 {
            return Ok(true);
        }
        padded = true;
        input.consume(zeros);
    }
}

/// The end of a frame: what it held has the checksum that it may come with.
fn close_frame<R: Read>(
    frame: ruzstd::decoding::StreamingDecoder<R, ruzstd::decoding::FrameDecoder>,
) -> io::Result<R> {
    let wanted = frame.decoder.get_checksum_from_data();
    if wanted.is_some() && wanted != frame.decoder.get_calculated_checksum() {
        return Err(io::Error::new(
            io::ErrorKind::InvalidData,
            "the checksum of a zstd frame is another one",
        ));
    }
    Ok(frame.into_inner())
}

/// Whether another zstd frame comes, skippable ones left out.
fn skip_frames(input: &mut impl BufRead) -> io::Result<bool> {
    while skip_frame(input)? {}
    Ok(!input.fill_buf()?.is_empty())
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
        assert_eq!(read(&[XZ, &[0; 512]].concat()).unwrap(), "hello xz\n");
        assert!(read(&XZ[..XZ.len() - 5]).is_err());
        let mut damaged = XZ.to_vec();
        damaged[30] ^= 1;
        assert!(read(&damaged).is_err());
    }

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn header(kind: tar::EntryType, size: u64) -> [u8; 512] {
        let mut header = tar::Header::new_ustar();
        header.as_old_mut().name[0] = b'f';
        header.set_entry_type(kind);
        header.set_size(size);
        header.set_cksum();
        *header.as_bytes()
    }

    #[test]
    fn members_follow_each_other_and_zeros_follow_the_last() {
        let bzip2 = |bytes: &[u8]| {
            let mut encoder = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::fast());
            encoder.write_all(bytes).unwrap();
            encoder.finish().unwrap()
        };
        let read = |bytes: &[u8]| {
            let mut text = String::new();
            decompress(bytes, "x")
                .unwrap()
                .1
                .read_to_string(&mut text)
                .map(|_| text)
        };
        for compress in [&gzip as &dyn Fn(&[u8]) -> Vec<u8>, &bzip2] {
            let (one, two) = (compress(b"one "), compress(b"two"));
            let zeros = vec![0; 300_000];
            assert_eq!(read(&[&one[..], &two].concat()).unwrap(), "one two");
            assert_eq!(read(&[&one[..], &two, &zeros].concat()).unwrap(), "one two");
            assert!(read(&[&one[..], b"garbage"].concat()).is_err());
            assert!(read(&[&one[..], &zeros, &two].concat()).is_err());
            assert!(read(&one[..one.len() - 1]).is_err());
        }
    }

    #[test]
    fn archives_are_told_by_their_content() {
        let tar = [&header(tar::EntryType::Regular, 0)[..], &[0; 1024]].concat();
        assert_eq!(sniff_archive(&tar[..]), Some(Compression::None));
        assert_eq!(sniff_archive(&gzip(&tar)[..]), Some(Compression::Gzip));
        assert_eq!(sniff_archive(&gzip(b"just a file")[..]), None);
        assert_eq!(sniff_archive(&b"#!/bin/sh\n"[..]), None);
        // An empty tar, and what begins like one: a disk image, a file that is not written yet.
        assert_eq!(sniff_archive(&[0; 2048][..]), None);
        assert_eq!(sniff_archive(&gzip(&[0; 10240])[..]), None);
        assert_eq!(sniff_archive(&[&[0; 1024][..], &tar].concat()[..]), None);
        assert_eq!(sniff_archive(&b""[..]), None);
        let mut damaged = tar.clone();
        damaged[3] ^= 1;
        assert_eq!(sniff_archive(&damaged[..]), None);
        // Headers that belong to an entry which does not come.
        let pax = header(tar::EntryType::XHeader, 12);
        let records = [&b"12 path=abc\n"[..], &[0; 500]].concat();
        assert_eq!(
            sniff_archive(&[&pax[..], &records, &tar].concat()[..]),
            Some(Compression::None)
        );
        assert_eq!(
            sniff_archive(&[&pax[..], &records, &[0; 1024]].concat()[..]),
            None
        );
        assert_eq!(sniff_archive(&[&pax[..], &[b'x'; 512], &tar].concat()[..]), None);
        // What git makes of an empty tree.
        let global = header(tar::EntryType::XGlobalHeader, 12);
        assert_eq!(
            sniff_archive(&[&global[..], &records, &[0; 1024]].concat()[..]),
            Some(Compression::None)
        );
        // An entry that is refused is one.
        assert_eq!(
            sniff_archive(&header(tar::EntryType::new(b'V'), 0)[..]),
            Some(Compression::None)
        );
    }
}
