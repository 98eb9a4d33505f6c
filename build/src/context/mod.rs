//! A local build context: a directory seen through its ignore file, as a [`Tree`].
//!
//! Owners are 0:0 whatever the host says, so that a checkout by anybody gives the same keys. Content hashes come from
//! the stat memo where the file is unchanged; [`BuildContext::hash_missing`] reads the others, with their extended
//! attributes. Those of directories are not taken: asking each one would cost an open per directory, every time.

mod hash;
pub mod place;
pub mod remote;
pub mod stdin;
pub mod text;
mod unpack;

use dockerfile_parser::ignore::IgnoreFile;
use rbuild_layer::listing::{Metadata, ancestors, join};
use rbuild_layer::tree::{Node, NodeKind, Tree, TreeError};
use rbuild_layer::{FileHash, Stop};
use rbuild_rootdir::{Dir, Kind, LastLink, Root, Stat};
use rbuild_solver::KeyHasher;
use rbuild_store::Store;
use rbuild_store::memo::{ChangeTimes, FileStat, Memo};
use std::collections::{HashMap, HashSet};
use std::fmt;
use std::fs::File;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, OnceLock};

/// A context directory.
pub struct BuildContext {
    path: PathBuf,
    root: Root,
    ignore: Option<Ignore>,
    /// The store, where somebody keeps it in the directory: it changes while it is read, and is nothing to copy.
    store: OnceLock<Vec<u8>>,
    memo: Mutex<Option<Memo>>,
    /// By device.
    change_times: Mutex<HashMap<u64, ChangeTimes>>,
    /// First name of each inode that has several.
    inodes: Mutex<HashMap<(u64, u64), Vec<u8>>>,
    /// Excluded directories that are known to have something included below them.
    included: Mutex<HashSet<Vec<u8>>>,
    /// Ends the reading of its files.
    stop: OnceLock<Stop>,
}

/// The ignore file in force.
pub struct Ignore {
    /// Its patterns.
    pub patterns: IgnoreFile,
    /// What the user calls it.
    pub name: String,
}

impl fmt::Debug for BuildContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ignore = self.ignore.as_ref().map(|ignore| &ignore.name);
        write!(f, "BuildContext({:?}, {ignore:?})", self.path)
    }
}

impl BuildContext {
    /// Opens a context directory, all of whose files are seen.
    ///
    /// # Errors
    /// It cannot be opened.
    pub fn open(path: &Path) -> Result<Self, rbuild_rootdir::Error> {
        Ok(Self {
            path: path.to_owned(),
            root: Root::open(path)?,
            ignore: None,
            store: OnceLock::new(),
            memo: Mutex::new(None),
            change_times: Mutex::default(),
            inodes: Mutex::default(),
            included: Mutex::default(),
            stop: OnceLock::new(),
        })
    }

    /// The same, seen through an ignore file.
    #[must_use]
    pub fn with_ignore(mut self, ignore: Ignore) -> Self {
        self.ignore = Some(ignore);
        self
    }

    /// Lets its reading be ended from outside.
    #[must_use]
    pub fn with_stop(mut self, stop: Stop) -> Self {
        self.stop = stop.into();
        self
    }

    /// Loads the stat memo, without which every file is read. A store within the directory is left out from now on. A
    /// context that was put into the store has no memo: it will not be there again.
    ///
    /// # Errors
    /// The store cannot be read.
    #[expect(clippy::disallowed_methods, reason = "the store's own path")]
    pub fn load_memo(&self, store: &Store) -> Result<(), rbuild_store::StoreError> {
        // Set once, like the store's place.
        let _ = self.stop.set(store.stop().clone());
        if let Ok(root) = store.root().canonicalize() {
            if self.path.starts_with(&root) {
                return Ok(());
            }
            if let Ok(inside) = root.strip_prefix(&self.path) {
                // Set once: a context has one store.
                let _ = self.store.set(inside.as_os_str().as_bytes().to_vec());
            }
        }
        let memo = Memo::load(store, &self.path)?;
        *lock(&self.memo) = Some(memo);
        Ok(())
    }

    /// Saves what was learned.
    ///
    /// # Errors
    /// The store cannot be written.
    pub fn save_memo(&self, store: &Store) -> Result<(), rbuild_store::StoreError> {
        match lock(&self.memo).take() {
            Some(memo) => memo.save(store).map(|_| ()),
            None => Ok(()),
        }
    }

