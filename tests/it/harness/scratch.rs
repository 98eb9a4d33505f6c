//! A directory that is gone afterwards, whoever owns what is in it.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// `OVERLAYFS_SUPER_MAGIC` of linux/magic.h: no overlay upper directory can live there.
const OVERLAYFS_MAGIC: i64 = 0x794c_7630;

/// A scratch directory. Dropping it checks that nothing is mounted below it and removes it.
pub(crate) struct Scratch {
    path: PathBuf,
}

impl Scratch {
    pub(crate) fn new() -> Scratch {
        let path = tempfile::Builder::new()
            .prefix("rbuild-it-")
            .permissions(Permissions::from_mode(0o700))
            .tempdir_in(place())
            .expect("a scratch directory can be made")
            .keep();
        // Symlinks on the way would make paths in outputs differ from those that the tests name.
        let path = path.canonicalize().expect("the scratch directory is there");
        Scratch { path }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Mount points below this directory in the namespace of the test. There must never be one.
    pub(crate) fn mounts(&self) -> Vec<String> {
        let below = format!("{}/", self.path.display());
        let table = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
        table
            .lines()
            .filter_map(|line| line.split(' ').nth(4))
            .filter(|point| point.starts_with(&below))
            .map(str::to_owned)
            .collect()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let mounts = self.mounts();
        if std::env::var_os("RBUILD_TEST_KEEP").is_some() {
            eprintln!("kept: {}", self.path.display());
        } else if mounts.is_empty() {
            remove(&self.path);
        }
        if !std::thread::panicking() {
            assert!(mounts.is_empty(), "left mounted: {mounts:?}");
        }
    }
}

/// Removes a tree that may hold files of subordinate ids, which only root or their user namespace may delete.
fn remove(path: &Path) {
    if fs::remove_dir_all(path).is_ok() || !path.exists() {
        return;
    }
    let inside = Command::new("unshare")
        .args(["--map-auto", "--map-root-user", "--", "rm", "-rf", "--"])
        .arg(path)
        .status();
    if !inside.is_ok_and(|status| status.success()) {
        // Without subordinate ids nothing in there is of another user, but directories may be closed to their owner.
        let _ = Command::new("chmod").args(["-R", "u+rwX"]).arg(path).status();
        let _ = fs::remove_dir_all(path);
    }
    if path.exists() {
        eprintln!("could not remove {}", path.display());
    }
}

/// Where scratch directories go: the usual place, unless that is an overlay.
fn place() -> PathBuf {
    let usual = std::env::temp_dir();
    [
        usual.clone(),
        PathBuf::from("/var/tmp"),
        PathBuf::from("/dev/shm"),
    ]
    .into_iter()
    .find(|dir| {
        rustix::fs::statfs(dir).is_ok_and(|stat| stat.f_type != OVERLAYFS_MAGIC)
            && rustix::fs::access(dir, rustix::fs::Access::WRITE_OK).is_ok()
    })
    .unwrap_or(usual)
}
