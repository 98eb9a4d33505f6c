//! The directories behind `RUN --mount=type=cache`: which copy a step gets, and who else may have it meanwhile.
//!
//! A cache mount has numbered copies, `cache-mounts/<hash of name>/<n>/`. The name is hashed, so it names no path
//! (CVE-2024-9675). Copy 0 is the usual one; more come into being only when it is taken.
//!
//! Not here: mounting, and what `mode`, `uid`, `gid` and `from` ask for: the caller does that to a new copy before
//! anybody else can see it, and says with [`CacheMountName::variant`] that it is another one.

use std::path::{Path, PathBuf};
use std::{fmt, io};

use rbuild_oci::Digest;
use rustix::fs::{CWD, RenameFlags};
use rustix::io::Errno;

use crate::error::{IoContext, StoreError};
use crate::file_lock::{Lock, Mode};
use crate::small_file::{list_dir, make_dirs, read_if_there};
use crate::store::Store;

/// `sharing=` of a cache mount.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sharing {
    /// Any number of steps at once.
    #[default]
    Shared,
    /// One step at a time; the others get copies of their own.
    Private,
    /// One step at a time; the others wait.
    Locked,
}

/// What is kept apart: mounts with the same name have the same content.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct CacheMountName {
    /// The id that Dockerfiles give. Of one with a variant it has no NUL byte in it.
    pub id: String,
    /// What sets it apart from others of the same id; empty for the usual one.
    pub variant: String,
}

impl CacheMountName {
    /// The usual one of an id.
    pub fn usual(id: &str) -> Self {
        Self {
            id: id.to_owned(),
            variant: String::new(),
        }
    }

    fn hash(&self) -> String {
        if self.variant.is_empty() {
            return Digest::of(self.id.as_bytes()).to_hex();
        }
        Digest::of(format!("{}\0{}", self.id, self.variant).as_bytes()).to_hex()
    }
}

impl fmt::Display for CacheMountName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.id)?;
        if self.variant.is_empty() {
            return Ok(());
        }
        write!(f, " ({})", self.variant)
    }
}

/// A copy of a cache mount, held for a step.
#[derive(Debug)]
pub struct CacheMount {
    path: PathBuf,
    fresh: bool,
    _lock: Lock,
}

impl CacheMount {
    /// The directory to mount.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether it was made just now.
    pub fn is_fresh(&self) -> bool {
        self.fresh
    }
}

/// The answer to [`Store::try_cache_mount`].
#[derive(Debug)]
pub enum CacheMountClaim {
    /// It can be mounted.
    Held(CacheMount),
    /// Only for [`Sharing::Locked`]: another step has it. Tell the user, then [`Store::wait_cache_mount`].
    Busy,
}

/// A cache mount in the store, for `df` and `prune`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CacheMountInfo {
    /// Hash of the name: the directory's.
    pub(crate) hash: String,
    /// The name, as long as it is known.
    pub(crate) name: Option<String>,
    /// Numbers of its copies.
    pub(crate) copies: Vec<u32>,
}

impl Store {
    /// Takes a copy of a cache mount as `sharing` says, making it when there is none: then `init` gets the
    /// new empty directory, to set its owner and mode or to fill it, before it appears under its name.
    pub fn try_cache_mount(
        &self,
        name: &CacheMountName,
        sharing: Sharing,
        init: &dyn Fn(&Path) -> io::Result<()>,
    ) -> Result<CacheMountClaim, StoreError> {
        let hash = name.hash();
        let mode = match sharing {
            Sharing::Shared => Mode::Shared,
            Sharing::Private | Sharing::Locked => Mode::Exclusive,
        };
        let mut copy = 0;
        loop {
            if let Some(lock) = Lock::try_take(&self.cache_mount_lock(&hash, copy), mode)? {
                return self.held(name, copy, lock, init).map(CacheMountClaim::Held);
            }
            if sharing == Sharing::Locked {
                return Ok(CacheMountClaim::Busy);
            }
            copy += 1;
        }
    }

    /// Waits for copy 0 of a cache mount, as long as it takes, and holds it alone.
    ///
    /// A step with several locked mounts takes them in the order of their names; otherwise two steps could wait for
    /// each other.
    pub fn wait_cache_mount(
        &self,
        name: &CacheMountName,
        init: &dyn Fn(&Path) -> io::Result<()>,
    ) -> Result<CacheMount, StoreError> {
        let lock = Lock::wait(&self.cache_mount_lock(&name.hash(), 0), Mode::Exclusive)?;
        self.held(name, 0, lock, init)
    }

    /// As [`wait_cache_mount`](Self::wait_cache_mount), but gives up (`None`) soon after `stop` says so.
    pub fn wait_cache_mount_or(
        &self,
        name: &CacheMountName,
        init: &dyn Fn(&Path) -> io::Result<()>,
        stop: &dyn Fn() -> bool,
    ) -> Result<Option<CacheMount>, StoreError> {
        match Lock::wait_or(&self.cache_mount_lock(&name.hash(), 0), Mode::Exclusive, stop)? {
            Some(lock) => self.held(name, 0, lock, init).map(Some),
            None => Ok(None),
        }
    }

