//! Empty mount points as an overlay layer of their own, the lowest.

use std::fmt::Write as _;
use std::io::ErrorKind;
use std::path::PathBuf;

use beneath::Root;

use super::seal::make_dir;
use super::{SnapshotError, SnapshotStore};
use crate::digest::{FileHash, sha256};
use crate::manifest::ancestors;

/// What kind of empty mount point is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum StubKind {
    /// An empty directory.
    Dir,
    /// An empty regular file.
    File,
}

impl SnapshotStore {
    /// A directory that holds these mount points and nothing else, made once for every set. Paths are relative and hold
    /// no links.
    pub fn stub_layer(&self, stubs: &[(Vec<u8>, StubKind)]) -> Result<PathBuf, SnapshotError> {
        let mut stubs = stubs.to_vec();
        stubs.sort();
        stubs.dedup();
        let mut text = String::from("rbuild stubs 1\n");
        for (path, kind) in &stubs {
            let _ = writeln!(text, "{kind:?} {}", FileHash::of(path));
        }
        let name = FileHash::from_bytes(sha256(text.as_bytes())).to_hex();
        let home = self.store.stubs_dir().join(name);
        if Self::path_exists(&home) {
            return Ok(home);
        }
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
        for (path, kind) in &stubs {
            for above in ancestors(path) {
                dir(above)?;
            }
            match kind {
                StubKind::Dir => dir(path)?,
                StubKind::File => {
                    let file = root.create_file(path)?;
                    beneath::fchmod(&file, 0o644)?;
                }
            }
        }
        beneath::fchmod(root.dir(), 0o755)?;
        match std::fs::rename(&born, &home) {
            Err(e) if matches!(e.kind(), ErrorKind::AlreadyExists | ErrorKind::DirectoryNotEmpty) => {}
            other => other.map_err(|e| SnapshotError::io("rename to", &home, e))?,
        }
        Ok(home)
    }
}
