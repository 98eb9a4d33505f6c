//! Empty mount points as an overlay layer of their own, the lowest.

use std::fmt::Write as _;
use std::fs::File;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::PoisonError;
use std::time::SystemTime;

use rbuild_layer::FileHash;
use rbuild_layer::listing::ancestors;
use rbuild_oci::hash::sha256;
use rbuild_rootdir::Root;

use super::seal::make_dir;
use super::{SnapshotError, SnapshotStore};
use crate::lease::Name;

/// What kind of empty mount point is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum StubKind {
    /// An empty directory.
    Dir,
    /// An empty regular file.
    File,
}

impl StubKind {
    /// What it is called in the name of a layer.
    fn name(self) -> &'static str {
        match self {
            StubKind::Dir => "dir",
            StubKind::File => "file",
        }
    }
}

impl SnapshotStore {
    /// A directory that holds these mount points and nothing else, made once for every set and boot, and not collected
    /// while these snapshots are open. Paths are relative and hold no links.
    pub fn stub_layer(&self, stubs: &[(Vec<u8>, StubKind)]) -> Result<PathBuf, SnapshotError> {
        let mut stubs = stubs.to_vec();
        stubs.sort();
        stubs.dedup();
        // Nobody looks whether they are whole, and after a power loss they may not be: each boot has its own.
        let mut text = format!("rbuild stubs 3\n{}\n", self.store.boot_id());
        for (path, kind) in &stubs {
            let _ = writeln!(text, "{} {}", kind.name(), FileHash::of(path));
        }
        let name = sha256(text.as_bytes());
        let home = self.store.stubs_dir().join(FileHash::from_bytes(name).to_hex());
        while !self.hold_stubs(&name, &home)? {
            self.make_stubs(&stubs, &home)?;
        }
        Ok(home)
    }

    /// Keeps a layer as long as these snapshots are open; false: it is not there. Its time says when it was last used.
    fn hold_stubs(&self, name: &Name, home: &Path) -> Result<bool, SnapshotError> {
        let mut held = self.stubs.lock().unwrap_or_else(PoisonError::into_inner);
        if held.contains_key(name) {
            return Ok(true);
        }
        // Looked for behind the name: from here on nobody removes it.
        let lease = self.store.locks().lease_name(name)?;
        match File::open(home) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(false),
            // Of another user it is not ours to stamp; then it is collected early and made again.
            other => drop(
                other
                    .map_err(|error| SnapshotError::io("open", home, error))?
                    .set_modified(SystemTime::now()),
            ),
        }
        held.insert(*name, lease);
        Ok(true)
    }

    fn make_stubs(&self, stubs: &[(Vec<u8>, StubKind)], home: &Path) -> Result<(), SnapshotError> {
        let tmp = self.store.tmp_dir()?;
        let born = tmp.path().join("stubs");
        make_dir(&born)?;
        let root = Root::open(&born)?;
        let dir = |path: &[u8]| -> Result<(), SnapshotError> {
            match root.mkdir(path) {
                Err(e) if e.is_already_exists() => Ok(()),
                other => Ok(other.and_then(|()| root.chmod(path, 0o755))?),
            }
        };
        for (path, kind) in stubs {
            for above in ancestors(path) {
                dir(above)?;
            }
            match kind {
                StubKind::Dir => dir(path)?,
                StubKind::File => {
                    let file = root.create_file(path)?;
                    rbuild_rootdir::fchmod(&file, 0o644)?;
                }
            }
        }
        rbuild_rootdir::fchmod(root.dir(), 0o755)?;
        match std::fs::rename(&born, home) {
            Err(e) if matches!(e.kind(), ErrorKind::AlreadyExists | ErrorKind::DirectoryNotEmpty) => Ok(()),
            other => other.map_err(|e| SnapshotError::io("rename to", home, e)),
        }
    }
}
