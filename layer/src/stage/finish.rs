//! From a stage to a finished layer.

use rbuild_rootdir::Root;

use super::{Key, Stage, Staged, StagedKind};
use crate::diff::UNKNOWN;
use crate::fill::{FileJob, Fill};
use crate::inode::Creator;
use crate::listing::{Entry, EntryKind, Listing, path_cmp};
use crate::stop::Stop;
use crate::tar_sink::{PackedLayer, TarSink};
use crate::tree::{Tree, default_root};
use crate::{LayerError, flow};

/// A further name of a file.
struct Link {
    name: Vec<u8>,
    first: Vec<u8>,
}

/// What comes out of a stage.
pub struct Finished {
    /// The listing of the layer.
    pub listing: Listing,
    /// Present when it was asked for.
    pub packed: Option<PackedLayer>,
}

/// Whether the layer's tar is hashed while the files are filled in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tar {
    /// It is.
    Hashed {
        /// `SOURCE_DATE_EPOCH`: times follow it.
        epoch: Option<i64>,
    },
    /// It can be made later.
    NotNow,
}

impl Stage {
    /// The first name in order must be the file, the others links to it.
    fn order_links(&mut self) -> Result<Vec<Link>, LayerError> {
        let mut pairs = Vec::new();
        for (first, mut names) in std::mem::take(&mut self.links) {
            names.push(first.clone());
            names.sort_by(|a, b| path_cmp(a, b));
            let smallest = names.remove(0);
            if smallest != first {
                let Some(Staged { kind, .. }) = self.nodes.get(&Key(first.clone())) else {
                    continue;
                };
                let kind = self.moved(&first, &smallest, kind.clone())?;
                if let Some(staged) = self.nodes.get_mut(&Key(smallest.clone())) {
                    staged.kind = kind;
                }
            }
            for name in names {
                if let Some(staged) = self.nodes.get_mut(&Key(name.clone())) {
                    staged.kind = StagedKind::Hardlink {
                        target: smallest.clone(),
                    };
                }
                pairs.push(Link {
                    name,
                    first: smallest.clone(),
                });
            }
        }
        pairs.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        Ok(pairs)
    }

    /// Fills in the planned files, gives all directories their metadata, and makes the listing.
    pub fn finish(mut self, tar: Tar) -> Result<Finished, LayerError> {
        let links = self.order_links()?;
        let nodes = std::mem::take(&mut self.nodes);
        let mut entries = Vec::with_capacity(nodes.len());
        let mut jobs = Vec::new();
        for (Key(path), Staged { kind, meta, .. }) in nodes {
            let kind = match kind {
                StagedKind::File { size, hash, content } => {
                    let (path, meta) = (path.clone(), meta.clone());
                    jobs.push(FileJob {
                        path,
                        size,
                        hash,
                        meta,
                        content,
                    });
                    EntryKind::File {
                        size,
                        hash: hash.unwrap_or(UNKNOWN),
                    }
                }
                StagedKind::Hardlink { target } => EntryKind::Hardlink { target },
                StagedKind::Dir { opaque } => EntryKind::Dir { opaque },
                StagedKind::Symlink { target } => EntryKind::Symlink { target },
                StagedKind::Fifo => EntryKind::Fifo,
                StagedKind::CharDevice(rdev) => EntryKind::CharDevice { rdev },
                StagedKind::BlockDevice(rdev) => EntryKind::BlockDevice { rdev },
                StagedKind::Whiteout => EntryKind::Whiteout,
            };
            entries.push(Entry { path, kind, meta });
        }
        let packed = fill(&self.root, self.creator, &jobs, &mut entries, tar, &self.stop)?;
        for Link { name, first } in &links {
            self.root.link(name, first)?;
        }
        for entry in entries.iter().rev() {
            if let EntryKind::Dir { opaque } = entry.kind {
                let dir = self.root.open_dir(&entry.path)?;
                self.creator.finish_dir(&dir, &entry.path, &entry.meta, opaque)?;
            }
        }
        if entries.first().is_none_or(|entry| !entry.path.is_empty()) {
            // What is mounted on top takes the root's owner and mode from the topmost layer.
            let meta = match &self.below {
                Some(below) => below.lookup(b"")?.map(|root| root.meta),
                None => None,
            };
            let meta = meta.unwrap_or_else(|| default_root().meta);
            self.creator.finish_dir(self.root.dir(), b"", &meta, false)?;
        }
        Ok(Finished {
            listing: Listing::new(entries)?,
            packed,
        })
    }
}

/// Fills in files and puts their hashes into the entries.
pub fn fill(
    root: &Root,
    creator: Creator,
    jobs: &[FileJob],
    entries: &mut [Entry],
    tar: Tar,
    stop: &Stop,
) -> Result<Option<PackedLayer>, LayerError> {
    let work = Fill {
        root,
        jobs,
        creator,
        stop,
    };
    let (hashes, packed) = match tar {
        // What an opaque directory hides is a part of the tar; it is looked up when the tar is made.
        Tar::Hashed { epoch } if !entries.iter().any(Entry::is_opaque) => {
            let mut sink = TarSink::new(entries, epoch, None);
            let hashes = flow::run(&work, jobs.len(), Some(&mut sink))?;
            (hashes, Some(sink.finish()?))
        }
        _ => (flow::run(&work, jobs.len(), None)?, None),
    };
    let files = entries.iter_mut().filter_map(|entry| match &mut entry.kind {
        EntryKind::File { hash, .. } => Some(hash),
        _ => None,
    });
    for (slot, hash) in files.zip(hashes) {
        *slot = hash;
    }
    Ok(packed)
}
