//! A snapshot that a command is writing: the upper directory of its overlay, or a plain directory.

use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Instant;

use rbuild_layer::dates::{Dates, Window};
use rbuild_layer::diff;
use rbuild_layer::inode::Creator;
use rbuild_layer::listing::{Listing, ancestors, parent};
use rbuild_layer::stage::{Finished, fill};
use rbuild_layer::tree::{Tree, TreeLayer, TreeView, default_root};
use rbuild_rootdir::{Errno, Kind, Root, Timestamp};

use super::form::{Form, SnapshotRoot, Written};
use super::seal::{CommitOptions, Committed, StagingDir, make_dir};
use super::{Snapshot, SnapshotError, SnapshotStore, StubKind};

/// A snapshot being written. Dropping it without [`ActiveSnapshot::commit`] removes it.
#[derive(Debug)]
pub struct ActiveSnapshot<'s> {
    store: &'s SnapshotStore,
    staging: StagingDir,
    parent: Option<Snapshot>,
    written: Written,
    stubs: Vec<Stub>,
    /// Whose files the command can read besides the parent's.
    readable: Vec<Snapshot>,
    /// When it was begun: by the clock of the file system, and by one that nobody sets.
    begun: (Timestamp, Instant),
}

/// A mount point made where the command writes.
#[derive(Debug)]
struct Stub {
    path: Vec<u8>,
    dev: u64,
    ino: u64,
    /// The time of the directory it is in, before and after it was made.
    before: Timestamp,
    after: Timestamp,
}

impl SnapshotStore {
    /// Starts a snapshot on top of another, for a command to write to. The caller holds a lease on that one.
    pub fn begin(&self, parent: Option<&Snapshot>, form: Form) -> Result<ActiveSnapshot<'_>, SnapshotError> {
        let mut staging = StagingDir::new(self)?;
        staging.make_work()?;
        self.begin_in(staging, parent, form)
    }

    /// The same, as an overlay, in a directory that is made, and that stays when this is dropped: it cannot be committed, and is removed
    /// by whoever it belongs to.
    pub fn begin_kept(
        &self,
        dir: PathBuf,
        parent: Option<&Snapshot>,
    ) -> Result<ActiveSnapshot<'_>, SnapshotError> {
        make_dir(&dir)?;
        let mut staging = StagingDir::kept(dir);
        make_dir(&staging.fs())?;
        staging.make_work()?;
        self.begin_in(staging, parent, Form::Overlay)
    }

    /// Goes on with what [`begin_kept`](Self::begin_kept) began. Nothing has it mounted.
    pub fn resume(
        &self,
        dir: PathBuf,
        parent: Option<&Snapshot>,
    ) -> Result<ActiveSnapshot<'_>, SnapshotError> {
        let mut staging = StagingDir::kept(dir);
        staging.renew_work()?;
        let root = Root::open(staging.fs())?;
        let begun = root.dir().stat()?.ctime;
        let written = Written::Overlay { stubs: None };
        Ok(ActiveSnapshot::new(self, staging, parent, written, begun))
    }

    fn begin_in(
        &self,
        staging: StagingDir,
        parent: Option<&Snapshot>,
        form: Form,
    ) -> Result<ActiveSnapshot<'_>, SnapshotError> {
        let root = Root::open(staging.fs())?;
        let tree = below(parent)?;
        // The root of the mount is the upper directory's: it must look as it did.
        let meta = tree
            .lookup(b"")?
            .map_or_else(|| default_root().meta, |root| root.meta);
        Creator::current().finish_dir(root.dir(), b"", &meta, false)?;
        let written = Written::new(form, self, &staging, parent, &tree)?;
        let begun = match form {
            Form::Overlay => root.dir().stat()?.ctime,
            Form::Directory => {
                // Where the kernel keeps finer times than its ticks, it does so from the second change on that somebody
                // looks at: then what was just copied is known to be older.
                time_of(&staging.work())?;
                time_of(&staging.work())?
            }
        };
        Ok(ActiveSnapshot::new(self, staging, parent, written, begun))
    }
}

