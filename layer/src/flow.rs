//! Reading many files once: hashing each, hashing (or writing) the tar they make, in order, on all cores.
//!
//! Workers take batches of files in order, do what the caller wants with each (read, copy) and hand the bytes on; the
//! calling thread puts the bytes of all files together into the tar stream. Small files are handed over whole, large
//! ones in pieces through a bounded channel, so memory stays flat. A few small files are done on the calling thread
//! alone: no thread is started for them.

use std::collections::BTreeMap;
use std::num::NonZero;
use std::ops::Range;
use std::sync::mpsc::{Receiver, SyncSender, channel, sync_channel};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError, mpsc};

use crate::LayerError;
use crate::hash::FileHash;
use crate::piece::PIECE;
use crate::tar_sink::TarSink;

/// Files up to this size are handed over whole.
const SMALL: u64 = PIECE as u64;
/// A batch ends at this many files or bytes.
const BATCH_FILES: usize = 32;
const BATCH_BYTES: u64 = 512 * 1024;
/// How many batches the workers may be ahead of the tar.
const AHEAD: usize = 8;
/// Pieces of one large file under way.
const PIECES: usize = 4;
/// Less than this many files, and bytes, and it is done here.
const ALONE_FILES: usize = 64;
const ALONE_BYTES: u64 = 1024 * 1024;

/// What to do with one file.
pub(crate) trait Work: Sync {
    /// State of one worker: open directories, buffers.
    type State: Default;

    /// Length of file number `at`. Exactly that many bytes must be handed on.
    fn size(&self, at: usize) -> u64;

    /// Reads file number `at` and hands its bytes on.
    fn run(&self, at: usize, state: &mut Self::State, out: &mut Out<'_>) -> Result<FileHash, LayerError>;
}

/// Where a worker hands on bytes.
pub(crate) struct Out<'a>(Way<'a>);

/// Takes the bytes of one file for the tar.
type Feed<'a> = dyn FnMut(&[u8]) -> Result<(), LayerError> + 'a;

enum Way<'a> {
    /// Nobody wants them.
    Nowhere,
    /// The tar is hashed on this thread.
    Direct(&'a mut Feed<'a>),
    /// A small file as a whole.
    Whole(&'a mut Vec<u8>),
    /// A piece of a large file, and used buffers back.
    Pieces(&'a SyncSender<Vec<u8>>, &'a Receiver<Vec<u8>>),
}

impl Out<'_> {
    /// True when the bytes are wanted: else a file whose hash is known need not be read.
    pub(crate) fn is_wanted(&self) -> bool {
        !matches!(self.0, Way::Nowhere)
    }

    /// Hands on bytes, and gives a buffer (perhaps the same) to read the next into.
    pub(crate) fn give(&mut self, piece: Vec<u8>) -> Result<Vec<u8>, LayerError> {
        match &mut self.0 {
            Way::Nowhere => Ok(piece),
            Way::Direct(feed) => {
                feed(&piece)?;
                Ok(piece)
            }
            Way::Whole(slot) => {
                if slot.is_empty() {
                    **slot = piece;
                } else {
                    slot.extend_from_slice(&piece);
                }
                Ok(Vec::new())
            }
            Way::Pieces(sender, used) => {
                // The receiver is gone when another worker failed: that error is the one to report.
                let _ = sender.send(piece);
                Ok(used.try_recv().unwrap_or_default())
            }
        }
    }
}

