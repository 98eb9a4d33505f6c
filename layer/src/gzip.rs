//! Gzip on all cores, with the same bytes for any number of them.
//!
//! Each block is deflated with the last 32 KiB before it as dictionary, and ends at a byte boundary (a sync flush), so the
//! blocks put together are one deflate stream in one gzip member (RFC 1951, RFC 1952). The header says nothing of this
//! host: no name, time 0, operating system unknown.

use std::io::{self, Write};

use flate2::{Compress, Compression, Crc, FlushCompress, Status};

use crate::blocks::{BlockFormat, BlockWriter, all_cores};

/// What is used when nothing else is asked for. Level 6 makes a layer 3 to 5 % smaller and takes half as long again.
pub const DEFAULT_LEVEL: u32 = 2;

const BLOCK: usize = 128 * 1024;
const HEADER: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];

/// Compresses what is written to it. [`GzipWriter::finish`] must be called: without it the stream has no end.
pub struct GzipWriter<W: Write>(BlockWriter<W, Gzip>);

impl<W: Write> GzipWriter<W> {
    /// A writer with a compression level of 0 (stored) to 9 and as many threads as there are cores.
    pub fn new(out: W, level: u32) -> Self {
        Self::with_threads(out, level, all_cores())
    }

    /// A writer with a number of threads. The bytes do not depend on it.
    pub fn with_threads(out: W, level: u32, threads: usize) -> Self {
        let gzip = Gzip {
            level: Compression::new(level.min(9)),
            crc: Crc::new(),
        };
        GzipWriter(BlockWriter::new(out, gzip, threads))
    }

    /// Compresses what is left, writes the end, and gives the output back.
    pub fn finish(self) -> io::Result<W> {
        self.0.finish()
    }
}

impl<W: Write> Write for GzipWriter<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

/// One member: how it is deflated, and the checksum of what was.
struct Gzip {
    level: Compression,
    crc: Crc,
}

impl BlockFormat for Gzip {
    const BLOCK: usize = BLOCK;
    const DICTIONARY: usize = 32 * 1024;
    const PER_THREAD: usize = 4;
    const MOST_THREADS: usize = 32;
    type Level = Compression;
    type Sum = Crc;

    fn block(level: Compression, dictionary: &[u8], block: &[u8]) -> io::Result<(Vec<u8>, Crc)> {
        deflate_block(level, dictionary, block)
    }

    fn level(&self) -> Compression {
        self.level
    }

    fn head(&self) -> &'static [u8] {
        &HEADER
    }

    fn add(&mut self, sum: &Crc) {
        self.crc.combine(sum);
    }

    fn tail(&self) -> io::Result<Vec<u8>> {
        // A final block without content: `1` (last), `01` (fixed codes), end of block.
        let mut tail = vec![3, 0];
        tail.extend(self.crc.sum().to_le_bytes());
        tail.extend(self.crc.amount().to_le_bytes());
        Ok(tail)
    }
}