    fn held(
        &self,
        name: &CacheMountName,
        copy: u32,
        lock: Lock,
        init: &dyn Fn(&Path) -> io::Result<()>,
    ) -> Result<CacheMount, StoreError> {
        lock.stamp()?;
        let hash = name.hash();
        let path = self.cache_mount_dir(&hash, copy);
        let fresh = !path.try_exists().at("examine", &path)?;
        if fresh {
            let tmp = self.tmp_dir()?;
            let born = tmp.path().join("mount");
            make_dirs(&born)?;
            init(&born).at("prepare the cache mount", &path)?;
            loop {
                self.write_file(
                    &self.path("cache-mounts").join(&hash).join("id"),
                    name.to_string().as_bytes(),
                )?;
                match rustix::fs::renameat_with(CWD, &born, CWD, &path, RenameFlags::NOREPLACE) {
                    // A collector has just removed the directory around the copies, which had none left.
                    Err(Errno::NOENT) => continue,
                    // Another step that shares it was faster; its copy may be in use.
                    Err(Errno::EXIST) => break,
                    // File systems without that flag (some FUSE): rename(2) refuses a directory that is not empty.
                    Err(Errno::INVAL) => break std::fs::rename(&born, &path).at("rename to", &path)?,
                    other => break other.at("rename to", &path)?,
                }
            }
        }
        Ok(CacheMount {
            path,
            fresh,
            _lock: lock,
        })
    }

    /// Throws away the copies of a cache mount that nobody has now.
    pub fn empty_cache_mount(&self, name: &CacheMountName) -> Result<(), StoreError> {
        let hash = name.hash();
        let home = self.path("cache-mounts").join(&hash);
        if !home.try_exists().at("examine", &home)? {
            return Ok(());
        }
        let trash = self.tmp_dir()?;
        for copy in copies(&home)? {
            let Some(_lock) = Lock::try_take(&self.cache_mount_lock(&hash, copy), Mode::Exclusive)? else {
                continue;
            };
            let path = self.cache_mount_dir(&hash, copy);
            match std::fs::rename(&path, trash.path().join(copy.to_string())) {
                // A collector was faster.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                other => other.at("move away", &path)?,
            }
        }
        Ok(())
    }

    pub(crate) fn cache_mount_lock(&self, hash: &str, copy: u32) -> PathBuf {
        self.path("locks/cache-mounts").join(format!("{hash}.{copy}"))
    }

    pub(crate) fn cache_mount_dir(&self, hash: &str, copy: u32) -> PathBuf {
        self.path("cache-mounts").join(hash).join(copy.to_string())
    }

    /// All cache mounts, sorted by the hash of their name.
    pub(crate) fn cache_mounts(&self) -> Result<Vec<CacheMountInfo>, StoreError> {
        let root = self.path("cache-mounts");
        let mut all = Vec::new();
        for hash in list_dir(&root)? {
            let dir = root.join(&hash);
            let name = read_if_there(&dir.join("id"))?.and_then(|bytes| String::from_utf8(bytes).ok());
            let copies = copies(&dir)?;
            all.push(CacheMountInfo { hash, name, copies });
        }
        Ok(all)
    }
}