/// Runs the work for files `0..count`, and gives their hashes. With `tar`, all bytes go into it in order; its entries
/// must contain exactly `count` files of the same sizes.
pub(crate) fn run<W: Work>(
    work: &W,
    count: usize,
    mut tar: Option<&mut TarSink<'_>>,
) -> Result<Vec<FileHash>, LayerError> {
    let bytes: u64 = (0..count).map(|at| work.size(at)).sum();
    if count < ALONE_FILES && bytes < ALONE_BYTES {
        return alone(work, count, tar);
    }
    // Not asked before it matters: it reads half a dozen files of the cgroup.
    let cores = std::thread::available_parallelism().map_or(1, NonZero::get);
    if cores == 1 && tar.is_none() {
        return alone(work, count, tar);
    }
    let batches = batches(work, count);
    let shared = Shared {
        state: Mutex::default(),
        changed: Condvar::new(),
    };
    let wanted = tar.is_some();
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..cores.min(batches.len()))
            .map(|_| {
                std::thread::Builder::new()
                    .spawn_scoped(scope, || worker(work, &batches, &shared, wanted))
                    .map_err(LayerError::Thread)
            })
            .collect();
        let collected = match tar.as_mut() {
            Some(tar) if workers.iter().any(Result::is_ok) => collect(&batches, &shared, work, tar),
            _ => Ok(()),
        };
        shared.close();
        let mut hashes = vec![FileHash::from_bytes([0; 32]); count];
        let mut first_error: Option<(usize, LayerError)> = None;
        let mut thread_error = None;
        let mut any = false;
        for handle in workers {
            let done = match handle {
                Ok(handle) => handle
                    .join()
                    .unwrap_or_else(|panic| std::panic::resume_unwind(panic)),
                Err(error) => {
                    thread_error = Some(error);
                    continue;
                }
            };
            any = true;
            for (at, hash) in done.hashes {
                hashes[at] = hash;
            }
            if let Some((at, error)) = done.error
                && first_error.as_ref().is_none_or(|(first, _)| at < *first)
            {
                first_error = Some((at, error));
            }
        }
        match (first_error, thread_error) {
            // Always the same error, whichever worker was faster.
            (Some((_, error)), _) => Err(error),
            (None, Some(error)) if !any => Err(error),
            _ => collected.map(|()| hashes),
        }
    })
}

fn alone<W: Work>(
    work: &W,
    count: usize,
    tar: Option<&mut TarSink<'_>>,
) -> Result<Vec<FileHash>, LayerError> {
    let mut state = W::State::default();
    let mut hashes = Vec::with_capacity(count);
    match tar {
        None => {
            for at in 0..count {
                hashes.push(work.run(at, &mut state, &mut Out(Way::Nowhere))?);
            }
        }
        Some(tar) => {
            for at in 0..count {
                tar.next_file()?;
                let mut feed = |bytes: &[u8]| tar.content(bytes);
                hashes.push(work.run(at, &mut state, &mut Out(Way::Direct(&mut feed)))?);
            }
            tar.rest()?;
        }
    }
    Ok(hashes)
}

fn batches<W: Work>(work: &W, count: usize) -> Vec<Range<usize>> {
    let mut list = Vec::new();
    let mut start = 0;
    let mut bytes = 0;
    for at in 0..count {
        let size = work.size(at);
        let full = at - start >= BATCH_FILES || bytes + size > BATCH_BYTES;
        if at > start && (full || size > SMALL) {
            list.push(start..at);
            (start, bytes) = (at, 0);
        }
        bytes += size;
        // A large file is a batch of its own.
        if size > SMALL {
            list.push(start..at + 1);
            (start, bytes) = (at + 1, 0);
        }
    }
    if start < count {
        list.push(start..count);
    }
    list
}

struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    /// The next batch to take.
    next: usize,
    /// Batches that the tar has taken.
    taken: usize,
    ready: BTreeMap<usize, Content>,
    failed: bool,
    /// Nobody takes what is ready any more.
    closed: bool,
}

enum Content {
    Whole(Vec<Vec<u8>>),
    Pieces(Receiver<Vec<u8>>, mpsc::Sender<Vec<u8>>),
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'s>(&self, guard: MutexGuard<'s, State>) -> MutexGuard<'s, State> {
        self.changed.wait(guard).unwrap_or_else(PoisonError::into_inner)
    }

    fn put(&self, batch: usize, content: Content) {
        let mut guard = self.lock();
        if !guard.closed {
            guard.ready.insert(batch, content);
        }
        drop(guard);
        self.changed.notify_all();
    }

    /// Drops what is ready, and what is to come: a worker would wait for ever for somebody to take its pieces.
    fn close(&self) {
        let mut guard = self.lock();
        guard.closed = true;
        guard.ready.clear();
    }

    fn fail(&self) {
        self.lock().failed = true;
        self.changed.notify_all();
    }
}