    /// What it is: two of the same directory and ignore file are the same context.
    pub fn identify(&self, fields: &mut KeyHasher) {
        let Self {
            path,
            root: _,
            ignore,
            // What a build knows of the directory, and learns.
            store: _,
            memo: _,
            change_times: _,
            inodes: _,
            included: _,
            stop: _,
        } = self;
        fields.text("context", path.as_os_str().as_bytes());
        let Some(Ignore { patterns, name }) = ignore else {
            return;
        };
        // The name is said in messages.
        fields
            .text("ignore file", name.as_bytes())
            .list("ignore", patterns.patterns().iter().map(|pattern| &pattern.text));
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The patterns of its ignore file, if it has one.
    #[must_use]
    pub fn ignore_file(&self) -> Option<&IgnoreFile> {
        self.ignore.as_ref().map(|ignore| &ignore.patterns)
    }

    /// The pattern that hides `path`, and the ignore file's name.
    #[must_use]
    pub fn hidden_by(&self, path: &[u8]) -> Option<(String, &str)> {
        let ignore = self.ignore.as_ref()?;
        let decision = ignore.patterns.decide(path);
        let pattern = ignore.patterns.patterns().get(decision.pattern?)?;
        decision
            .excluded
            .then(|| (pattern.text.clone(), ignore.name.as_str()))
    }

    fn excluded(&self, path: &[u8]) -> bool {
        self.is_store(path)
            || self
                .ignore
                .as_ref()
                .is_some_and(|ignore| ignore.patterns.decide(path).excluded)
    }

    fn may_reinclude_below(&self, path: &[u8]) -> bool {
        !self.is_store(path)
            && self
                .ignore
                .as_ref()
                .is_some_and(|ignore| ignore.patterns.may_reinclude_below(path))
    }

    fn is_store(&self, path: &[u8]) -> bool {
        self.store.get().is_some_and(|store| {
            path.strip_prefix(store.as_slice())
                .is_some_and(|rest| rest.is_empty() || rest[0] == b'/')
        })
    }

    /// Whether something below an excluded directory is included after all. A directory in which that is possible
    /// must be readable: what cannot be seen cannot be left out silently.
    fn has_included_below(&self, top: &[u8]) -> Result<bool, TreeError> {
        if !self.may_reinclude_below(top) {
            return Ok(false);
        }
        if lock(&self.included).contains(top) {
            return Ok(true);
        }
        let mut open = vec![top.to_vec()];
        while let Some(path) = open.pop() {
            let dir = match self.root.open_dir(&path) {
                Ok(dir) => dir,
                Err(error) if error.is_not_found() => continue,
                Err(error) => return Err(error.into()),
            };
            let mut below = Vec::new();
            for entry in dir.read_dir().map_err(|error| error.at(&path))? {
                let child = join(&path, &entry.name);
                let kind = match entry.kind {
                    Some(kind) => kind,
                    None => dir.lstat(&entry.name).map_err(|error| error.at(&child))?.kind,
                };
                // A socket is no file of the context.
                if !self.excluded(&child) && kind != Kind::Socket {
                    self.note_included(top, &path);
                    return Ok(true);
                }
                if kind == Kind::Dir && self.may_reinclude_below(&child) {
                    below.push(child);
                }
            }
            open.extend(below.into_iter().rev());
        }
        Ok(false)
    }

    /// All directories from `top` to `path` have something included below them: each is asked for in turn.
    fn note_included(&self, top: &[u8], path: &[u8]) {
        let above = ancestors(path).filter(|above| above.len() >= top.len());
        lock(&self.included).extend(above.chain([path]).map(<[u8]>::to_vec));
    }

    fn visible(&self, path: &[u8], is_dir: bool) -> Result<bool, TreeError> {
        Ok(path.is_empty() || !self.excluded(path) || (is_dir && self.has_included_below(path)?))
    }

    fn node(
        &self,
        dir: &Dir,
        path: Vec<u8>,
        name: &[u8],
        stat: &Stat,
    ) -> Result<Option<Node>, rbuild_rootdir::Error> {
        let mode = if stat.kind == Kind::Symlink {
            0o777
        } else {
            stat.mode
        };
        // The time is an accident of the checkout too.
        let meta = Metadata::new(mode, 0, 0).with_mtime(stat.mtime.secs, stat.mtime.nanos);
        let kind = match stat.kind {
            Kind::File => {
                let first_name = if stat.nlink > 1 {
                    self.first_name(&path, stat)
                } else {
                    None
                };
                let file_stat = file_stat(stat);
                let hash = lock(&self.memo)
                    .as_mut()
                    .and_then(|memo| memo.lookup(&path, &file_stat))
                    .map(FileHash::from_bytes);
                NodeKind::File {
                    size: stat.size,
                    hash,
                    first_name,
                    layer: 0,
                }
            }
            Kind::Dir => NodeKind::Dir,
            Kind::Symlink => NodeKind::Symlink(dir.readlink(name).map_err(|error| error.at(&path))?),
            Kind::Fifo => NodeKind::Fifo,
            Kind::CharDevice => NodeKind::CharDevice(stat.rdev),
            Kind::BlockDevice => NodeKind::BlockDevice(stat.rdev),
            // A socket is somebody's open end: there is nothing to copy.
            Kind::Socket => return Ok(None),
        };
        Ok(Some(Node { path, kind, meta }))
    }

    fn first_name(&self, path: &[u8], stat: &Stat) -> Option<Vec<u8>> {
        let mut inodes = lock(&self.inodes);
        let first = inodes
            .entry((stat.dev, stat.ino))
            .or_insert_with(|| path.to_vec());
        (first.as_slice() != path).then(|| first.clone())
    }
}

impl Tree for BuildContext {
    fn lookup(&self, path: &[u8]) -> Result<Option<Node>, TreeError> {
        if path.is_empty() {
            // The mode of the context directory itself is an accident of the checkout.
            return Ok(Some(Node {
                path: Vec::new(),
                kind: NodeKind::Dir,
                meta: Metadata::new(0o755, 0, 0),
            }));
        }
        let found = self
            .root
            .parent(path)
            .and_then(|(dir, name)| Ok((dir.lstat(name)?, dir, name)));
        let (stat, dir, name) = match found {
            Ok(found) => found,
            Err(error) if error.is_not_found() => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        if !self.visible(path, stat.kind == Kind::Dir)? {
            return Ok(None);
        }
        Ok(self.node(&dir, path.to_vec(), name, &stat)?)
    }

    fn list(&self, path: &[u8]) -> Result<Vec<Node>, TreeError> {
        let dir = match self.root.open_dir(path) {
            Ok(dir) => dir,
            Err(error) if error.is_not_found() => return Ok(Vec::new()),
            Err(error) => return Err(error.into()),
        };
        let mut entries = dir.read_dir()?;
        entries.sort_unstable_by(|one, other| one.name.cmp(&other.name));
        let mut nodes = Vec::with_capacity(entries.len());
        for entry in entries {
            let child = join(path, &entry.name);
            let excluded = self.excluded(&child);
            // An excluded file needs no stat, an excluded directory no permission to be read.
            if excluded && entry.kind.is_some_and(|kind| kind != Kind::Dir) {
                continue;
            }
            let stat = match dir.lstat(&entry.name) {
                Ok(stat) => stat,
                Err(error) if error.is_not_found() => continue,
                Err(error) => return Err(error.at(&child).into()),
            };
            if excluded && !(stat.kind == Kind::Dir && self.has_included_below(&child)?) {
                continue;
            }
            if let Some(node) = self.node(&dir, child, &entry.name, &stat)? {
                nodes.push(node);
            }
        }
        Ok(nodes)
    }

    fn open(&self, path: &[u8]) -> Result<File, TreeError> {
        // Links on the way were resolved when the path was selected; one that appeared since is refused.
        let _ = LastLink::Follow;
        Ok(self.root.open_file(path)?)
    }
}

fn file_stat(stat: &Stat) -> FileStat {
    let nanos = |time: rbuild_rootdir::Timestamp| {
        time.secs
            .saturating_mul(1_000_000_000)
            .saturating_add(i64::from(time.nanos))
    };
    FileStat {
        dev: stat.dev,
        ino: stat.ino,
        size: stat.size,
        mtime: nanos(stat.mtime),
        ctime: nanos(stat.ctime),
    }
}

/// A poisoned lock means that a thread panicked; the data under these locks is only a cache.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
