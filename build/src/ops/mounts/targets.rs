//! Where mounts go, and the stubs that they stand on.

use crate::ops::OpError;
use rbuild_layer::listing::is_below;
use rbuild_layer::tree::{LastLink, Resolved, Tree, TreeView};
use rbuild_store::snapshot::{ActiveSnapshot, SnapshotStore, StubKind};
use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

/// Where mounts go and what they stand on.
pub struct Targets<'a> {
    tree: &'a TreeView,
    /// Stubs for the lowest layer, by path.
    lower: BTreeSet<(Vec<u8>, StubKind)>,
    /// Stubs that only the upper directory can hold.
    upper: Vec<(Vec<u8>, StubKind)>,
    /// Targets so far, so that a later one below an earlier one needs no stub in a layer.
    taken: Vec<Vec<u8>>,
}

impl<'a> Targets<'a> {
    /// Over the files of an image.
    pub fn new(tree: &'a TreeView) -> Self {
        Self {
            tree,
            lower: BTreeSet::new(),
            upper: Vec::new(),
            taken: Vec::new(),
        }
    }

    /// The path without links that a target means.
    pub(super) fn resolved(&self, target: &str) -> Result<Vec<u8>, OpError> {
        Ok(self.tree.resolve(target.as_bytes(), LastLink::Follow)?.path)
    }

    /// The path without links at which `target` is mounted; something to stand on is provided.
    pub fn place(&mut self, target: &str, is_dir: bool) -> Result<PathBuf, OpError> {
        let Resolved { path, node } = self.tree.resolve(target.as_bytes(), LastLink::Follow)?;
        let inside = self.taken.iter().any(|taken| is_below(&path, taken));
        match node {
            _ if inside => {}
            Some(node) if node.is_dir() == is_dir => {}
            Some(_) => {
                let (want, have) = if is_dir {
                    ("directory", "a file")
                } else {
                    ("file", "a directory")
                };
                return Err(OpError::Failure(crate::error::Failure::new(
                    crate::error::Kind::Step,
                    format!("a {want} cannot be mounted on `{target}`, which is {have} in the image"),
                )));
            }
            None => self.stub(&path, is_dir)?,
        }
        self.taken.push(path.clone());
        Ok(host_form(&path))
    }

    fn stub(&mut self, path: &[u8], is_dir: bool) -> Result<(), OpError> {
        let kind = if is_dir { StubKind::Dir } else { StubKind::File };
        // An overlay goes no deeper where a layer hides what is below.
        if self.tree.hides(path)? {
            self.upper.push((path.to_vec(), kind));
        } else {
            self.lower.insert((path.to_vec(), kind));
        }
        Ok(())
    }

    /// The working directory: followed, and made when it is missing; if the command leaves it empty it goes again.
    pub fn working_directory(&mut self, cwd: &str) -> Result<PathBuf, OpError> {
        let Resolved { path, node } = self.tree.resolve(cwd.as_bytes(), LastLink::Follow)?;
        match node {
            Some(node) if node.is_dir() => {}
            Some(_) => return Err(OpError::NotADirectory { path: cwd.to_owned() }),
            None => self.keep_directory(&path),
        }
        Ok(host_form(&path))
    }

    /// A directory that must be there while the command runs.
    fn keep_directory(&mut self, path: &[u8]) {
        if !self
            .taken
            .iter()
            .any(|taken| taken == path || is_below(path, taken))
        {
            self.upper.push((path.to_vec(), StubKind::Dir));
        }
    }

    /// Makes the stubs: the lowest layer (none if nothing is missing), and those of the upper directory.
    pub fn finish(
        self,
        snapshots: &SnapshotStore,
        active: &mut ActiveSnapshot<'_>,
    ) -> Result<Option<PathBuf>, OpError> {
        for (path, kind) in &self.upper {
            active.add_stub(path, *kind)?;
        }
        if self.lower.is_empty() {
            return Ok(None);
        }
        let stubs: Vec<_> = self.lower.into_iter().collect();
        Ok(Some(snapshots.stub_layer(&stubs)?))
    }
}

/// `/a/b` of `a/b`.
pub(super) fn host_form(path: &[u8]) -> PathBuf {
    let mut absolute = Vec::with_capacity(path.len() + 1);
    absolute.push(b'/');
    absolute.extend_from_slice(path);
    PathBuf::from(OsStr::from_bytes(&absolute))
}