/// Tells the others when a worker panics: they must not wait for it.
struct FailOnPanic<'a>(&'a Shared);

impl Drop for FailOnPanic<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.fail();
        }
    }
}

#[derive(Default)]
struct Done {
    hashes: Vec<(usize, FileHash)>,
    error: Option<(usize, LayerError)>,
}

fn worker<W: Work>(work: &W, batches: &[Range<usize>], shared: &Shared, wanted: bool) -> Done {
    let _guard = FailOnPanic(shared);
    let mut state = W::State::default();
    let mut done = Done::default();
    loop {
        let batch = {
            let mut guard = shared.lock();
            while wanted && !guard.failed && guard.next >= guard.taken + AHEAD && guard.next < batches.len() {
                guard = shared.wait(guard);
            }
            if guard.failed || guard.next >= batches.len() {
                return done;
            }
            guard.next += 1;
            guard.next - 1
        };
        if let Err(error) = run_batch(
            work,
            batch,
            batches[batch].clone(),
            shared,
            wanted,
            &mut state,
            &mut done,
        ) {
            done.error = Some(error);
            shared.fail();
            return done;
        }
    }
}

fn run_batch<W: Work>(
    work: &W,
    batch: usize,
    files: Range<usize>,
    shared: &Shared,
    wanted: bool,
    state: &mut W::State,
    done: &mut Done,
) -> Result<(), (usize, LayerError)> {
    if !wanted {
        for at in files {
            let hash = work
                .run(at, state, &mut Out(Way::Nowhere))
                .map_err(|error| (at, error))?;
            done.hashes.push((at, hash));
        }
        return Ok(());
    }
    if files.len() == 1 && work.size(files.start) > SMALL {
        let (sender, receiver) = sync_channel(PIECES);
        let (give_back, used) = channel();
        shared.put(batch, Content::Pieces(receiver, give_back));
        let mut out = Out(Way::Pieces(&sender, &used));
        let hash = work
            .run(files.start, state, &mut out)
            .map_err(|error| (files.start, error))?;
        done.hashes.push((files.start, hash));
        return Ok(());
    }
    let mut contents = Vec::with_capacity(files.len());
    for at in files {
        let mut whole = Vec::new();
        let hash = work
            .run(at, state, &mut Out(Way::Whole(&mut whole)))
            .map_err(|error| (at, error))?;
        done.hashes.push((at, hash));
        contents.push(whole);
    }
    shared.put(batch, Content::Whole(contents));
    Ok(())
}

/// Puts the batches' bytes into the tar, in order.
fn collect<W: Work>(
    batches: &[Range<usize>],
    shared: &Shared,
    work: &W,
    tar: &mut TarSink<'_>,
) -> Result<(), LayerError> {
    let result = collect_all(batches, shared, work, tar);
    if result.is_err() {
        shared.fail();
    }
    result
}

fn collect_all<W: Work>(
    batches: &[Range<usize>],
    shared: &Shared,
    work: &W,
    tar: &mut TarSink<'_>,
) -> Result<(), LayerError> {
    for (batch, files) in batches.iter().enumerate() {
        let content = {
            let mut guard = shared.lock();
            loop {
                if guard.failed {
                    // The worker's error is reported.
                    return Ok(());
                }
                if let Some(content) = guard.ready.remove(&batch) {
                    guard.taken = batch + 1;
                    break content;
                }
                guard = shared.wait(guard);
            }
        };
        shared.changed.notify_all();
        match content {
            Content::Whole(contents) => {
                for content in contents {
                    tar.next_file()?;
                    tar.content(&content)?;
                }
            }
            Content::Pieces(receiver, give_back) => {
                tar.next_file()?;
                let mut left = work.size(files.start);
                while left > 0 {
                    // A worker that failed drops its end.
                    let Ok(piece) = receiver.recv() else { return Ok(()) };
                    tar.content(&piece)?;
                    left = left.saturating_sub(piece.len() as u64);
                    let _ = give_back.send(piece);
                }
            }
        }
    }
    tar.rest()
}

#[cfg(test)]
mod tests;
