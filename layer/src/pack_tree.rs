//! Several layers as one tar: what they come to, without what hides in them.

use std::io::Write;

use crate::listing::{Entry, EntryKind, Listing, Metadata};
use crate::pack::write_tar;
use crate::tar_sink::PackedLayer;
use crate::tree::{Tree, TreeView};
use crate::{LayerError, Stop};

/// Writes everything in a tree as a tar, as a layer on nothing would be, the root directory left out. With `epoch`,
/// times follow it.
///
/// # Errors
/// The tree cannot be read, or a file is not as long as its listing says.
pub fn pack_tree(
    tree: &TreeView,
    epoch: Option<i64>,
    stop: &Stop,
    out: impl Write,
) -> Result<PackedLayer, LayerError> {
    let mut entries = tree.squash(0)?.entries().to_vec();
    entries.retain(|entry| !entry.path.is_empty());
    let listing = Listing::new(entries).map_err(crate::tree::TreeError::from)?;
    write_tar(&listing, epoch, stop, out, |path| Ok(tree.open(path)?))
}

/// Writes several trees as one tar, each below a directory of this name.
///
/// # Errors
/// As [`pack_tree`].
pub fn pack_trees(
    trees: &[(String, TreeView)],
    epoch: Option<i64>,
    stop: &Stop,
    out: impl Write,
) -> Result<PackedLayer, LayerError> {
    let mut entries = Vec::new();
    for (name, tree) in trees {
        let below = |path: &[u8]| [name.as_bytes(), b"/", path].concat();
        let mut root = None;
        for mut entry in tree.squash(0)?.entries().iter().cloned() {
            if entry.path.is_empty() {
                entry.path = name.as_bytes().to_vec();
                root = Some(entry);
                continue;
            }
            entry.path = below(&entry.path);
            if let EntryKind::Hardlink { target } = &mut entry.kind {
                *target = below(target);
            }
            entries.push(entry);
        }
        entries.push(root.unwrap_or_else(|| Entry::dir(name.as_str(), Metadata::new(0o755, 0, 0))));
    }
    let listing = Listing::new(entries).map_err(crate::tree::TreeError::from)?;
    write_tar(&listing, epoch, stop, out, |path| {
        let at = path.iter().position(|byte| *byte == b'/').unwrap_or(path.len());
        let (name, below) = (&path[..at], path.get(at + 1..).unwrap_or_default());
        match trees.iter().find(|(known, _)| known.as_bytes() == name) {
            Some((_, tree)) => Ok(tree.open(below)?),
            None => Ok(TreeView::default().open(path)?),
        }
    })
}

/// Writes all but the lowest `kept` layers of a tree as the tar of one layer on top of those.
///
/// # Errors
/// As [`pack_tree`].
pub fn pack_squashed(
    tree: &TreeView,
    kept: usize,
    epoch: Option<i64>,
    stop: &Stop,
    out: impl Write,
) -> Result<PackedLayer, LayerError> {
    write_tar(&tree.squash(kept)?, epoch, stop, out, |path| Ok(tree.open(path)?))
}
