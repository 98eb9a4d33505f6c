//! Taking staged things away again: for a whiteout, or because something else comes in their place.

use std::ops::Bound;

use super::{Key, Stage, Staged, StagedKind};
use crate::LayerError;
use crate::fill::Content;
use crate::inode::Parents;
use crate::listing::{Metadata, after_subtree};

impl Stage {
    /// Takes a path away: what is staged there, and what is below by a whiteout.
    pub fn whiteout(&mut self, path: &[u8]) -> Result<(), LayerError> {
        self.clear(path)?;
        if self.lookup_below(path)?.is_some() {
            let dir = self.parents.of(&self.root, path)?;
            self.creator.whiteout(dir, path)?;
            self.insert(path, StagedKind::Whiteout, Metadata::default());
        }
        Ok(())
    }

    /// Takes away what earlier rounds staged at `path` and below it.
    pub(crate) fn hide_earlier(&mut self, path: &[u8]) -> Result<(), LayerError> {
        self.hide_earlier_below(path)?;
        let earlier = self.get(path).is_some_and(|staged| staged.round < self.round);
        let empty = self.subtree(path).next().is_none();
        if earlier && empty {
            self.remove(path)
        } else {
            Ok(())
        }
    }

    /// Takes away what earlier rounds staged below `path`.
    pub(crate) fn hide_earlier_below(&mut self, path: &[u8]) -> Result<(), LayerError> {
        let earlier: Vec<Vec<u8>> = self
            .subtree(path)
            .filter(|(_, staged)| staged.round < self.round)
            .map(|(key, _)| key.0.clone())
            .collect();
        // Children come after their directory, so backwards every directory is empty, or holds what is new.
        for path in earlier.iter().rev() {
            if self.subtree(path).next().is_none() {
                self.remove_one(path)?;
            }
        }
        Ok(())
    }

    /// All that is staged below a path.
    fn subtree(&self, path: &[u8]) -> impl DoubleEndedIterator<Item = (&Key, &Staged)> {
        let end = if path.is_empty() {
            Bound::Unbounded
        } else {
            Bound::Excluded(Key(after_subtree(path)))
        };
        self.nodes.range((Bound::Excluded(Key(path.to_vec())), end))
    }

    /// Takes away what is staged at a path and below it.
    pub(super) fn remove(&mut self, path: &[u8]) -> Result<(), LayerError> {
        let below: Vec<Vec<u8>> = self.subtree(path).rev().map(|(key, _)| key.0.clone()).collect();
        for path in &below {
            self.remove_one(path)?;
        }
        self.remove_one(path)
    }

    fn remove_one(&mut self, path: &[u8]) -> Result<(), LayerError> {
        self.parents = Parents::default();
        let Some(staged) = self.nodes.remove(&Key(path.to_vec())) else {
            return Ok(());
        };
        match staged.kind {
            StagedKind::Dir { .. } if path.is_empty() => {}
            StagedKind::Dir { .. } => self.root.rmdir(path)?,
            StagedKind::Hardlink { target } => {
                // Further names are made at the end: nothing is on disk yet.
                if let Some(names) = self.links.get_mut(&target) {
                    names.retain(|name| name != path);
                }
            }
            StagedKind::File { size, hash, content } => match self.links.remove(path) {
                Some(names) if !names.is_empty() => {
                    self.promote(path, names, StagedKind::File { size, hash, content })?;
                }
                _ if matches!(content, Content::InPlace) => self.root.unlink(path)?,
                _ => {}
            },
            _ => self.root.unlink(path)?,
        }
        Ok(())
    }

    /// Gives a file whose first name goes away to its next name.
    fn promote(&mut self, old: &[u8], mut names: Vec<Vec<u8>>, file: StagedKind) -> Result<(), LayerError> {
        let new = names.remove(0);
        let file = self.moved(old, &new, file)?;
        if let Some(staged) = self.nodes.get_mut(&Key(new.clone())) {
            staged.kind = file;
        }
        for name in &names {
            if let Some(staged) = self.nodes.get_mut(&Key(name.clone())) {
                staged.kind = StagedKind::Hardlink { target: new.clone() };
            }
        }
        self.links.insert(new, names);
        Ok(())
    }

    /// A staged file under another path; moved on disk if it is there.
    pub(super) fn moved(&self, old: &[u8], new: &[u8], file: StagedKind) -> Result<StagedKind, LayerError> {
        Ok(match file {
            StagedKind::File {
                content: Content::InPlace,
                ..
            } => {
                self.root.rename(old, new)?;
                file
            }
            // It was found in an older layer by its path.
            StagedKind::File {
                size,
                hash,
                content: Content::Linked { otherwise, .. },
            } => StagedKind::File {
                size,
                hash,
                content: Content::Copied(otherwise),
            },
            other => other,
        })
    }
}
