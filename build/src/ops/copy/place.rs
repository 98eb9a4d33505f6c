//! Where a `COPY` puts things: selected nodes against the destination tree.

use super::plan::{Planner, What, shown};
use super::select::Selected;
use crate::ops::OpError;
use rbuild_layer::listing::{Metadata, join};
use rbuild_layer::tree::{LastLink, Resolved};

impl Planner<'_> {
    /// Where `dest` leads, links followed inside the root, and whether a directory is there or asked for.
    ///
    /// # Errors
    /// The path runs through something that is no directory.
    pub(super) fn destination(&self, dest: &str) -> Result<(Vec<u8>, bool), OpError> {
        let wants_dir = dest.ends_with('/');
        let path = dest.trim_matches('/').as_bytes();
        let Resolved { path, node } = self.dest.resolve(path, LastLink::Follow)?;
        let is_dir = match self.planned.get(&path).map(|planned| planned.what == What::Dir) {
            Some(is_dir) => Some(is_dir),
            None => node.map(|node| node.is_dir()),
        };
        match is_dir {
            Some(false) if wants_dir => Err(OpError::NotADirectory { path: shown(&path) }),
            Some(is_dir) => Ok((path, is_dir)),
            None => Ok((path, wants_dir)),
        }
    }

    /// Plans one selected thing: it goes where it would if those before it were there already.
    ///
    /// # Errors
    /// A file and a directory are in each other's place.
    pub(super) fn place(&mut self, selected: &Selected, dest: &str) -> Result<(), OpError> {
        self.source = selected.source;
        let (base, is_dir) = self.destination(dest)?;
        if !selected.kept_path.is_empty() || !selected.kept.is_empty() {
            return self.place_kept(selected, &base);
        }
        if selected.node.is_dir() {
            return self.directory(selected, &base);
        }
        let path = self.named(base, is_dir, selected.name())?;
        self.node(selected.source, &selected.node, path)
    }

    /// The place of a file: in the directory that is there, or asked for, else the destination itself.
    fn named(&mut self, base: Vec<u8>, is_dir: bool, name: &[u8]) -> Result<Vec<u8>, OpError> {
        if !is_dir {
            return Ok(base);
        }
        self.ensure_dir(&base)?;
        Ok(join(&base, name))
    }

    /// `--parents`: the kept directories come along.
    fn place_kept(&mut self, selected: &Selected, base: &[u8]) -> Result<(), OpError> {
        self.ensure_top(base)?;
        for (path, node) in &selected.kept {
            self.node(selected.source, node, join(base, path))?;
        }
        let path = join(base, &selected.kept_path);
        self.node(selected.source, &selected.node, path.clone())?;
        if selected.node.is_dir() {
            self.directory(selected, &path)
        } else {
            Ok(())
        }
    }

    /// The contents of a directory. The directory itself is the destination: as it is, or made as a missing one is; of
    /// the source's it has nothing.
    fn directory(&mut self, selected: &Selected, path: &[u8]) -> Result<(), OpError> {
        self.ensure_top(path)?;
        let top = selected.node.path.len() + usize::from(!selected.node.path.is_empty());
        for node in &selected.below {
            let target = join(path, &node.path[top..]);
            self.node(selected.source, node, target)?;
        }
        Ok(())
    }

    /// A file made of a heredoc.
    ///
    /// # Errors
    /// As [`Planner::place`].
    pub(super) fn inline(&mut self, source: usize, name: &str, dest: &str) -> Result<(), OpError> {
        self.source = source;
        let (base, is_dir) = self.destination(dest)?;
        let path = self.named(base, is_dir, name.as_bytes())?;
        self.put(path, What::Inline { source }, Metadata::new(0o644, 0, 0))
    }

    /// The directory that a source is unpacked in, made if it is missing.
    ///
    /// # Errors
    /// Something else is there.
    pub(super) fn unpacked(&mut self, source: usize, dest: &str) -> Result<Vec<u8>, OpError> {
        self.source = source;
        let (base, _) = self.destination(dest)?;
        match self.is_dir(&base)? {
            Some(true) => {}
            Some(false) => return Err(OpError::NotADirectory { path: shown(&base) }),
            None => self.ensure_dir(&base)?,
        }
        Ok(base)
    }

    /// `--parents`: the destination is a directory, whatever is found.
    ///
    /// # Errors
    /// Something else is there.
    pub(super) fn kept_below(&mut self, source: usize, dest: &str) -> Result<(), OpError> {
        self.source = source;
        let (base, _) = self.destination(dest)?;
        self.ensure_top(&base)
    }
}
