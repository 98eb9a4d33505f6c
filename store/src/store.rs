//! [`Store`]: the handle on one store directory. Where each part lives, how a file gets in (written under `tmp/`,
//! then renamed), and the first look at a new directory.
//!
//! Not here: what the parts mean. Each has its own file: blobs, images, records, locks, snapshots.

use std::collections::BTreeSet;
use std::fs::{File, OpenOptions, Permissions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use crate::error::{IoContext, StoreError};
use crate::filesystem::{self, Need};
use crate::lease::List;
use crate::small_file::{list_dir, make_dirs, read_if_there, rename_in};
use rbuild_layer::Stop;

use crate::tmp::{self, Swept, TmpDir};

/// The layout this program reads and writes. Another one is refused, never converted silently.
pub const LAYOUT_VERSION: u32 = 3;

/// Every directory of the layout, created once when the store is made.
const LAYOUT: &[&str] = &[
    "blobs",
    "blobs/sha256",
    "builds",
    "builds/latest",
    "cache-mounts",
    "compressed",
    "content",
    "diffids",
    "flattened",
    "images",
    "locks",
    "locks/cache-mounts",
    "locks/keys",
    "locks/leases",
    "logs",
    "memo",
    "records",
    "records/trees",
    "snapshots",
    "stubs",
    "tags",
    "tmp",
];

/// A store directory that was opened. Cheap to clone; usable from several threads.
#[derive(Clone, Debug)]
pub struct Store(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    root: PathBuf,
    boot_id: String,
    /// Where small metadata files are born; made when the first one is written.
    new_files: Mutex<Option<Arc<TmpDir>>>,
    serial: AtomicU64,
    /// What this process uses, while it uses anything.
    leases: Mutex<Weak<List>>,
    stop: Stop,
}

impl Store {
    /// Opens the store at `root`, making it first when the directory is absent or empty.
    ///
    /// `boot_id` is the content of `/proc/sys/kernel/random/boot_id`: snapshots remember the boot they were
    /// committed in, since only a power loss can hurt them. Opening an existing store is about six system calls.
    ///
    /// # Errors
    /// [`StoreError::Version`], [`StoreError::Unsuitable`], [`StoreError::NotAStore`], or the kernel's refusal.
    pub fn open(root: &Path, boot_id: &str, need: Need) -> Result<Store, StoreError> {
        let root = std::path::absolute(root).at("resolve", root)?;
        match std::fs::read_to_string(root.join("version")) {
            Ok(found) => check_version(&root, &found)?,
            Err(error) if error.kind() == ErrorKind::NotFound => init(&root, need)?,
            Err(error) => return Err(StoreError::from_io("read", &root.join("version"), error)),
        }
        filesystem::check(&root, need)?;
        filesystem::check_private(&root)?;
        Ok(Store(Arc::new(Inner {
            root,
            boot_id: boot_id.trim().to_owned(),
            new_files: Mutex::new(None),
            serial: AtomicU64::new(0),
            leases: Mutex::default(),
            stop: Stop::new(),
        })))
    }

    /// Ends long reading and writing through this handle and its clones.
    pub fn stop(&self) -> &Stop {
        &self.0.stop
    }

    /// The absolute path of the store.
    pub fn root(&self) -> &Path {
        &self.0.root
    }

    /// Whether the snapshots that are written can be overlays here.
    pub fn takes_overlays(&self) -> bool {
        filesystem::takes_overlays(self.root())
    }

    /// Whether its file system has no room left, for bytes or for files.
    pub fn is_full(&self) -> bool {
        const LEFT: u64 = 1024 * 1024;
        rustix::fs::statvfs(self.root()).is_ok_and(|stat| {
            // Some file systems count no inodes.
            stat.f_bavail.saturating_mul(stat.f_frsize) < LEFT || (stat.f_files > 0 && stat.f_favail == 0)
        })
    }

    /// The boot this process runs in.
    pub fn boot_id(&self) -> &str {
        &self.0.boot_id
    }

    /// The path of a part of the layout, for example `snapshots`.
    pub fn path(&self, part: &str) -> PathBuf {
        self.0.root.join(part)
    }

    /// `snapshots/`: one directory per committed snapshot.
    pub fn snapshots_dir(&self) -> PathBuf {
        self.path("snapshots")
    }

    /// `content/`: the adoption index.
    pub fn content_dir(&self) -> PathBuf {
        self.path("content")
    }

    /// `diffids/`: which tar a snapshot gives.
    pub fn diffids_dir(&self) -> PathBuf {
        self.path("diffids")
    }

    /// `compressed/`: which blob a tar was compressed to.
    pub fn compressed_dir(&self) -> PathBuf {
        self.path("compressed")
    }

    /// `stubs/`: empty mount points.
    pub fn stubs_dir(&self) -> PathBuf {
        self.path("stubs")
    }

    /// `memo/`: stat memos of context directories.
    pub fn memo_dir(&self) -> PathBuf {
        self.path("memo")
    }

    pub(crate) fn leases(&self) -> &Mutex<Weak<List>> {
        &self.0.leases
    }

    /// A new directory under `tmp/` that belongs to this process until it is dropped, or until the process dies:
    /// then the next sweep removes it.
    pub fn tmp_dir(&self) -> Result<TmpDir, StoreError> {
        TmpDir::create(&self.path("tmp"))
    }

    /// The directories of the layout that are missing: somebody removed them.
    pub(crate) fn missing_dirs(&self) -> Vec<PathBuf> {
        let dirs = LAYOUT.iter().map(|part| self.path(part));
        dirs.filter(|dir| !dir.is_dir()).collect()
    }

    /// Removes what dead processes left under `tmp/`. Safe beside any number of builds.
    pub fn sweep_tmp(&self) -> Result<Swept, StoreError> {
        tmp::sweep(&self.path("tmp"))
    }

    /// Writes a small file so that it is there whole or not at all. The parent directory is made when missing.
    pub fn write_file(&self, path: &Path, bytes: &[u8]) -> Result<(), StoreError> {
        let (born, mut file) = self.new_file()?;
        let written = file
            .write_all(bytes)
            .at("write", &born)
            .and_then(|()| rename_in(&born, path));
        if written.is_err() {
            let _ = std::fs::remove_file(&born);
        }
        written
    }

    /// A new empty file under `tmp/`, to be renamed by [`rename_in`] or removed by the caller.
    pub(crate) fn new_file(&self) -> Result<(PathBuf, File), StoreError> {
        let new_files = self.new_files()?;
        let serial = self.0.serial.fetch_add(1, Ordering::Relaxed);
        let path = new_files.path().join(format!("f{serial}"));
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path)
            .at("create", &path)?;
        Ok((path, file))
    }

    fn new_files(&self) -> Result<Arc<TmpDir>, StoreError> {
        let mut slot = self.0.new_files.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(new_files) = slot.as_ref() {
            return Ok(Arc::clone(new_files));
        }
        let new_files = Arc::new(self.tmp_dir()?);
        *slot = Some(Arc::clone(&new_files));
        Ok(new_files)
    }
}

