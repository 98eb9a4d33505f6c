//! A whole tree as one tar: what all layers together come to.

use std::collections::HashMap;
use std::io::Write;

use crate::layer::flow::PIECE;
use crate::layer::pack::{PackedLayer, TarSink, read_piece};
use crate::manifest::{Entry, EntryKind, Manifest};
use crate::snapshot::SnapshotError;
use crate::tree::{Node, NodeKind, Tree, TreeView, Walk};

/// Writes everything in a tree as a tar, as a layer on nothing would be. With `epoch`, later times become it.
///
/// # Errors
/// The tree cannot be read, or a file is not as long as its manifest says.
pub fn pack_tree(
    tree: &TreeView,
    epoch: Option<i64>,
    mut out: impl Write,
) -> Result<PackedLayer, SnapshotError> {
    let mut entries = Vec::new();
    // Names of one inode, by layer-wide first name: the first that is still seen becomes the file.
    let mut inodes: HashMap<Vec<u8>, Vec<u8>> = HashMap::new();
    tree.walk(b"", &mut |node| {
        entries.extend(entry(node, &mut inodes));
        Ok(Walk::Into)
    })?;
    let manifest = Manifest::new(entries)?;
    let mut sink = TarSink::new(manifest.entries(), epoch, Some(&mut out));
    let mut buffer = Vec::with_capacity(PIECE);
    for entry in manifest.entries() {
        let EntryKind::File { size, .. } = entry.kind else {
            continue;
        };
        sink.next_file()?;
        let mut file = tree.open(&entry.path)?;
        let mut left = size;
        while left > 0 {
            read_piece(&mut file, left, &mut buffer, &entry.path)?;
            left -= buffer.len() as u64;
            sink.content(&buffer)?;
        }
    }
    sink.rest()?;
    Ok(sink.finish()?)
}

fn entry(node: Node, inodes: &mut HashMap<Vec<u8>, Vec<u8>>) -> Option<Entry> {
    let Node { path, kind, meta } = node;
    let kind = match kind {
        NodeKind::File {
            size,
            hash,
            first_name,
        } => {
            let inode = first_name.unwrap_or_else(|| path.clone());
            match inodes.get(&inode) {
                Some(first) => EntryKind::Hardlink {
                    target: first.clone(),
                },
                None => {
                    inodes.insert(inode, path.clone());
                    // A snapshot's manifest knows every hash.
                    EntryKind::File { size, hash: hash? }
                }
            }
        }
        NodeKind::Dir => EntryKind::Dir { opaque: false },
        NodeKind::Symlink(target) => EntryKind::Symlink { target },
        NodeKind::Fifo => EntryKind::Fifo,
        NodeKind::CharDevice(rdev) => EntryKind::CharDevice { rdev },
        NodeKind::BlockDevice(rdev) => EntryKind::BlockDevice { rdev },
    };
    Some(Entry { path, kind, meta })
}
