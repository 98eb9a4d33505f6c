//! Several layers as one: what is seen of them, and what they hide of the layers below.

use std::cmp::Ordering;
use std::collections::HashMap;

use super::{TreeError, TreeView};
use crate::listing::{Entry, EntryKind, Listing, path_cmp};

impl TreeView {
    /// What all but the lowest `kept` of the stack come to as one layer on top of those.
    ///
    /// What a layer made and a later one removed leaves no trace. What is hidden of the kept layers has a whiteout by
    /// name, whether it was removed or its directory made anew; there are no opaque directories. The content of each
    /// file is what [`Tree::open`](super::Tree::open) gives.
    ///
    /// # Errors
    /// A listing cannot be read.
    pub fn squash(&self, kept: usize) -> Result<Listing, TreeError> {
        let squashed = self.stack().len().saturating_sub(kept);
        let kept = TreeView::of(self.stack()[squashed..].to_vec());
        let mut entries = Vec::new();
        if let Some(root) = self.stack()[..squashed]
            .iter()
            .find_map(|run| run.entries().get(b"").transpose())
        {
            entries.push(shown(&*root?));
        }
        let Some((mut seen, stack)) = self.merge(b"")? else {
            return Ok(Listing::new(entries)?);
        };
        let Some((mut below, _)) = kept.merge(b"")? else {
            return Ok(Listing::new(entries)?);
        };
        let mut first_names: HashMap<(usize, Vec<u8>), Vec<u8>> = HashMap::new();
        let mut old = below.next()?;
        loop {
            let new = seen.next()?;
            // What of the kept layers comes before it is not seen any more.
            while let Some((_, gone)) = &old {
                let order = new
                    .as_ref()
                    .map_or(Ordering::Less, |(_, new)| path_cmp(&gone.path, &new.path));
                if order == Ordering::Greater {
                    break;
                }
                if order == Ordering::Less {
                    entries.push(Entry::whiteout(gone.path.clone()));
                }
                // Below what is gone, or is no directory any more, nothing needs to be hidden.
                if !new.as_ref().is_some_and(|(_, new)| order.is_eq() && new.is_dir()) {
                    below.skip_below(&gone.path);
                }
                old = below.next()?;
            }
            let Some((at, entry)) = new else { break };
            if at >= squashed {
                continue;
            }
            let first_name = match &entry.kind {
                EntryKind::File { .. } => &entry.path,
                EntryKind::Hardlink { target } => target,
                _ => {
                    entries.push(shown(&entry));
                    continue;
                }
            };
            // The first name that is seen becomes the file, in whatever order its layer has them.
            let inode = (at, first_name.clone());
            let kind = match (
                first_names.get(&inode),
                stack[at].1.entries().get(first_name)?.as_deref(),
            ) {
                (Some(first), _) => EntryKind::Hardlink {
                    target: first.clone(),
                },
                (None, Some(Entry { kind, .. })) if matches!(kind, EntryKind::File { .. }) => kind.clone(),
                (None, _) => return Err(TreeError::NotAFile(entry.path.clone())),
            };
            first_names.entry(inode).or_insert_with(|| entry.path.clone());
            entries.push(Entry {
                kind,
                ..shown(&entry)
            });
        }
        Ok(Listing::new(entries)?)
    }
}

/// An entry as it stands in a squashed layer: what it hides is hidden by name.
fn shown(entry: &Entry) -> Entry {
    let kind = match &entry.kind {
        EntryKind::Dir { .. } => EntryKind::Dir { opaque: false },
        other => other.clone(),
    };
    Entry {
        kind,
        ..entry.clone()
    }
}

#[cfg(test)]
mod tests;
