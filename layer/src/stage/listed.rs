//! Staging what a listing says, as it says it: for a layer that was made elsewhere.

use super::{Stage, StagedKind};
use crate::LayerError;
use crate::listing::{Entry, EntryKind};

impl Stage {
    /// Stages an entry that has no content of its own: all but files and further names of files, which are left out.
    /// What it says of hiding something below is believed. Entries come in the listing's order.
    pub(crate) fn listed(&mut self, entry: &Entry) -> Result<(), LayerError> {
        let (path, meta) = (entry.path.as_slice(), entry.meta.clone());
        let kind = match &entry.kind {
            EntryKind::File { .. } | EntryKind::Hardlink { .. } => return Ok(()),
            EntryKind::Dir { opaque } => {
                self.dir(path, meta)?;
                StagedKind::Dir { opaque: *opaque }
            }
            EntryKind::Symlink { target } => {
                self.symlink(path, target, meta)?;
                StagedKind::Symlink {
                    target: target.clone(),
                }
            }
            EntryKind::Fifo => {
                self.fifo(path, meta)?;
                StagedKind::Fifo
            }
            // On disk that is a whiteout.
            EntryKind::CharDevice { rdev: 0 } => {
                return Err(LayerError::Path {
                    path: entry.path.clone(),
                    what: "is a character device 0:0",
                });
            }
            EntryKind::CharDevice { rdev } => {
                self.char_device(path, *rdev, meta)?;
                StagedKind::CharDevice(*rdev)
            }
            EntryKind::BlockDevice { rdev } => {
                self.block_device(path, *rdev, meta)?;
                StagedKind::BlockDevice(*rdev)
            }
            EntryKind::Whiteout => {
                self.clear(path)?;
                let dir = self.parents.of(&self.root, path)?;
                self.creator.whiteout(dir, path)?;
                StagedKind::Whiteout
            }
        };
        // Not what the kind may have: what the listing says, which is what it is named by.
        self.insert(path, kind, entry.meta.clone());
        Ok(())
    }
}
