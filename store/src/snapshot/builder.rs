//! A snapshot that is put together without running anything: `COPY`, `ADD`, `WORKDIR`.

use std::io::Read;
use std::sync::Arc;

use rbuild_layer::fill::Content;
use rbuild_layer::listing::{Entry, EntryKind, Metadata};
use rbuild_layer::stage::Stage;
use rbuild_layer::tree::{Node, TreeError, TreeLayer, TreeView};
use rbuild_layer::unpack::{self, Meaning};
use rbuild_layer::{FileHash, FileSource, Limits, decompress};
use rbuild_rootdir::Root;

use super::seal::{CommitOptions, Committed, StagingDir};
use super::{Snapshot, SnapshotError, SnapshotStore};

/// A layer being put together. Dropping it without [`LayerBuilder::commit`] removes it.
///
/// Paths are relative to the root of the tree and hold no symbolic links: the caller resolves them against
/// [`Snapshot::tree`]. What is added later at the same path replaces what was added before. Directories above a path
/// are added by themselves: as they are in the tree below, or as [`LayerBuilder::implicit_dirs`] says.
pub struct LayerBuilder<'s> {
    store: &'s SnapshotStore,
    staging: StagingDir,
    parent: Option<Snapshot>,
    stage: Stage,
    reuse: Option<Reuse>,
    archive_owner: Option<(u32, u32)>,
}

/// An older snapshot whose files may be linked.
struct Reuse {
    layer: TreeLayer,
    root: Arc<Root>,
}

impl SnapshotStore {
    /// Starts a layer on top of a snapshot.
    pub fn begin_layer(&self, parent: Option<&Snapshot>) -> Result<LayerBuilder<'_>, SnapshotError> {
        let below = parent.map(Snapshot::tree).transpose()?.unwrap_or_default();
        self.builder(parent, below)
    }

    /// Starts a layer that goes on top of a snapshot without a look at it: the same additions make the same layer on
    /// every snapshot ([`SnapshotStore::transplant`]). A directory above a path is made anew even where the snapshot has
    /// one, or a link.
    pub fn begin_independent_layer(
        &self,
        parent: Option<&Snapshot>,
    ) -> Result<LayerBuilder<'_>, SnapshotError> {
        self.builder(parent, TreeView::default())
    }

    fn builder(&self, parent: Option<&Snapshot>, below: TreeView) -> Result<LayerBuilder<'_>, SnapshotError> {
        let staging = StagingDir::new(self)?;
        let stage = Stage::new(Root::open(staging.fs())?, Some(below)).with_stop(self.store.stop().clone());
        Ok(LayerBuilder {
            store: self,
            staging,
            parent: parent.cloned(),
            stage,
            reuse: None,
            archive_owner: None,
        })
    }
}

