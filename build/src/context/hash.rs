//! Hashing the files of a context that the memo does not know.

use super::{BuildContext, file_stat, lock};
use rayon::prelude::*;
use rbuild_layer::listing::Xattrs;
use rbuild_layer::tree::{Node, NodeKind, Tree, TreeError};
use rbuild_layer::{FileHash, Stop, image_xattrs};
use rbuild_rootdir::fstat;
use rbuild_sandbox::Writers;
use rbuild_store::memo::{ChangeTimes, FileStat, RACY, file_system_now};
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::Read;

/// A file that is to be read.
struct Task<'a> {
    path: &'a [u8],
    hash: &'a mut Option<FileHash>,
    size: &'a mut u64,
    xattrs: &'a mut Xattrs,
}

/// Path, what the file looked like before it was read, and its hash.
type Learned = (Vec<u8>, FileStat, FileHash);

/// How much may be read on the calling thread in the warm phase.
const CHEAP_BYTES: u64 = 1 << 20;
const CHEAP_FILES: usize = 64;

impl BuildContext {
    /// Fills in the missing hashes. With `cheap`, gives up (`false`) when much would have to be read, or something
    /// cannot be read yet.
    ///
    /// # Errors
    /// A file cannot be read.
    pub fn hash_missing(&self, nodes: &mut [Node], cheap: bool) -> Result<bool, TreeError> {
        let mut tasks: Vec<Task<'_>> = nodes
            .iter_mut()
            .filter_map(|node| match &mut node.kind {
                NodeKind::File { size, hash, .. } if hash.is_none() => Some(Task {
                    path: &node.path,
                    hash,
                    size,
                    xattrs: &mut node.meta.xattrs,
                }),
                _ => None,
            })
            .collect();
        if tasks.is_empty() {
            return Ok(true);
        }
        let bytes: u64 = tasks.iter().map(|task| *task.size).sum();
        if cheap && (tasks.len() > CHEAP_FILES || bytes > CHEAP_BYTES) {
            return Ok(false);
        }
        let now = file_system_now();
        let learned: Result<Vec<Option<Learned>>, TreeError> =
            if cheap || (tasks.len() < 16 && bytes < CHEAP_BYTES) {
                tasks.iter_mut().map(|task| self.hash_one(task, now)).collect()
            } else {
                self.hash_all(&mut tasks, now)
            };
        let learned = match learned {
            // Inside the user namespace more can be read; if not, the error comes then.
            Err(_) if cheap => return Ok(false),
            other => other?,
        };
        if let Some(memo) = lock(&self.memo).as_mut() {
            for (path, stat, hash) in learned.into_iter().flatten() {
                memo.record(&path, &stat, *hash.as_bytes());
            }
        }
        Ok(true)
    }

    /// On all cores, or on this one where no thread can be started.
    fn hash_all(&self, tasks: &mut [Task<'_>], now: i64) -> Result<Vec<Option<Learned>>, TreeError> {
        match rayon::ThreadPoolBuilder::new().build() {
            Ok(pool) => pool.install(|| {
                tasks
                    .par_iter_mut()
                    .map(|task| self.hash_one(task, now))
                    .collect()
            }),
            Err(_) => tasks.iter_mut().map(|task| self.hash_one(task, now)).collect(),
        }
    }

    /// Reads a file. What the memo may keep of it comes back: nothing of one that could change unnoticed, and not of one
    /// with extended attributes, since the memo has no place for them. So a file that the memo knows has none, and an
    /// unchanged context is not asked for any.
    fn hash_one(&self, task: &mut Task<'_>, now: i64) -> Result<Option<Learned>, TreeError> {
        let at = |error: std::io::Error| {
            let errno = error.raw_os_error().map_or(
                rbuild_rootdir::Errno::IO,
                rbuild_rootdir::Errno::from_raw_os_error,
            );
            TreeError::from(rbuild_rootdir::Error::new("read", task.path, errno))
        };
        let mut file = self.open(task.path)?;
        let before = file_stat(&fstat(&file).map_err(|error| error.at(task.path))?);
        // Between the stat and the reading: what a writer did before is read, what one does later sets the change time.
        let is_settled = self.is_settled(&file, &before, now);
        let mut hasher = Sha256::new();
        let mut buffer = vec![0; 64 * 1024];
        let mut size = 0;
        loop {
            if self.stop.get().is_some_and(Stop::is_stopped) {
                return Err(at(std::io::ErrorKind::Interrupted.into()));
            }
            let read = match file.read(&mut buffer) {
                Ok(0) => break,
                Ok(read) => read,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(at(error)),
            };
            hasher.update(&buffer[..read]);
            size += read as u64;
        }
        let hash = FileHash::from_bytes(hasher.finalize().into());
        *task.hash = Some(hash);
        *task.size = size;
        // Best effort: a file system without attributes, or one that hides them, has none.
        *task.xattrs = image_xattrs(&file).unwrap_or_default();
        Ok((is_settled && task.xattrs.is_empty()).then(|| (task.path.to_vec(), before, hash)))
    }

    /// Whether a later change of the file can be seen by its stat.
    fn is_settled(&self, file: &File, stat: &FileStat, now: i64) -> bool {
        // Asking about writers is the dear part.
        if !stat.is_older(RACY, now) {
            return false;
        }
        let kept = *lock(&self.change_times)
            .entry(stat.dev)
            .or_insert_with(|| ChangeTimes::of(file));
        if matches!(kept, ChangeTimes::NotKept | ChangeTimes::Overlay) {
            return false;
        }
        let somebody_writes = match rbuild_sandbox::writers(file) {
            Writers::None => Some(false),
            Writers::Some => Some(true),
            Writers::Unknown => None,
        };
        kept.least_age(somebody_writes)
            .is_some_and(|age| stat.is_older(age, now))
    }
}
