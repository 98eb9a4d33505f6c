//! `type=local` and `type=tar`: the files of the result.

use super::destination::{unwritten, write_to};
use crate::error::{Error, ExportError};
use crate::request::Destination;
use rbuild_layer::listing::path_cmp;
use rbuild_layer::tree::{Node, NodeKind, Tree, TreeView, Walk};
use rbuild_layer::{Holes, Stop};
use std::collections::HashMap;
use std::fs::File;
use std::io::Read;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;

/// Set-user-id and set-group-id.
const SET_ID: u16 = 0o6000;

/// Search permission of group and others.
const OTHERS_ENTER: u16 = 0o011;

/// What of a tree is not as it was.
#[derive(Debug, Default)]
pub struct LeftOut {
    /// Device files, which are not there.
    pub devices: Vec<String>,
    /// Files that are not set-user-id or set-group-id any more, since others could run them.
    pub set_id: Vec<String>,
}

/// Writes the files of a tree into a directory, owned by the caller, modes kept, times by `epoch`.
/// What is in the directory already stays, unless the tree has something else at that place. Devices are left out and
/// returned.
///
/// A set-id program of another user than root would run with the caller's rights once it is the caller's: those bits
/// are dropped, as `chown` does. Root's are kept where nobody else gets at them: a directory that is made is for the
/// caller alone then, and in one that others may enter they are dropped and told.
///
/// # Errors
/// The directory cannot be written or the tree cannot be read.
pub fn local(tree: &TreeView, dest: &Path, epoch: Option<i64>, stop: &Stop) -> Result<LeftOut, Error> {
    let at = |error: rbuild_rootdir::Error| not_there(dest, error.into());
    let mut left_out = LeftOut::default();
    let mut nodes = nodes(tree, epoch)?;
    let root = make(dest, nodes.iter().any(has_set_id))?;
    if root.dir().stat().map_err(at)?.mode & OTHERS_ENTER != 0 {
        for node in nodes.iter_mut().filter(|node| has_set_id(node)) {
            node.meta.mode &= !SET_ID;
            left_out.set_id.push(shown(&node.path));
        }
    }
    let mut links = HashMap::new();
    for node in &nodes {
        if stop.is_stopped() {
            return Err(Error::Stopped);
        }
        write_node(&root, tree, node, &mut links, &mut left_out, stop)
            .map_err(|error| not_there(dest, error.into()))?;
    }
    // Directories last: writing into them changes their times, and they may be read-only.
    for node in nodes.iter().rev().filter(|node| node.is_dir()) {
        root.chmod(&node.path, node.meta.mode).map_err(at)?;
        root.set_mtime(&node.path, node.meta.mtime).map_err(at)?;
    }
    Ok(left_out)
}

/// The directory, open. `private`: if it has to be made, only its owner may enter it.
fn make(dest: &Path, private: bool) -> Result<rbuild_rootdir::Root, Error> {
    let failed = |source: std::io::Error| ExportError::Create {
        path: dest.to_owned(),
        source,
    };
    let mut builder = std::fs::DirBuilder::new();
    if let Some(above) = dest.parent() {
        builder.recursive(true).create(above).map_err(failed)?;
    }
    if private {
        builder.mode(0o700);
    }
    match builder.recursive(false).create(dest) {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => return Err(failed(error).into()),
        _ => {}
    }
    rbuild_rootdir::Root::open(dest).map_err(|error| not_there(dest, error.into()))
}

fn not_there(dest: &Path, error: Error) -> Error {
    ExportError::Directory {
        path: dest.to_owned(),
        source: Box::new(error),
    }
    .into()
}

fn has_set_id(node: &Node) -> bool {
    let is_file = matches!(node.kind, NodeKind::File { .. });
    is_file && node.meta.mode & SET_ID != 0
}

fn shown(path: &[u8]) -> String {
    String::from_utf8_lossy(path).into_owned()
}

fn nodes(tree: &TreeView, epoch: Option<i64>) -> Result<Vec<Node>, Error> {
    let mut nodes = Vec::new();
    tree.walk(b"", &mut |mut node| {
        if !node.is_dir() && (node.meta.uid, node.meta.gid) != (0, 0) {
            node.meta.mode &= !SET_ID;
        }
        node.meta.mtime = node.meta.mtime_by(epoch);
        nodes.push(node);
        Ok(Walk::Into)
    })?;
    nodes.sort_by(|one, other| path_cmp(&one.path, &other.path));
    Ok(nodes)
}

fn write_node(
    root: &rbuild_rootdir::Root,
    tree: &TreeView,
    node: &Node,
    links: &mut HashMap<(usize, Vec<u8>), Vec<u8>>,
    left_out: &mut LeftOut,
    stop: &Stop,
) -> Result<(), crate::ops::OpError> {
    let path = &node.path;
    let there = match root.lstat(path) {
        Ok(stat) => Some(stat.kind),
        Err(error) if error.is_not_found() => None,
        Err(error) => return Err(error.into()),
    };
    match there {
        Some(rbuild_rootdir::Kind::Dir) if node.is_dir() => return Ok(()),
        Some(_) => root.remove_tree(path)?,
        None => {}
    }
    match &node.kind {
        NodeKind::Dir => return Ok(root.mkdir(path)?),
        NodeKind::Symlink(target) => root.symlink(path, target)?,
        NodeKind::File {
            first_name, layer, ..
        } => {
            let inode = (*layer, first_name.as_ref().unwrap_or(path).clone());
            if let Some(first) = links.get(&inode) {
                return Ok(root.link(path, first)?);
            }
            copy(&mut tree.open(path)?, &root.create_file(path)?, stop)
                .map_err(|error| crate::ops::OpError::io(format!("copying `{}`", shown(path)), error))?;
            links.insert(inode, path.clone());
            root.chmod(path, node.meta.mode)?;
        }
        NodeKind::Fifo => {
            root.mknod(path, rbuild_rootdir::Kind::Fifo, 0)?;
            root.chmod(path, node.meta.mode)?;
        }
        NodeKind::CharDevice(_) | NodeKind::BlockDevice(_) => {
            left_out.devices.push(shown(path));
            return Ok(());
        }
    }
    Ok(root.set_mtime(path, node.meta.mtime)?)
}

fn copy(from: &mut impl Read, to: &File, stop: &Stop) -> std::io::Result<()> {
    let mut buffer = vec![0; 256 * 1024];
    let mut holes = Holes::new(to);
    loop {
        if stop.is_stopped() {
            return Err(std::io::Error::other("interrupted"));
        }
        match from.read(&mut buffer) {
            Ok(0) => return holes.end(),
            Ok(read) => holes.put(&buffer[..read])?,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// Writes the files of several trees as one tar, each in a directory of this name.
///
/// # Errors
/// The destination cannot be written or a tree cannot be read.
pub fn tars(
    trees: &[(String, TreeView)],
    dest: &Destination,
    epoch: Option<i64>,
    stop: &Stop,
) -> Result<(), Error> {
    write_to(dest, stop, |name, out| {
        rbuild_layer::pack_trees(trees, epoch, stop, out)
            .map(|_| ())
            .map_err(|error| unwritten(name, error))
    })
}

/// Writes the files of a tree as one tar, owners and all.
///
/// # Errors
/// The destination cannot be written or the tree cannot be read.
pub fn tar(tree: &TreeView, dest: &Destination, epoch: Option<i64>, stop: &Stop) -> Result<(), Error> {
    write_to(dest, stop, |name, out| {
        rbuild_layer::pack_tree(tree, epoch, stop, out)
            .map(|_| ())
            .map_err(|error| unwritten(name, error))
    })
}
