//! Compression on all cores, with the same bytes for any number of them.
//!
//! The input is cut into blocks of fixed size. Each is compressed by itself, whichever thread does it and after which
//! other block, and what came of them is written in their order.

use std::io::{self, Write};
use std::num::NonZero;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};

/// A format whose streams can be made block by block.
pub(crate) trait BlockFormat {
    /// Bytes of input in a block.
    const BLOCK: usize;
    /// How many bytes before a block are given along with it.
    const DICTIONARY: usize;
    /// Blocks in one batch, per thread. While one batch is compressed the next one is collected.
    const PER_THREAD: usize;
    /// More threads would have too much in memory at once.
    const MOST_THREADS: usize;
    /// How hard to try.
    type Level: Copy + Send + 'static;
    /// What the end of the stream needs to know of a block.
    type Sum: Send + 'static;

    /// Compresses a block. A function of these arguments alone.
    fn block(level: Self::Level, dictionary: &[u8], block: &[u8]) -> io::Result<Compressed<Self::Sum>>;

    /// How hard to try.
    fn level(&self) -> Self::Level;

    /// What the stream begins with.
    fn head(&self) -> &'static [u8];

    /// Takes note of a block that was written, in the order of blocks.
    fn add(&mut self, sum: &Self::Sum);

    /// What the stream ends with.
    fn tail(&self) -> io::Result<Vec<u8>>;
}

/// Compresses what is written to it. [`BlockWriter::finish`] must be called: without it the stream has no end.
pub(crate) struct BlockWriter<W: Write, F: BlockFormat> {
    out: W,
    format: F,
    /// `None` where no thread can be started: the caller's own does the work.
    pool: Option<rayon::ThreadPool>,
    /// The dictionary of the next block, then the input not yet handed to the threads.
    pending: Vec<u8>,
    /// How much of `pending` is dictionary.
    dictionary: usize,
    /// How much input is collected before the threads start on it.
    batch: usize,
    running: Option<Running<F::Sum>>,
    started: bool,
}

/// A block, compressed, and what the end of the stream needs to know of it.
type Compressed<S> = (Vec<u8>, S);

/// A batch that is being compressed.
struct Running<S> {
    blocks: usize,
    done: Receiver<(usize, io::Result<Compressed<S>>)>,
}

/// As many threads as there are cores.
pub(crate) fn all_cores() -> usize {
    std::thread::available_parallelism().map_or(1, NonZero::get)
}

impl<W: Write, F: BlockFormat> BlockWriter<W, F> {
    /// A writer with a number of threads. The bytes do not depend on it.
    pub(crate) fn new(out: W, format: F, threads: usize) -> Self {
        let threads = threads.clamp(1, F::MOST_THREADS);
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().ok();
        BlockWriter {
            out,
            format,
            pool,
            pending: Vec::new(),
            dictionary: 0,
            batch: threads * F::PER_THREAD * F::BLOCK,
            running: None,
            started: false,
        }
    }

    /// Compresses what is left, writes the end, and gives the output back.
    pub(crate) fn finish(mut self) -> io::Result<W> {
        self.dispatch()?;
        self.collect()?;
        self.write_head()?;
        self.out.write_all(&self.format.tail()?)?;
        self.out.flush()?;
        Ok(self.out)
    }

    fn write_head(&mut self) -> io::Result<()> {
        if self.started {
            return Ok(());
        }
        self.started = true;
        self.out.write_all(self.format.head())
    }

    /// Hands all pending input to the threads: whole blocks, and a shorter one at the very end.
    fn dispatch(&mut self) -> io::Result<()> {
        self.collect()?;
        let first = self.dictionary;
        if self.pending.len() == first {
            return Ok(());
        }
        let keep = self.pending.len().saturating_sub(F::DICTIONARY);
        let mut next = Vec::with_capacity(F::DICTIONARY + self.batch);
        next.extend_from_slice(&self.pending[keep..]);
        self.dictionary = next.len();
        let input = Arc::new(std::mem::replace(&mut self.pending, next));
        let blocks = (input.len() - first).div_ceil(F::BLOCK);
        let (sender, done) = channel();
        for at in 0..blocks {
            let (input, sender) = (Arc::clone(&input), sender.clone());
            let level = self.format.level();
            let work = move || {
                let start = first + at * F::BLOCK;
                let end = (start + F::BLOCK).min(input.len());
                let dictionary = &input[start.saturating_sub(F::DICTIONARY)..start];
                let result = F::block(level, dictionary, &input[start..end]);
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
        self.write_head()?;
        let mut ready: Vec<Option<Compressed<F::Sum>>> = Vec::new();
        ready.resize_with(blocks, || None);
        let mut next = 0;
        while next < blocks {
            let (at, result) = done.recv().map_err(io::Error::other)?;
            ready[at] = Some(result?);
            while let Some((bytes, sum)) = ready.get_mut(next).and_then(Option::take) {
                self.out.write_all(&bytes)?;
                self.format.add(&sum);
                next += 1;
            }
        }
        Ok(())
    }
}

impl<W: Write, F: BlockFormat> Write for BlockWriter<W, F> {
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