/// The numbers of the copies in the directory of a cache mount.
fn copies(home: &Path) -> Result<Vec<u32>, StoreError> {
    let mut copies: Vec<u32> = list_dir(home)?
        .iter()
        .filter_map(|name| name.parse().ok())
        .collect();
    copies.sort_unstable();
    Ok(copies)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::filesystem::Need;

    fn usual() -> CacheMountName {
        CacheMountName::usual("/root/.cache")
    }

    fn store() -> (tempfile::TempDir, Store) {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path(), "boot", Need::Writing).unwrap();
        (dir, store)
    }

    fn held(store: &Store, sharing: Sharing) -> CacheMount {
        match store.try_cache_mount(&usual(), sharing, &|_| Ok(())).unwrap() {
            CacheMountClaim::Held(mount) => mount,
            CacheMountClaim::Busy => panic!("busy"),
        }
    }

    fn busy(store: &Store) -> bool {
        let claim = store
            .try_cache_mount(&usual(), Sharing::Locked, &|_| Ok(()))
            .unwrap();
        matches!(claim, CacheMountClaim::Busy)
    }

    #[test]
    fn shared_is_shared() {
        let (_dir, store) = store();
        let one = held(&store, Sharing::Shared);
        let two = held(&store, Sharing::Shared);
        assert_eq!(one.path(), two.path());
        assert!(one.is_fresh() && !two.is_fresh());
        assert!(busy(&store), "locked waits for shared");
    }

    #[test]
    fn private_gets_a_copy_and_reuses_the_first_free_one() {
        let (_dir, store) = store();
        let one = held(&store, Sharing::Private);
        let two = held(&store, Sharing::Private);
        let three = held(&store, Sharing::Shared);
        assert!(one.path().ends_with("0") && two.path().ends_with("1") && three.path().ends_with("2"));
        std::fs::write(one.path().join("kept"), "x").unwrap();
        drop(one);
        let again = held(&store, Sharing::Private);
        assert!(again.path().join("kept").exists() && !again.is_fresh());
    }

    #[test]
    fn locked_waits() {
        let (_dir, store) = store();
        let one = held(&store, Sharing::Locked);
        assert!(busy(&store));
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| store.wait_cache_mount(&usual(), &|_| Ok(())).unwrap());
            std::fs::write(one.path().join("kept"), "x").unwrap();
            drop(one);
            let two = waiting.join().unwrap();
            assert!(two.path().ends_with("0") && two.path().join("kept").exists());
        });
    }

    #[test]
    fn a_collector_beside_steps() {
        let (_dir, store) = store();
        let seed = |path: &Path| std::fs::write(path.join("seed"), "x");
        let options = crate::gc::PruneOptions {
            cache_mounts: true,
            ..crate::gc::PruneOptions::default()
        };
        std::thread::scope(|scope| {
            let steps = scope.spawn(|| {
                for _ in 0..200 {
                    let claim = store.try_cache_mount(&usual(), Sharing::Shared, &seed).unwrap();
                    let CacheMountClaim::Held(mount) = claim else {
                        panic!("busy")
                    };
                    assert!(mount.path().join("seed").exists());
                }
            });
            while !steps.is_finished() {
                // A time to come, so that what was used just now counts as old.
                let pruned = store
                    .prune(&options, crate::memo::file_system_now() + 1_000_000_000)
                    .unwrap();
                assert!(pruned.failed.is_empty(), "{pruned:?}");
            }
            steps.join().unwrap();
        });
    }

    #[test]
    fn nobody_sees_a_copy_before_it_is_prepared() {
        let (_dir, store) = store();
        let seed = |path: &Path| std::fs::write(path.join("seed"), "x");
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    let claim = store.try_cache_mount(&usual(), Sharing::Shared, &seed).unwrap();
                    let CacheMountClaim::Held(mount) = claim else {
                        panic!("busy")
                    };
                    assert!(mount.path().ends_with("0") && mount.path().join("seed").exists());
                });
            }
        });
        let fail = |_: &Path| Err(io::Error::other("no room for the seed"));
        assert!(
            store
                .try_cache_mount(&CacheMountName::usual("other"), Sharing::Shared, &fail)
                .is_err()
        );
        let CacheMountClaim::Held(mount) = store
            .try_cache_mount(&CacheMountName::usual("other"), Sharing::Shared, &seed)
            .unwrap()
        else {
            panic!("busy");
        };
        assert!(mount.is_fresh());
    }

    #[test]
    fn a_variant_is_another_one() {
        let (_dir, store) = store();
        let variant = CacheMountName {
            variant: "uid=7".to_owned(),
            ..usual()
        };
        let take = |name| match store.try_cache_mount(name, Sharing::Locked, &|_| Ok(())).unwrap() {
            CacheMountClaim::Held(mount) => mount,
            CacheMountClaim::Busy => panic!("busy"),
        };
        let (one, other) = (take(&usual()), take(&variant));
        assert_ne!(one.path(), other.path());
        let mut names: Vec<_> = store
            .cache_mounts()
            .unwrap()
            .into_iter()
            .filter_map(|mount| mount.name)
            .collect();
        names.sort();
        assert_eq!(names, ["/root/.cache", "/root/.cache (uid=7)"]);
    }

    #[test]
    fn emptying_spares_what_is_used() {
        let (_dir, store) = store();
        store.empty_cache_mount(&usual()).unwrap();
        let (one, two) = (held(&store, Sharing::Private), held(&store, Sharing::Private));
        for mount in [&one, &two] {
            std::fs::write(mount.path().join("kept"), "x").unwrap();
        }
        let (used, unused) = (one.path().to_owned(), two.path().to_owned());
        drop(two);
        store.empty_cache_mount(&usual()).unwrap();
        assert!(used.join("kept").exists() && !unused.exists());
        drop(one);
        store.empty_cache_mount(&usual()).unwrap();
        let again = held(&store, Sharing::Shared);
        assert!(again.is_fresh() && !again.path().join("kept").exists());
    }

    #[test]
    fn an_id_leads_nowhere() {
        let (dir, store) = store();
        for id in ["../../escape", "/etc", "", ".", "a\0b"] {
            let CacheMountClaim::Held(mount) = store
                .try_cache_mount(&CacheMountName::usual(id), Sharing::Shared, &|_| Ok(()))
                .unwrap()
            else {
                panic!("busy");
            };
            assert!(mount.path().starts_with(dir.path().join("cache-mounts")), "{id}");
        }
        let ids: Vec<_> = store
            .cache_mounts()
            .unwrap()
            .into_iter()
            .filter_map(|mount| mount.name)
            .collect();
        assert_eq!(ids.len(), 5);
        assert!(!dir.path().join("escape").exists());
    }
}
