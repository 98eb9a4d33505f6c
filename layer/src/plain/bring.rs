//! Bringing a directory that shows one tree up to another, by what they differ in.

use std::collections::{BTreeMap, BTreeSet};

use rbuild_rootdir::{Dir, Kind, Root};

use super::Record;
use super::copy::Copy;
use crate::LayerError;
use crate::inode::Creator;
use crate::listing::{Metadata, is_below, parent};
use crate::stop::Stop;
use crate::tree::{Tree, TreeView, default_root};
use crate::xattr;

/// Paths at which a directory may not show what it should; `true` where nothing in it can be kept.
pub type Stale = BTreeMap<Vec<u8>, bool>;

/// Puts what a tree has at the stale paths into `root`, and brings the record of it up to that.
///
/// # Errors
/// A file cannot be read or is not what the tree says, or nothing can be written.
pub fn bring_up(
    root: &Root,
    record: &mut Record,
    tree: &TreeView,
    stale: &Stale,
    stop: &Stop,
) -> Result<(), LayerError> {
    // Directories that are there and stay, whose metadata is not what it should be.
    let mut touched: BTreeSet<Vec<u8>> = BTreeSet::from([Vec::new()]);
    let mut groups = std::mem::take(&mut record.groups);
    let mut copy = Copy::new(tree, root, &mut groups, stop);
    // In order, so that what is in a directory comes after it.
    let mut paths: Vec<(&Vec<u8>, bool)> = stale.iter().map(|(path, anew)| (path, *anew)).collect();
    paths.sort_by(|(one, _), (other, _)| crate::listing::path_cmp(one, other));
    let mut done: Option<&[u8]> = None;
    for (path, anew) in paths {
        if path.is_empty() || done.is_some_and(|done| is_below(path, done)) {
            continue;
        }
        let node = tree.lookup(path)?;
        let is_dir = node.as_ref().is_some_and(|node| node.is_dir());
        let was_dir = root.lstat(path).is_ok_and(|stat| stat.kind == Kind::Dir);
        touched.insert(parent(path).unwrap_or_default().to_vec());
        if is_dir && was_dir && !anew {
            touched.insert(path.clone());
            continue;
        }
        root.remove_tree(path)?;
        copy.forget(path);
        done = Some(path);
        if let Some(node) = node {
            copy.node(node)?;
            if is_dir {
                copy.all_below(path)?;
            }
        }
    }
    copy.finish()?;
    let made: Vec<Vec<u8>> = copy.made().map(<[u8]>::to_vec).collect();
    for path in touched.iter().rev() {
        let meta = tree.lookup(path)?.unwrap_or_else(default_root).meta;
        settle(&root.open_dir(path)?, path, &meta)?;
    }
    record.groups = groups;
    touched.extend(made);
    record.look_again(root, &touched)
}

/// Gives a directory that is there its metadata.
fn settle(dir: &Dir, path: &[u8], meta: &Metadata) -> Result<(), LayerError> {
    let has = xattr::image_xattrs(dir).map_err(|error| error.at(path))?;
    for (name, _) in has
        .iter()
        .filter(|(name, _)| !meta.xattrs.iter().any(|(kept, _)| kept == *name))
    {
        rbuild_rootdir::fremovexattr(dir, name).map_err(|error| error.at(path))?;
    }
    // Also where the owner is the one that new directories have by themselves.
    rbuild_rootdir::fchown(dir, meta.uid, meta.gid).map_err(|error| error.at(path))?;
    Creator::current().finish_dir(dir, path, meta, false)
}