impl LayerBuilder<'_> {
    /// Lets files be hard-linked from an older snapshot's own layer, where it has a file at the same path with the same
    /// hash, owner, mode, time and attributes. For the last result of the same step.
    ///
    /// The caller holds a lease on it until the commit. Only an older snapshot that is *not* below this layer is of use, and any other is ignored: two names of one
    /// inode in one tree would show.
    pub fn reuse(&mut self, older: &Snapshot) -> Result<(), SnapshotError> {
        let below = |older: &Snapshot| {
            self.parent
                .iter()
                .flat_map(Snapshot::chain)
                .any(|snapshot| snapshot.id() == older.id())
        };
        if !below(older) {
            let layer = older.layer()?.clone();
            let root = Arc::new(Root::open(layer.files())?);
            self.reuse = Some(Reuse { layer, root });
        }
        Ok(())
    }

    /// What directories get that are missing above a path. Mode 0755, owner 0:0 and time 0 unless set.
    pub fn implicit_dirs(&mut self, meta: Metadata) {
        self.stage.set_implicit(meta);
    }

    /// Who owns what comes out of archives, instead of those named there.
    pub fn archive_owner(&mut self, uid: u32, gid: u32) {
        self.archive_owner = Some((uid, gid));
    }

    /// What a process would see at `path` now: what was added, or what is below and not hidden.
    pub fn lookup(&self, path: &[u8]) -> Result<Option<Node>, TreeError> {
        self.stage.lookup(path)
    }

    /// Adds a directory. What is in it, here and below, stays.
    pub fn dir(&mut self, path: &[u8], meta: Metadata) -> Result<(), SnapshotError> {
        Ok(self.stage.dir(path, meta)?)
    }

    /// Adds a regular file of `size` bytes; it is copied at commit, which fails if the size, or the hash if given, is
    /// not what comes out.
    pub fn file(
        &mut self,
        path: &[u8],
        size: u64,
        hash: Option<FileHash>,
        source: FileSource,
        meta: Metadata,
    ) -> Result<(), SnapshotError> {
        let content = match self.linkable(path, size, hash, &meta)? {
            Some(from) => Content::Linked {
                from,
                otherwise: source,
            },
            None => Content::Copied(source),
        };
        Ok(self.stage.planned_file(path, size, hash, content, meta)?)
    }

    /// Adds a regular file with these bytes.
    pub fn bytes(&mut self, path: &[u8], bytes: &[u8], meta: Metadata) -> Result<(), SnapshotError> {
        let hash = Some(FileHash::of(bytes));
        self.file(
            path,
            bytes.len() as u64,
            hash,
            FileSource::Bytes(bytes.into()),
            meta,
        )
    }

    fn linkable(
        &self,
        path: &[u8],
        size: u64,
        hash: Option<FileHash>,
        meta: &Metadata,
    ) -> Result<Option<Arc<Root>>, SnapshotError> {
        let (Some(reuse), Some(hash)) = (&self.reuse, hash) else {
            return Ok(None);
        };
        let found = reuse.layer.entry(path)?;
        let same = |old: &Entry| old.kind == EntryKind::File { size, hash } && old.meta == *meta;
        Ok(found
            .as_deref()
            .is_some_and(same)
            .then(|| Arc::clone(&reuse.root)))
    }

    /// Adds a symbolic link.
    pub fn symlink(&mut self, path: &[u8], target: &[u8], meta: Metadata) -> Result<(), SnapshotError> {
        Ok(self.stage.symlink(path, target, meta)?)
    }

    /// Adds a further name of a file that was added before. `false` when `target` is no such file.
    pub fn hardlink(&mut self, path: &[u8], target: &[u8]) -> Result<bool, SnapshotError> {
        Ok(self.stage.hardlink(path, target)?)
    }

    /// Adds a named pipe.
    pub fn fifo(&mut self, path: &[u8], meta: Metadata) -> Result<(), SnapshotError> {
        Ok(self.stage.fifo(path, meta)?)
    }

    /// Adds a character device. Where it may not be made it is in the listing, and so in the image, only.
    pub fn char_device(&mut self, path: &[u8], rdev: u64, meta: Metadata) -> Result<(), SnapshotError> {
        Ok(self.stage.char_device(path, rdev, meta)?)
    }

    /// Adds a block device; as [`LayerBuilder::char_device`].
    pub fn block_device(&mut self, path: &[u8], rdev: u64, meta: Metadata) -> Result<(), SnapshotError> {
        Ok(self.stage.block_device(path, rdev, meta)?)
    }

    /// Takes a path away, with all below it.
    pub fn remove(&mut self, path: &[u8]) -> Result<(), SnapshotError> {
        Ok(self.stage.whiteout(path)?)
    }

    /// Unpacks an archive (tar, plain or compressed by gzip, bzip2, xz or zstd) into the directory `dest`, which keeps
    /// what it holds. Owners are those in the archive, or the [`LayerBuilder::archive_owner`]. `name` stands in errors.
    pub fn archive(
        &mut self,
        input: impl Read + Send,
        name: &str,
        dest: &[u8],
        limits: Limits,
    ) -> Result<(), SnapshotError> {
        if !dest.is_empty() && self.stage.lookup(dest)?.is_none_or(|node| !node.is_dir()) {
            let meta = self.stage.implicit().clone();
            self.stage.dir(dest, meta)?;
        }
        let (_, input) = decompress(input, name)?;
        let owner = self.archive_owner;
        unpack::apply(
            &mut self.stage,
            input,
            name,
            Meaning::Archive { dest, owner },
            limits,
        )?;
        Ok(())
    }

    /// Fills in all files, using all cores when there are many, and commits the layer. As
    /// [`ActiveSnapshot::commit`](super::ActiveSnapshot::commit), a snapshot with equal content is adopted.
    pub fn commit(self, options: &CommitOptions) -> Result<Committed, SnapshotError> {
        let finished = self.stage.finish(options.tar.tar())?;
        self.store
            .seal_layer(self.staging, self.parent.as_ref(), finished, options)
    }
}
