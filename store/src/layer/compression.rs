//! Which compression a stream has, told from its first bytes, and the reader for it.

use std::io::{self, BufRead, BufReader, Cursor, Read};

use crate::layer::LayerError;

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