fn check_version(root: &Path, found: &str) -> Result<(), StoreError> {
    if found.trim() == LAYOUT_VERSION.to_string() {
        return Ok(());
    }
    Err(StoreError::Version {
        root: root.to_owned(),
        found: found.trim().chars().take(40).collect(),
        supported: LAYOUT_VERSION,
    })
}

/// Makes the layout. The `version` file is written last, and after a power loss it is not there without the directories
/// either: they are synced once, here. So a store that has one is complete.
fn init(root: &Path, need: Need) -> Result<(), StoreError> {
    make_dirs(root)?;
    let shared = filesystem::check_owner(root)?.is_some();
    // Two first builds may start together: one makes the layout, the other waits and finds it made.
    let handle = File::open(root).at("open", root)?;
    handle.lock().at("lock", root)?;
    let version = root.join("version");
    if let Some(found) = read_if_there(&version)? {
        return check_version(root, &String::from_utf8_lossy(&found));
    }
    expect_empty(root, shared)?;
    filesystem::check(root, need)?;
    if shared {
        // A volume is often made for everybody. It was empty, and still is once nobody else can come in.
        std::fs::set_permissions(root, Permissions::from_mode(0o700)).at("change the mode of", root)?;
        expect_empty(root, shared)?;
    }
    for part in LAYOUT {
        make_dirs(&root.join(part))?;
    }
    let nested = LAYOUT.iter().filter_map(|part| Path::new(part).parent());
    for dir in nested.collect::<BTreeSet<&Path>>() {
        let dir = root.join(dir);
        File::open(&dir).and_then(|dir| dir.sync_all()).at("sync", &dir)?;
    }
    let born = root.join("version.new");
    OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&born)
        .and_then(|mut file| {
            file.write_all(format!("{LAYOUT_VERSION}\n").as_bytes())?;
            file.sync_all()
        })
        .at("write", &born)?;
    std::fs::rename(&born, &version).at("rename to", &version)
}

