//! Several layers as one tar: what they come to, without what hides in them.

use std::io::Write;

use crate::listing::Listing;
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
