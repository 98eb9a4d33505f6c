//! Where mounts go, and the stubs that they stand on.

use rbuild_layer::listing::is_below;
use rbuild_layer::tree::{LastLink, Resolved, Tree, TreeError, TreeView};
use rbuild_sandbox::{Mount, MountKind};
use rbuild_store::snapshot::{ActiveSnapshot, SnapshotError, StubKind};
use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

/// Why something cannot be mounted.
#[derive(Debug, thiserror::Error)]
pub enum MountPointError {
    /// A file on a directory, or the other way round.
    #[error(
        "a {} cannot be mounted on `{target}`, which is {} in the image",
        if *is_dir { "directory" } else { "file" },
        if *is_dir { "a file" } else { "a directory" }
    )]
    WrongKind {
        /// Where it was to be mounted.
        target: String,
        /// Whether a directory was to be mounted.
        is_dir: bool,
    },
    /// The working directory is something else.
    #[error("`{path}` is not a directory in the image")]
    NotADirectory {
        /// As it was given.
        path: String,
    },
    /// A file of the host, of which a container has its own, could not be read.
    #[error("cannot read {path} of the host: {source}")]
    OfHost {
        /// Which one.
        path: &'static str,
        /// Why.
        source: std::io::Error,
    },
    /// The image's files could not be looked up.
    #[error(transparent)]
    Tree(#[from] TreeError),
    /// A mount point could not be made.
    #[error(transparent)]
    Snapshot(#[from] SnapshotError),
}

/// Where mounts go and what they stand on.
pub struct MountPoints<'a> {
    tree: &'a TreeView,
    /// Stubs for the lowest layer, by path.
    lower: BTreeSet<(Vec<u8>, StubKind)>,
    /// Stubs that only the upper directory can hold.
    upper: Vec<(Vec<u8>, StubKind)>,
    /// Targets so far, so that a later one below an earlier one needs no stub in a layer.
    taken: Vec<Vec<u8>>,
}

impl<'a> MountPoints<'a> {
    /// Over the files of an image.
    pub fn new(tree: &'a TreeView) -> Self {
        Self {
            tree,
            lower: BTreeSet::new(),
            upper: Vec::new(),
            taken: Vec::new(),
        }
    }

    /// The path without links that a target means, relative to the root.
    ///
    /// # Errors
    /// The image cannot be read, or the links lead nowhere.
    pub fn resolved(&self, target: &str) -> Result<Vec<u8>, MountPointError> {
        Ok(self.tree.resolve(target.as_bytes(), LastLink::Follow)?.path)
    }

    /// A mount at what `target` means without links; something to stand on is provided.
    ///
    /// # Errors
    /// A file is to be mounted on a directory or the other way round, or the image cannot be read.
    pub fn mount(&mut self, target: &str, kind: MountKind) -> Result<Mount, MountPointError> {
        Ok(Mount {
            target: self.place(target, shows_directory(&kind))?,
            kind,
        })
    }

    /// The path without links at which a directory or file is mounted on `target`.
    pub(crate) fn place(&mut self, target: &str, is_dir: Option<bool>) -> Result<PathBuf, MountPointError> {
        let Resolved { path, node } = self.tree.resolve(target.as_bytes(), LastLink::Follow)?;
        let inside = self.taken.iter().any(|taken| is_below(&path, taken));
        match (node, is_dir) {
            _ if inside => {}
            (Some(node), Some(is_dir)) if node.is_dir() != is_dir => {
                let target = target.to_owned();
                return Err(MountPointError::WrongKind { target, is_dir });
            }
            (Some(_), _) => {}
            (None, is_dir) => self.stub(&path, is_dir.unwrap_or(true))?,
        }
        self.taken.push(path.clone());
        Ok(absolute(&path))
    }

    fn stub(&mut self, path: &[u8], is_dir: bool) -> Result<(), TreeError> {
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
    ///
    /// # Errors
    /// Something else is there, or the image cannot be read.
    pub fn working_directory(&mut self, cwd: &str) -> Result<PathBuf, MountPointError> {
        let Resolved { path, node } = self.tree.resolve(cwd.as_bytes(), LastLink::Follow)?;
        match node {
            Some(node) if node.is_dir() => {}
            Some(_) => return Err(MountPointError::NotADirectory { path: cwd.to_owned() }),
            None => self.keep_directory(&path),
        }
        Ok(absolute(&path))
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

    /// Makes the stubs in a snapshot that is written.
    ///
    /// # Errors
    /// The store cannot be written.
    pub fn finish(self, active: &mut ActiveSnapshot<'_>) -> Result<(), MountPointError> {
        for (path, kind) in &self.upper {
            active.add_stub(path, *kind)?;
        }
        let lower: Vec<_> = self.lower.into_iter().collect();
        Ok(active.stand_on(&lower)?)
    }
}

/// Whether a directory appears, or a file; `None` when the source cannot be looked at, which mounting it will tell.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "the caller has resolved the source")]
pub fn shows_directory(kind: &MountKind) -> Option<bool> {
    match kind {
        MountKind::SecretFile { .. } | MountKind::ReadOnlyFile { .. } => Some(false),
        // A file out of a layer; directories are bound as they are.
        MountKind::Bind {
            source_root: Some(_), ..
        } => Some(false),
        MountKind::Bind { source, .. } => source.metadata().ok().map(|meta| meta.is_dir()),
        MountKind::OverlayBind { .. } | MountKind::Tmpfs { .. } => Some(true),
    }
}

/// `/a/b` of `a/b`.
#[must_use]
pub fn absolute(path: &[u8]) -> PathBuf {
    let mut absolute = Vec::with_capacity(path.len() + 1);
    absolute.push(b'/');
    absolute.extend_from_slice(path);
    PathBuf::from(OsStr::from_bytes(&absolute))
}
