//! Reading what is gzip, zstd or neither: archives and layers.

use std::io::{self, BufRead, BufReader, Read};

use flate2::bufread::MultiGzDecoder;
use ruzstd::decoding::errors::{FrameDecoderError, ReadFrameHeaderError};
use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder};

use crate::image::media_type::LayerCompression;

/// Bytes read from the source at once.
const BUFFER: usize = 128 * 1024;

/// The compression that the first bytes of a stream show (at least four of them, if there are so many).
pub fn sniff(head: &[u8]) -> LayerCompression {
    match head {
        [0x1f, 0x8b, ..] => LayerCompression::Gzip,
        [0x28, 0xb5, 0x2f, 0xfd, ..] => LayerCompression::Zstd,
        // A skippable frame: zstd:chunked files may begin with one.
        [first, 0x2a, 0x4d, 0x18, ..] if first & 0xf0 == 0x50 => LayerCompression::Zstd,
        _ => LayerCompression::None,
    }
}

/// Looks at the first bytes of a stream and gives the uncompressed stream.
pub fn decompress_sniffed<'a>(
    mut from: impl Read + 'a,
) -> io::Result<(LayerCompression, Box<dyn Read + 'a>)> {
    let mut head = Vec::new();
    from.by_ref().take(4).read_to_end(&mut head)?;
    let compression = sniff(&head);
    Ok((
        compression,
        decompress(compression, io::Cursor::new(head).chain(from)),
    ))
}

/// The uncompressed stream of a stream that is compressed as said. Damage shows as an error while reading.
pub fn decompress<'a>(compression: LayerCompression, from: impl Read + 'a) -> Box<dyn Read + 'a> {
    match compression {
        LayerCompression::None => Box::new(from),
        LayerCompression::Gzip => Box::new(MultiGzDecoder::new(BufReader::with_capacity(BUFFER, from))),
        LayerCompression::Zstd => Box::new(ZstdFrames {
            from: BufReader::with_capacity(BUFFER, from),
            decoder: FrameDecoder::new(),
            in_frame: false,
        }),
    }
}

/// A sequence of zstd frames (RFC 8878 section 3: data frames and skippable ones, in any order).
struct ZstdFrames<R: Read> {
    from: BufReader<R>,
    decoder: FrameDecoder,
    /// Between two frames the decoder holds nothing.
    in_frame: bool,
}

impl<R: Read> ZstdFrames<R> {
    /// Goes on to the next data frame; `false` at the end.
    fn next_frame(&mut self) -> io::Result<bool> {
        loop {
            if self.from.fill_buf()?.is_empty() {
                return Ok(false);
            }
            match self.decoder.reset(&mut self.from) {
                Ok(()) => return Ok(true),
                Err(FrameDecoderError::ReadFrameHeaderError(ReadFrameHeaderError::SkipFrame {
                    length,
                    ..
                })) => {
                    let length = u64::from(length);
                    if io::copy(&mut self.from.by_ref().take(length), &mut io::sink())? < length {
                        return Err(io::ErrorKind::UnexpectedEof.into());
                    }
                }
                Err(error) => return Err(io::Error::new(io::ErrorKind::InvalidData, error)),
            }
        }
    }
}

impl<R: Read> Read for ZstdFrames<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        loop {
            if !self.in_frame {
                if !self.next_frame()? {
                    return Ok(0);
                }
                self.in_frame = true;
            }
            if self.decoder.can_collect() > 0 {
                return self.decoder.read(buffer);
            }
            if self.decoder.is_finished() {
                self.in_frame = false;
                continue;
            }
            self.decoder
                .decode_blocks(&mut self.from, BlockDecodingStrategy::UptoBlocks(1))
                .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn all(from: &[u8]) -> io::Result<(LayerCompression, Vec<u8>)> {
        let (compression, mut reader) = decompress_sniffed(from)?;
        let mut out = Vec::new();
        reader.read_to_end(&mut out)?;
        Ok((compression, out))
    }

    /// `zstd -1` of `hello zstd\n`, with its checksum.
    const FRAME: &[u8] = &[
        0x28, 0xb5, 0x2f, 0xfd, 0x04, 0x48, 0x59, 0x00, 0x00, 0x68, 0x65, 0x6c, 0x6c, 0x6f, 0x20, 0x7a, 0x73,
        0x74, 0x64, 0x0a, 0x6c, 0x57, 0xf9, 0x51,
    ];

    #[test]
    fn plain_gzip_and_zstd() {
        assert_eq!(
            all(b"plain").unwrap(),
            (LayerCompression::None, b"plain".to_vec())
        );
        assert_eq!(all(b"").unwrap(), (LayerCompression::None, vec![]));
        let mut gzip = Vec::new();
        for part in [b"one", b"two"] {
            let mut encoder = flate2::write::GzEncoder::new(&mut gzip, flate2::Compression::default());
            encoder.write_all(part).unwrap();
            encoder.finish().unwrap();
        }
        assert_eq!(
            all(&gzip).unwrap(),
            (LayerCompression::Gzip, b"onetwo".to_vec()),
            "several members"
        );
        assert!(all(&gzip[..gzip.len() - 1]).is_err(), "cut");

        assert_eq!(
            all(FRAME).unwrap(),
            (LayerCompression::Zstd, b"hello zstd\n".to_vec())
        );
        let skippable = [0x5a, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 1, 2, 3];
        let frames = [&skippable[..], FRAME, &skippable, FRAME].concat();
        assert_eq!(all(&frames).unwrap().1, b"hello zstd\nhello zstd\n");
        assert!(all(&frames[..frames.len() - 9]).is_err(), "cut in a frame");
        assert!(all(&skippable[..9]).is_err(), "cut in a skippable frame");
    }
}
