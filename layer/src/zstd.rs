//! Zstandard on all cores, with the same bytes for any number of them.
//!
//! Each block is a frame of its own (RFC 8878, 3.1: frames follow each other), with its size and its checksum, so that it
//! can be read without the others.

use std::io::{self, Write};

use structured_zstd::encoding::{CompressionLevel, FrameCompressor};

use crate::blocks::{BlockFormat, BlockWriter, all_cores};

/// What is used when nothing else is asked for, as by `zstd` itself.
pub const DEFAULT_ZSTD_LEVEL: u32 = 3;
/// The highest level.
pub const MAX_ZSTD_LEVEL: u32 = 22;

/// Compresses what is written to it. [`ZstdWriter::finish`] must be called: without it the stream has no end.
pub struct ZstdWriter<W: Write>(BlockWriter<W, Zstd>);

impl<W: Write> ZstdWriter<W> {
    /// A writer with a compression level of 1 to 22 (0 is the default one) and as many threads as there are cores.
    pub fn new(out: W, level: u32) -> Self {
        Self::with_threads(out, level, all_cores())
    }

    /// A writer with a number of threads. The bytes do not depend on it.
    pub fn with_threads(out: W, level: u32, threads: usize) -> Self {
        let level = match level {
            0 => DEFAULT_ZSTD_LEVEL,
            level => level.min(MAX_ZSTD_LEVEL),
        };
        let zstd = Zstd {
            level: level.cast_signed(),
            is_empty: true,
        };
        ZstdWriter(BlockWriter::new(out, zstd, threads))
    }

    /// Compresses what is left, and gives the output back.
    pub fn finish(self) -> io::Result<W> {
        self.0.finish()
    }
}

impl<W: Write> Write for ZstdWriter<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

struct Zstd {
    level: i32,
    is_empty: bool,
}

impl BlockFormat for Zstd {
    /// 1.4 % larger than one frame for everything at level 3; half of it is 4 % larger.
    const BLOCK: usize = 4 * 1024 * 1024;
    const DICTIONARY: usize = 0;
    const PER_THREAD: usize = 1;
    const MOST_THREADS: usize = 8;
    type Level = i32;
    type Sum = ();

    fn block(level: i32, _dictionary: &[u8], block: &[u8]) -> io::Result<(Vec<u8>, ())> {
        let mut frame: FrameCompressor = FrameCompressor::new(CompressionLevel::from_level(level));
        frame.set_content_checksum(true);
        Ok((frame.compress_independent_frame(block), ()))
    }

    fn level(&self) -> i32 {
        self.level
    }

    fn head(&self) -> &'static [u8] {
        &[]
    }

    fn add(&mut self, (): &()) {
        self.is_empty = false;
    }

    /// Nothing; but nothing at all is no stream, so a frame without content stands for it.
    fn tail(&self) -> io::Result<Vec<u8>> {
        match self.is_empty {
            true => Ok(Self::block(self.level, &[], &[])?.0),
            false => Ok(Vec::new()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rbuild_oci::Digest;
    use std::io::Read;

    const BLOCK: usize = Zstd::BLOCK;

    /// Text of numbers: compressible, without a period.
    fn sample(len: usize) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(len + 16);
        for at in 0_u64.. {
            if bytes.len() >= len {
                break;
            }
            bytes.extend_from_slice(format!("{:x} ", at.wrapping_mul(at) % 1_000_003).as_bytes());
        }
        bytes.truncate(len);
        bytes
    }

    fn compressed(input: &[u8], level: u32, threads: usize, piece: usize) -> Vec<u8> {
        let mut writer = ZstdWriter::with_threads(Vec::new(), level, threads);
        for piece in input.chunks(piece) {
            writer.write_all(piece).unwrap();
        }
        writer.finish().unwrap()
    }

    fn back(bytes: &[u8]) -> Vec<u8> {
        let (found, mut plain) = crate::decompress(bytes, "x").unwrap();
        assert_eq!(found, crate::Compression::Zstd);
        let mut back = Vec::new();
        plain.read_to_end(&mut back).unwrap();
        back
    }

    #[test]
    fn same_bytes_for_any_threads_and_pieces() {
        for len in [0, 1, BLOCK - 1, BLOCK, BLOCK + 1, 3 * BLOCK + 17] {
            let input = sample(len);
            let one = compressed(&input, 1, 1, 1 << 20);
            assert_eq!(one, compressed(&input, 1, 4, 7919), "{len}");
            assert_eq!(one, compressed(&input, 1, 3, BLOCK), "{len}");
            assert!(back(&one) == input, "{len}");
        }
    }

    /// Who finds another digest here has another version of the encoder: images that are built anew have other blobs.
    #[test]
    fn the_bytes_of_a_level_are_pinned() {
        let input = sample(300_000);
        let digests: Vec<String> = [1, 3, 7, 19]
            .iter()
            .map(|level| Digest::of(&compressed(&input, *level, 2, 4096)).to_hex()[..16].to_owned())
            .collect();
        assert_eq!(
            digests,
            [
                "3a575a035f18e79b",
                "69f67c034ac0e212",
                "45b46a17c68c3c40",
                "aaf7190e7487d54f"
            ]
        );
    }

    #[test]
    fn every_level_reads_back() {
        let input = sample(200_005);
        for level in 0..=MAX_ZSTD_LEVEL {
            let bytes = compressed(&input, level, 2, 4096);
            assert!(back(&bytes) == input, "level {level}");
        }
        assert_eq!(compressed(&input, 0, 1, 4096), compressed(&input, 3, 1, 4096));
    }

    #[test]
    fn damage_is_noticed() {
        let mut bytes = compressed(&sample(100_000), 3, 1, 4096);
        let middle = bytes.len() / 2;
        bytes[middle] ^= 0x10;
        let (_, mut plain) = crate::decompress(&bytes[..], "x").unwrap();
        assert!(plain.read_to_end(&mut Vec::new()).is_err());
    }
}