/// A compressor that is used again, though it was reset, may find other matches than a new one: it remembers what it had
/// before. Which block it had before is chance, so each block has a new one.
fn deflate_block(level: Compression, dictionary: &[u8], block: &[u8]) -> io::Result<(Vec<u8>, Crc)> {
    let mut deflate = Compress::new(level, false);
    if !dictionary.is_empty() {
        deflate.set_dictionary(dictionary).map_err(io::Error::other)?;
    }
    let mut crc = Crc::new();
    crc.update(block);
    // Deflate adds at most 5 bytes per 16 KiB to what it cannot compress.
    let mut output = Vec::with_capacity(block.len() + block.len() / 1024 + 64);
    loop {
        let done = deflate.total_in() as usize;
        let status = deflate
            .compress_vec(&block[done..], &mut output, FlushCompress::Sync)
            .map_err(io::Error::other)?;
        // A sync flush is complete when there was room left for more.
        let complete = deflate.total_in() as usize == block.len() && output.len() < output.capacity();
        match status {
            Status::Ok | Status::BufError if complete => return Ok((output, crc)),
            Status::Ok | Status::BufError => output.reserve(BLOCK / 4),
            Status::StreamEnd => return Err(io::Error::other("deflate ended in the middle")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;

    fn sample(len: usize) -> Vec<u8> {
        // Compressible, without a period that a block could hide.
        (0..len as u64)
            .map(|at| (at.wrapping_mul(at) >> 7) as u8 & 0x3f | (at >> 15) as u8)
            .collect()
    }

    fn compressed(input: &[u8], level: u32, threads: usize, piece: usize) -> Vec<u8> {
        let mut writer = GzipWriter::with_threads(Vec::new(), level, threads);
        for piece in input.chunks(piece) {
            writer.write_all(piece).unwrap();
        }
        writer.finish().unwrap()
    }

    #[test]
    fn same_bytes_for_any_threads_and_pieces() {
        for len in [0, 1, BLOCK - 1, BLOCK, BLOCK + 1, 9 * BLOCK + 17, 40 * BLOCK] {
            let input = sample(len);
            let one = compressed(&input, 6, 1, 1 << 20);
            assert_eq!(one, compressed(&input, 6, 4, 7919), "{len}");
            assert_eq!(one, compressed(&input, 6, 3, BLOCK), "{len}");
            let mut back = Vec::new();
            // Not the multi-member reader: this must be one member.
            flate2::read::GzDecoder::new(&one[..])
                .read_to_end(&mut back)
                .unwrap();
            assert_eq!(back, input, "{len}");
            assert_eq!(one[..10], HEADER);
        }
    }

    /// What a layer is like: text and programs, which repeat at all distances.
    fn layer(len: usize) -> Vec<u8> {
        let mut state = 7_u64;
        let mut random = |below: u64| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state % below
        };
        let words: Vec<Vec<u8>> = (0..700)
            .map(|_| (0..2 + random(14)).map(|_| b' ' + random(90) as u8).collect())
            .collect();
        let mut bytes = Vec::with_capacity(len + 16);
        while bytes.len() < len {
            // The square prefers some words to others.
            bytes.extend_from_slice(&words[(random(700) * random(700) / 700) as usize]);
        }
        bytes.truncate(len);
        bytes
    }

    /// Which thread takes which block, and after which other, is chance; a busy machine makes that chance large.
    #[test]
    fn same_bytes_hundreds_of_times_under_load() {
        let stop = std::sync::atomic::AtomicBool::new(false);
        let input = layer(8 * BLOCK + 4321);
        std::thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                        std::hint::spin_loop();
                    }
                });
            }
            let mut seen: Vec<std::collections::BTreeSet<Vec<u8>>> = vec![Default::default(); 10];
            for round in 0..100 {
                for level in [1, DEFAULT_LEVEL, 6] {
                    let bytes = compressed(&input, level, 1 + round % 7, 64 * 1024);
                    seen[level as usize].insert(bytes);
                }
            }
            stop.store(true, std::sync::atomic::Ordering::Relaxed);
            let counts: Vec<usize> = seen.iter().map(|seen| seen.len()).collect();
            assert_eq!(counts, [0, 1, 1, 0, 0, 0, 1, 0, 0, 0], "digests by level");
        });
    }

    #[test]
    fn every_level_reads_back() {
        let input = sample(3 * BLOCK + 5);
        for level in 0..=9 {
            let mut back = Vec::new();
            let bytes = compressed(&input, level, 2, 4096);
            flate2::read::GzDecoder::new(&bytes[..])
                .read_to_end(&mut back)
                .unwrap();
            assert!(back == input, "level {level}");
            assert_eq!(bytes.len() > input.len(), level == 0, "0 is stored as it is");
        }
    }

    #[test]
    fn what_cannot_be_compressed_fits_too() {
        let mut state = 1u64;
        let input: Vec<u8> = (0..2 * BLOCK + 99)
            .map(|_| {
                state = state
                    .wrapping_mul(6364136223846793005)
                    .wrapping_add(1442695040888963407);
                (state >> 56) as u8
            })
            .collect();
        let mut back = Vec::new();
        flate2::read::GzDecoder::new(&compressed(&input, 6, 2, 1000)[..])
            .read_to_end(&mut back)
            .unwrap();
        assert!(back == input);
    }
}
