//! Layers written as text, for tests; no file is touched.

use super::{Node, NodeKind, Tree, TreeLayer, TreeView, Walk};
use crate::hash::FileHash;
use crate::listing::{Entry, EntryKind, Listing, Metadata};
use proptest::prelude::*;
use std::collections::HashMap;

pub(super) fn meta() -> Metadata {
    Metadata::new(0o755, 0, 0)
}

pub(super) fn in_memory(listing: Listing) -> TreeLayer {
    TreeLayer::in_memory(listing, "/nowhere")
}

/// `d` dir, `D` opaque dir, `f` file, `h` hard link to the name after `>`, `w` whiteout, `l` link to the text after `>`.
pub(crate) fn layer(text: &str) -> TreeLayer {
    let entries = text.split_whitespace().map(|word| {
        let (kind, path) = word.split_at(1);
        let (name, target) = path.split_once('>').unwrap_or((path, ""));
        match kind {
            "d" => Entry::dir(path, meta()),
            "D" => Entry {
                kind: EntryKind::Dir { opaque: true },
                ..Entry::dir(path, meta())
            },
            "f" => Entry::file(path, path.len() as u64, FileHash::of(text.as_bytes()), meta()),
            "h" => Entry {
                kind: EntryKind::Hardlink {
                    target: target.into(),
                },
                ..Entry::dir(name, meta())
            },
            "l" => Entry::symlink(name, target, meta()),
            _ => Entry::whiteout(path),
        }
    });
    in_memory(Listing::new(entries.collect()).unwrap())
}

/// A stack of such layers, topmost first.
pub(super) fn view(layers: &[&str]) -> TreeView {
    TreeView::new(layers.iter().map(|text| layer(text)).collect())
}

/// The entries in these words.
pub(super) fn words(listing: &Listing) -> String {
    let word = |entry: &Entry| {
        let path = String::from_utf8_lossy(&entry.path);
        match &entry.kind {
            EntryKind::Dir { opaque: true } => format!("D{path}"),
            EntryKind::Dir { opaque: false } => format!("d{path}"),
            EntryKind::Hardlink { target } => format!("h{path}>{}", String::from_utf8_lossy(target)),
            EntryKind::Whiteout => format!("w{path}"),
            _ => format!("f{path}"),
        }
    };
    listing.entries().iter().map(word).collect::<Vec<_>>().join(" ")
}

/// What can be seen, without how its layers stand: of each inode the first name that is seen stands for it.
pub(super) fn seen(tree: &TreeView) -> Vec<Node> {
    let mut nodes = Vec::new();
    let mut inodes: HashMap<(usize, Vec<u8>), Vec<u8>> = HashMap::new();
    let mut visit = |mut node: Node| {
        if let NodeKind::File {
            layer, first_name, ..
        } = &mut node.kind
        {
            let inode = (*layer, first_name.take().unwrap_or_else(|| node.path.clone()));
            let first = inodes.entry(inode).or_insert_with(|| node.path.clone());
            (*layer, *first_name) = (0, Some(first.clone()));
        }
        nodes.push(node);
        Ok(Walk::Into)
    };
    tree.walk(b"", &mut visit).unwrap();
    nodes
}

/// A random layer over the names `a`, `b`, `c`, three deep.
pub(crate) fn any_layer() -> impl Strategy<Value = TreeLayer> {
    proptest::collection::vec(0..8_u8, 39).prop_map(|picks| {
        let mut picks = picks.into_iter();
        let mut entries = Vec::new();
        fill(b"", 3, &mut picks, &mut entries);
        in_memory(Listing::new(entries).unwrap())
    })
}

fn fill(dir: &[u8], depth: usize, picks: &mut impl Iterator<Item = u8>, entries: &mut Vec<Entry>) {
    if depth == 0 {
        return;
    }
    for name in [b"a", b"b", b"c"] {
        let path = crate::listing::join(dir, name);
        match picks.next() {
            Some(0) => {
                let hash = FileHash::of(&[entries.len() as u8, path.len() as u8]);
                entries.push(Entry::file(path, 1, hash, meta()));
            }
            Some(1) => entries.push(Entry::whiteout(path)),
            Some(7) => {
                let file = |entry: &&Entry| matches!(entry.kind, EntryKind::File { .. });
                if let Some(first) = entries.iter().find(file) {
                    let target = first.path.clone();
                    let kind = EntryKind::Hardlink { target };
                    let entry = Entry {
                        path,
                        kind,
                        ..first.clone()
                    };
                    entries.push(entry);
                }
            }
            Some(kind @ 2..=4) => {
                entries.push(Entry {
                    kind: EntryKind::Dir { opaque: kind == 4 },
                    ..Entry::dir(path.clone(), meta())
                });
                fill(&path, depth - 1, picks, entries);
            }
            _ => {}
        }
    }
}
