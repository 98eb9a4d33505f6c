//! Gzip on all cores, with the same bytes for any number of them.
//!
//! The input is cut into blocks of fixed size. Each is deflated by itself, with the last 32 KiB before it as dictionary,
//! and ends at a byte boundary (a sync flush), so the blocks put together are one deflate stream in one gzip member
//! (RFC 1951, RFC 1952). The header says nothing of this host: no name, time 0, operating system unknown.

use std::io::{self, Write};
use std::num::NonZero;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};

use flate2::{Compress, Compression, Crc, FlushCompress, Status};

/// What is used when nothing else is asked for. Level 6 makes a layer 3 to 5 % smaller and takes half as long again.
pub const DEFAULT_LEVEL: u32 = 2;

const BLOCK: usize = 128 * 1024;
const DICTIONARY: usize = 32 * 1024;
/// Blocks in one batch, per thread. While one batch is compressed the next one is collected.
const PER_THREAD: usize = 4;
const HEADER: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];

/// Compresses what is written to it. [`GzipWriter::finish`] must be called: without it the stream has no end.
pub struct GzipWriter<W: Write> {
    out: W,
    level: Compression,
    /// `None` where no thread can be started: the caller's own does the work.
    pool: Option<rayon::ThreadPool>,
    /// The dictionary of the next block, then the input not yet handed to the threads.
    pending: Vec<u8>,
    /// How much of `pending` is dictionary.
    dictionary: usize,
    /// How much input is collected before the threads start on it.
    batch: usize,
    running: Option<Running>,
    crc: Crc,
    started: bool,
}

/// A batch that is being compressed.
struct Running {
    blocks: usize,
    done: Receiver<(usize, io::Result<Deflated>)>,
}

/// A compressed block, and the checksum of what it was.
type Deflated = (Vec<u8>, Crc);

impl<W: Write> GzipWriter<W> {
    /// A writer with a compression level of 0 (stored) to 9 and as many threads as there are cores.
    pub fn new(out: W, level: u32) -> io::Result<Self> {
        let threads = std::thread::available_parallelism().map_or(1, NonZero::get);
        Self::with_threads(out, level, threads)
    }

    /// A writer with a number of threads. The bytes do not depend on it.
    pub fn with_threads(out: W, level: u32, threads: usize) -> io::Result<Self> {
        let threads = threads.clamp(1, 32);
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().ok();
        Ok(GzipWriter {
            out,
            level: Compression::new(level.min(9)),
            pool,
            pending: Vec::new(),
            dictionary: 0,
            batch: threads * PER_THREAD * BLOCK,
            running: None,
            crc: Crc::new(),
            started: false,
        })
    }

    /// Compresses what is left, writes the end, and gives the output back.
    pub fn finish(mut self) -> io::Result<W> {
        self.dispatch()?;
        self.collect()?;
        self.write_header()?;
        // A final block without content: `1` (last), `01` (fixed codes), end of block.
        self.out.write_all(&[3, 0])?;
        self.out.write_all(&self.crc.sum().to_le_bytes())?;
        self.out.write_all(&self.crc.amount().to_le_bytes())?;
        self.out.flush()?;
        Ok(self.out)
    }

    fn write_header(&mut self) -> io::Result<()> {
        if self.started {
            return Ok(());
        }
        self.started = true;
        self.out.write_all(&HEADER)
    }

    /// Hands all pending input to the threads: whole blocks, and a shorter one at the very end.
    fn dispatch(&mut self) -> io::Result<()> {
        self.collect()?;
        let first = self.dictionary;
        if self.pending.len() == first {
            return Ok(());
        }
        let keep = self.pending.len().saturating_sub(DICTIONARY);
        let mut next = Vec::with_capacity(DICTIONARY + self.batch);
        next.extend_from_slice(&self.pending[keep..]);
        self.dictionary = next.len();
        let input = Arc::new(std::mem::replace(&mut self.pending, next));
        let blocks = (input.len() - first).div_ceil(BLOCK);
        let (sender, done) = channel();
        for at in 0..blocks {
            let (input, sender) = (Arc::clone(&input), sender.clone());
            let level = self.level;
            let work = move || {
                let start = first + at * BLOCK;
                let end = (start + BLOCK).min(input.len());
                let dictionary = &input[start.saturating_sub(DICTIONARY)..start];
                let result = deflate_block(level, dictionary, &input[start..end]);
                // The receiver is gone only when the writer was dropped in the middle.
                let _ = sender.send((at, result));
            };
            match &self.pool {
                Some(pool) => pool.spawn(work),
                None => work(),
            }
        }
        self.running = Some(Running { blocks, done });
        Ok(())
    }

    /// Waits for the batch under way, and writes it.
    fn collect(&mut self) -> io::Result<()> {
        let Some(Running { blocks, done }) = self.running.take() else {
            return Ok(());
        };
        self.write_header()?;
        let mut ready: Vec<Option<Deflated>> = Vec::new();
        ready.resize_with(blocks, || None);
        let mut next = 0;
        while next < blocks {
            let (at, result) = done.recv().map_err(io::Error::other)?;
            ready[at] = Some(result?);
            while let Some((bytes, crc)) = ready.get_mut(next).and_then(Option::take) {
                self.out.write_all(&bytes)?;
                self.crc.combine(&crc);
                next += 1;
            }
        }
        Ok(())
    }
}

impl<W: Write> Write for GzipWriter<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let room = self.batch - (self.pending.len() - self.dictionary);
        let taken = room.min(bytes.len());
        self.pending.extend_from_slice(&bytes[..taken]);
        if taken == room {
            self.dispatch()?;
        }
        Ok(taken)
    }

    /// Does nothing: blocks have a fixed size, so input is held back until one is full.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A compressor that is used again, though it was reset, may find other matches than a new one: it remembers what it had
/// before. Which block it had before is chance, so each block has a new one.
fn deflate_block(level: Compression, dictionary: &[u8], block: &[u8]) -> io::Result<Deflated> {
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
        let mut writer = GzipWriter::with_threads(Vec::new(), level, threads).unwrap();
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