impl<'s> ActiveSnapshot<'s> {
    fn new(
        store: &'s SnapshotStore,
        staging: StagingDir,
        parent: Option<&Snapshot>,
        written: Written,
        begun: Timestamp,
    ) -> Self {
        Self {
            store,
            staging,
            parent: parent.cloned(),
            written,
            stubs: Vec::new(),
            readable: Vec::new(),
            begun: (begun, Instant::now()),
        }
    }
}

impl ActiveSnapshot<'_> {
    /// What a command can have as its root.
    pub fn root(&self) -> Result<SnapshotRoot, SnapshotError> {
        let lowers = || {
            self.parent
                .as_ref()
                .map(|parent| self.store.lowers(parent))
                .transpose()
        };
        Ok(match &self.written {
            Written::Overlay { stubs } => SnapshotRoot::Overlay {
                lowers: lowers()?.into_iter().flatten().chain(stubs.clone()).collect(),
                upper: self.staging.fs(),
                work: self.staging.work(),
            },
            Written::Directory { path, .. } => SnapshotRoot::Directory(path.clone()),
        })
    }

    /// Where the command's files come to be: overlay's upper directory, or the plain one.
    fn writable(&self) -> Result<Root, SnapshotError> {
        Ok(match &self.written {
            Written::Overlay { .. } => Root::open(self.staging.fs())?,
            Written::Directory { path, .. } => Root::open(path)?,
        })
    }

    /// What it is made on top of.
    pub fn parent(&self) -> Option<&Snapshot> {
        self.parent.as_ref()
    }

    /// Says that the command can read the files of another snapshot too, and so take their times along.
    pub fn can_read(&mut self, other: &Snapshot) {
        self.readable.push(other.clone());
    }

    fn below(&self) -> Result<TreeView, SnapshotError> {
        below(self.parent.as_ref())
    }

    /// Provides empty mount points that nothing hides: in an overlay a layer below all others, where they leave no trace.
    /// Paths are relative and hold no links.
    pub fn stand_on(&mut self, points: &[(Vec<u8>, StubKind)]) -> Result<(), SnapshotError> {
        if points.is_empty() {
            return Ok(());
        }
        match &mut self.written {
            Written::Overlay { stubs } => *stubs = Some(self.store.stub_layer(points)?),
            Written::Directory { .. } => {
                for (path, kind) in points {
                    self.add_stub(path, *kind)?;
                }
            }
        }
        Ok(())
    }

    /// Makes an empty mount point where the command writes, with all directories above it that are missing there. At
    /// commit it is taken away again, if it is still the same and still empty. `path` holds no links.
    pub fn add_stub(&mut self, path: &[u8], kind: StubKind) -> Result<(), SnapshotError> {
        let below = self.below()?;
        let root = self.writable()?;
        let creator = Creator::current();
        for dir in ancestors(path) {
            self.stub_dir(&root, &below, &creator, dir)?;
        }
        if root.lstat(path).is_ok() {
            return Ok(());
        }
        match kind {
            StubKind::Dir => self.stub_dir(&root, &below, &creator, path),
            StubKind::File => {
                let before = self.time_of_parent(&root, path)?;
                let file = root.create_file(path)?;
                rbuild_rootdir::fchmod(&file, 0o644)?;
                self.remember(&root, path, before)
            }
        }
    }

    fn stub_dir(
        &mut self,
        root: &Root,
        below: &TreeView,
        creator: &Creator,
        path: &[u8],
    ) -> Result<(), SnapshotError> {
        if root.lstat(path).is_ok_and(|stat| stat.kind == Kind::Dir) {
            return Ok(());
        }
        let old = below.lookup(path)?.filter(|node| node.is_dir());
        let before = self.time_of_parent(root, path)?;
        root.mkdir(path)?;
        let dir = root.open_dir(path)?;
        let meta = old
            .as_ref()
            .map_or_else(|| default_root().meta, |old| old.meta.clone());
        creator.finish_dir(&dir, path, &meta, false)?;
        self.remember(root, path, before)
    }

    fn time_of_parent(&self, root: &Root, path: &[u8]) -> Result<Timestamp, SnapshotError> {
        Ok(root.lstat(parent(path).unwrap_or_default())?.mtime)
    }

    fn remember(&mut self, root: &Root, path: &[u8], before: Timestamp) -> Result<(), SnapshotError> {
        let stat = root.lstat(path)?;
        let after = self.time_of_parent(root, path)?;
        // As if nothing had been made: a command may look at the time.
        self.set_time_of_parent(root, path, before)?;
        let stub = Stub {
            path: path.to_vec(),
            dev: stat.dev,
            ino: stat.ino,
            before,
            after,
        };
        self.stubs.push(stub);
        Ok(())
    }

    fn set_time_of_parent(&self, root: &Root, path: &[u8], time: Timestamp) -> Result<(), SnapshotError> {
        let dir = root.open_dir(parent(path).unwrap_or_default())?;
        Ok(rbuild_rootdir::fset_mtime(&dir, time)?)
    }

    /// Takes the mount points away that are still the same empty inodes. No link is followed.
    fn remove_stubs(&self, root: &Root) -> Result<(), SnapshotError> {
        for stub in self.stubs.iter().rev() {
            let Ok((dir, name)) = root.parent(&stub.path) else {
                continue;
            };
            let Ok(stat) = dir.lstat(name) else { continue };
            if (stat.dev, stat.ino) != (stub.dev, stub.ino) {
                continue;
            }
            let time = dir.stat()?.mtime;
            let removed = match stat.kind {
                Kind::Dir => dir.rmdir(name),
                Kind::File if stat.size == 0 => dir.unlink(name),
                _ => continue,
            };
            match removed {
                Ok(()) => {
                    let time = if time == stub.after { stub.before } else { time };
                    rbuild_rootdir::fset_mtime(&dir, time)?;
                }
                Err(e) if matches!(e.errno, Errno::NOTEMPTY | Errno::EXIST) => {}
                Err(e) => return Err(e.at(&stub.path).into()),
            }
        }
        Ok(())
    }

    /// When the command ran. It has ended.
    fn window(&self) -> Result<Window, SnapshotError> {
        let (before, begun) = self.begun;
        let elapsed = begun.elapsed();
        let after = time_of(&self.staging.work())?;
        Ok(Window::new(before, after, elapsed))
    }

    /// The layers that the command could read and that were not in an image, in which every time was set.
    fn made_layers(&self) -> Result<Vec<TreeLayer>, SnapshotError> {
        self.parent
            .iter()
            .chain(&self.readable)
            .flat_map(Snapshot::chain)
            .filter(|snapshot| snapshot.imported_layers().is_none())
            .map(|snapshot| snapshot.layer().cloned())
            .collect()
    }

    /// Commits what was written. The command must have ended and its mount be gone.
    ///
    /// What differs in nothing from the tree below is dropped. When a snapshot with the same content on the same
    /// parent content exists, that one is returned and this one goes away.
    pub fn commit(self, options: &CommitOptions) -> Result<Committed, SnapshotError> {
        self.remove_stubs(&self.writable()?)?;
        let below = self.below()?;
        let dates = Dates::new(self.window()?, self.made_layers()?);
        let stop = self.store.store().stop();
        let root = Root::open(self.staging.fs())?;
        let kept = self.written.take_changes(&root, self.begun.0, self.store)?;
        let diff::Changes { mut entries, files } = diff::changes(&root, &below, &dates, stop)?;
        let tar = options.tar.tar();
        let packed = fill(&root, Creator::current(), &files, &mut entries, tar, stop)?;
        let finished = Finished {
            listing: Listing::new(entries)?,
            packed,
        };
        let sealed = self
            .store
            .seal_layer(self.staging, self.parent.as_ref(), finished, options)?;
        if let Some(kept) = kept {
            self.store.keep(&sealed.snapshot, kept);
        }
        Ok(sealed)
    }
}

fn below(parent: Option<&Snapshot>) -> Result<TreeView, SnapshotError> {
    parent.map_or_else(|| Ok(TreeView::default()), Snapshot::tree)
}

/// The time by the clock of a file system: that at which one of our directories on it was changed in nothing.
fn time_of(dir: &Path) -> Result<Timestamp, SnapshotError> {
    let io = |error| SnapshotError::io("examine", dir, error);
    std::fs::set_permissions(dir, std::fs::Permissions::from_mode(0o700)).map_err(io)?;
    let stat = std::fs::metadata(dir).map_err(io)?;
    Ok(Timestamp {
        secs: stat.ctime(),
        nanos: stat.ctime_nsec() as u32,
    })
}