/// Refuses a directory that holds more than a first open that was interrupted. Where others can write, even that could be
/// somebody's trap.
fn expect_empty(root: &Path, shared: bool) -> Result<(), StoreError> {
    let ours =
        |name: &str| name == "lost+found" || !shared && (LAYOUT.contains(&name) || name == "version.new");
    if list_dir(root)?.iter().all(|name| ours(name)) {
        return Ok(());
    }
    Err(StoreError::NotAStore {
        root: root.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Unsuitable;

    #[test]
    fn a_new_store_is_private_and_opens_again() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("deep/store");
        Store::open(&root, "boot\n", Need::Writing).unwrap();
        assert_eq!(
            std::fs::metadata(&root).unwrap().permissions().mode() & 0o777,
            0o700
        );
        assert_eq!(
            std::fs::metadata(root.join("blobs"))
                .unwrap()
                .permissions()
                .mode()
                & 0o777,
            0o700
        );
        assert_eq!(std::fs::read_to_string(root.join("version")).unwrap(), "3\n");
        let again = Store::open(&root, "boot\n", Need::Writing).unwrap();
        assert_eq!(again.boot_id(), "boot");
        assert_eq!(again.root(), root);
    }

    #[test]
    fn a_directory_with_other_things_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("thesis.tex"), "x").unwrap();
        let error = Store::open(dir.path(), "b", Need::Writing).unwrap_err();
        assert!(matches!(error, StoreError::NotAStore { .. }), "{error}");
        assert_eq!(list_dir(dir.path()).unwrap(), ["thesis.tex"]);
    }

    #[test]
    fn an_interrupted_first_open_is_completed() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("blobs")).unwrap();
        std::fs::write(dir.path().join("version.new"), "").unwrap();
        Store::open(dir.path(), "b", Need::Writing).unwrap();
        assert!(dir.path().join("tmp").is_dir());
    }

    fn set_mode(path: &Path, mode: u32) {
        std::fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn a_store_that_others_can_write_to_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path();
        // An empty volume for everybody becomes a store for one.
        set_mode(root, 0o777);
        Store::open(root, "b", Need::Writing).unwrap();
        assert_eq!(
            std::fs::metadata(root).unwrap().permissions().mode() & 0o777,
            0o700
        );
        for (mode, private) in [
            (0o777, false),
            (0o1777, false),
            (0o770, false),
            (0o702, false),
            (0o755, true),
        ] {
            set_mode(root, mode);
            for need in [Need::Writing, Need::Reading] {
                match Store::open(root, "b", need) {
                    Ok(_) => assert!(private, "{mode:o}"),
                    Err(error) => {
                        let expected = format!("others may write to it (mode {mode:04o})");
                        assert!(
                            !private && error.to_string().contains(&expected),
                            "{mode:o}: {error}"
                        );
                    }
                }
            }
        }
    }

    #[test]
    fn what_others_can_have_planted_is_not_taken_for_a_store() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("blobs")).unwrap();
        set_mode(dir.path(), 0o777);
        let error = Store::open(dir.path(), "b", Need::Writing).unwrap_err();
        assert!(matches!(error, StoreError::NotAStore { .. }), "{error}");
        assert_eq!(list_dir(dir.path()).unwrap(), ["blobs"]);
    }

    #[test]
    fn a_store_of_another_user_is_refused_as_root_too() {
        if !rustix::process::geteuid().is_root() {
            println!("skipped: only root can give a store away");
            return;
        }
        let dir = tempfile::tempdir().unwrap();
        let (made, empty) = (dir.path().join("made"), dir.path().join("empty"));
        Store::open(&made, "b", Need::Writing).unwrap();
        std::fs::create_dir(&empty).unwrap();
        for root in [&made, &empty] {
            std::os::unix::fs::chown(root, Some(12_345), None).unwrap();
            for need in [Need::Writing, Need::Reading] {
                let error = Store::open(root, "b", need).unwrap_err();
                assert!(error.to_string().contains("it belongs to uid 12345"), "{error}");
            }
        }
        assert!(list_dir(&empty).unwrap().is_empty());
    }

    #[test]
    fn another_layout_version_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        Store::open(dir.path(), "b", Need::Writing).unwrap();
        std::fs::write(dir.path().join("version"), "7\n").unwrap();
        let error = Store::open(dir.path(), "b", Need::Writing).unwrap_err();
        assert!(
            error
                .to_string()
                .contains("has layout version `7`, this rbuild knows version 3"),
            "{error}"
        );
    }

    #[test]
    fn several_first_opens_agree() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("s");
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| Store::open(&root, "b", Need::Writing).unwrap());
            }
        });
        assert_eq!(std::fs::read_to_string(root.join("version")).unwrap(), "3\n");
    }

    #[test]
    fn unsuitable_says_why() {
        let error = StoreError::Unsuitable {
            root: "/s".into(),
            problem: Unsuitable::Network("nfs"),
        };
        assert_eq!(
            error.to_string(),
            "`/s` cannot hold the store: it is on a network file system (nfs); use a local disk"
        );
    }

    #[test]
    fn a_file_is_written_whole_into_a_new_directory() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path(), "b", Need::Writing).unwrap();
        let path = store.path("records/ab/cd");
        store.write_file(&path, b"one").unwrap();
        store.write_file(&path, b"two").unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"two");
        drop(store);
        assert!(
            list_dir(&dir.path().join("tmp")).unwrap().is_empty(),
            "the directory goes with its owner"
        );
    }
}
