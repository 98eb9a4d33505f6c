//! Filling a layer's directory with files: copying, hard-linking, or taking what is there, and hashing on the way.

use std::fs::File;
use std::io::Read;
use std::sync::Arc;

use rbuild_rootdir::Root;
use sha2::{Digest as _, Sha256};

use crate::LayerError;
use crate::flow::{self, Out, Work};
use crate::hash::FileHash;
use crate::holes::Holes;
use crate::inode::{Creator, Parents};
use crate::listing::{Metadata, file_name};
use crate::piece::read_piece;
use crate::stop::Stop;
use crate::tree::Tree;

/// Where the content of a new file comes from.
#[derive(Clone)]
pub enum FileSource {
    /// These bytes.
    Bytes(Arc<[u8]>),
    /// A file of a tree: the build context or another snapshot.
    Tree {
        /// The tree.
        tree: Arc<dyn Tree>,
        /// The file's path in it, without links.
        path: Vec<u8>,
    },
    /// An open file, read from its start. For few files: the descriptor stays open until then.
    File(Arc<File>),
}

impl std::fmt::Debug for FileSource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            FileSource::Bytes(bytes) => write!(f, "Bytes({})", bytes.len()),
            FileSource::Tree { path, .. } => write!(f, "Tree({})", String::from_utf8_lossy(path)),
            FileSource::File(file) => write!(f, "File({file:?})"),
        }
    }
}

/// How a file gets into the layer's directory.
#[derive(Debug, Clone)]
pub enum Content {
    /// It is there, complete.
    InPlace,
    /// It is copied.
    Copied(FileSource),
    /// It is another name of a file with the same content and metadata in another layer; copied when linking fails.
    Linked {
        /// The directory of that layer.
        from: Arc<Root>,
        /// What is copied then.
        otherwise: FileSource,
    },
}

/// One regular file of a new layer.
#[derive(Debug)]
pub struct FileJob {
    /// Where.
    pub path: Vec<u8>,
    /// Its length in bytes.
    pub size: u64,
    /// What its content must hash to, when that is known.
    pub hash: Option<FileHash>,
    /// Owner, mode, time, extended attributes.
    pub meta: Metadata,
    /// Where its bytes come from.
    pub content: Content,
}

/// All regular files of a new layer, in order.
pub(crate) struct Fill<'a> {
    pub(crate) root: &'a Root,
    pub(crate) jobs: &'a [FileJob],
    pub(crate) creator: Creator,
    pub(crate) stop: &'a Stop,
}

/// Fills in files without a tar. Gives their hashes, in the same order.
pub fn fill_and_hash(
    root: &Root,
    creator: Creator,
    jobs: &[FileJob],
    stop: &Stop,
) -> Result<Vec<FileHash>, LayerError> {
    let work = Fill {
        root,
        jobs,
        creator,
        stop,
    };
    flow::run(&work, jobs.len(), None)
}

#[derive(Default)]
pub(crate) struct FillState {
    here: Parents,
    there: Parents,
    buffer: Vec<u8>,
}

impl Work for Fill<'_> {
    type State = FillState;

    fn size(&self, at: usize) -> u64 {
        self.jobs[at].size
    }

    fn run(&self, at: usize, state: &mut FillState, out: &mut Out<'_>) -> Result<FileHash, LayerError> {
        let job = &self.jobs[at];
        match &job.content {
            Content::InPlace => self.read(job, state, out),
            Content::Copied(source) => self.copy(job, source, state, out),
            Content::Linked { from, otherwise } => {
                let old = state.there.of(from, &job.path)?;
                let new = state.here.of(self.root, &job.path)?;
                let name = file_name(&job.path);
                // Too many links, another owner's file, a file that a sweep took: a copy always works.
                if new.link_from(name, old, name).is_err() {
                    return self.copy(job, otherwise, state, out);
                }
                self.read(job, state, out)
            }
        }
    }
}

impl Fill<'_> {
    /// Reads a file that is in place, if anybody wants its bytes or its hash.
    fn read(&self, job: &FileJob, state: &mut FillState, out: &mut Out<'_>) -> Result<FileHash, LayerError> {
        if let Some(hash) = job.hash
            && !out.is_wanted()
        {
            return Ok(hash);
        }
        let mut file = state.here.open_file(self.root, &job.path)?;
        let mut hasher = job.hash.is_none().then(Sha256::new);
        let mut left = job.size;
        while left > 0 {
            read_piece(&mut file, left, &mut state.buffer, &job.path, self.stop)?;
            left -= state.buffer.len() as u64;
            if let Some(hasher) = &mut hasher {
                hasher.update(&state.buffer);
            }
            state.buffer = out.give(std::mem::take(&mut state.buffer))?;
        }
        Ok(match (job.hash, hasher) {
            (Some(hash), _) => hash,
            (None, Some(hasher)) => FileHash::from_bytes(hasher.finalize().into()),
            (None, None) => FileHash::of(b""),
        })
    }

    /// Copies a file, hashing it on the way.
    fn copy(
        &self,
        job: &FileJob,
        source: &FileSource,
        state: &mut FillState,
        out: &mut Out<'_>,
    ) -> Result<FileHash, LayerError> {
        let mut opened;
        let mut bytes;
        let mut positioned;
        let input: &mut dyn Read = match source {
            FileSource::Tree { tree, path } => {
                opened = tree.open(path)?;
                &mut opened
            }
            FileSource::Bytes(all) => {
                bytes = &all[..];
                &mut bytes
            }
            FileSource::File(file) => {
                positioned = FromStart { file, offset: 0 };
                &mut positioned
            }
        };
        let dir = state.here.of(self.root, &job.path)?;
        let file = dir
            .create_file(file_name(&job.path))
            .map_err(|e| e.at(&job.path))?;
        let written = |e: std::io::Error| LayerError::content("write", &job.path, e);
        let mut holes = Holes::new(&file);
        let mut hasher = Sha256::new();
        let mut left = job.size;
        let mut input = input;
        while left > 0 {
            read_piece(&mut input, left, &mut state.buffer, &job.path, self.stop)?;
            left -= state.buffer.len() as u64;
            hasher.update(&state.buffer);
            holes.put(&state.buffer).map_err(written)?;
            state.buffer = out.give(std::mem::take(&mut state.buffer))?;
        }
        holes.end().map_err(written)?;
        let more = input
            .read(&mut [0; 1])
            .map_err(|e| LayerError::content("read", &job.path, e))?;
        let hash = FileHash::from_bytes(hasher.finalize().into());
        if more > 0 || job.hash.is_some_and(|expected| expected != hash) {
            return Err(LayerError::Changed {
                path: job.path.clone(),
            });
        }
        self.creator.finish_file(&file, &job.path, &job.meta)?;
        Ok(hash)
    }
}

/// Reads a shared file from its start, without moving its position.
struct FromStart<'a> {
    file: &'a File,
    offset: u64,
}

impl Read for FromStart<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let read = std::os::unix::fs::FileExt::read_at(self.file, buffer, self.offset)?;
        self.offset += read as u64;
        Ok(read)
    }
}
