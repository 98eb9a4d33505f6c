//! Squashing hand-made and random stacks of listings; no file is touched.

use crate::hash::FileHash;
use crate::listing::{Entry, EntryKind, Listing};
use crate::tree::stacks::{in_memory, meta, view};
use crate::tree::{Node, NodeKind, Tree, TreeLayer, TreeView, Walk};
use proptest::prelude::*;

/// The entries in the words of [`stacks`](crate::tree::stacks).
fn words(listing: &Listing) -> String {
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

#[test]
fn what_was_made_and_removed_leaves_no_trace() {
    let tree = view(&[
        "dd wd/secret fd/kept",
        "dd fd/secret fd/kept dnew fnew/x",
        "dd fd/base",
    ]);
    assert_eq!(words(&tree.squash(1).unwrap()), "dd fd/kept dnew fnew/x");
    assert_eq!(words(&tree.squash(0).unwrap()), "dd fd/base fd/kept dnew fnew/x");
    assert_eq!(words(&tree.squash(3).unwrap()), "");
}

#[test]
fn what_is_hidden_of_the_base_has_a_whiteout_by_name() {
    let base = "da fa/1 da/sub fa/sub/x fa/sub/y db fb/1 dc fc/1 fd";
    // a is made anew by the kernel's mark, b by two layers, c becomes a file, d a directory.
    let tree = view(&["db fc", "Da fa/2 da/sub fa/sub/y wb wc dd fd/1", base]);
    assert_eq!(
        words(&tree.squash(1).unwrap()),
        "da wa/1 fa/2 da/sub wa/sub/x fa/sub/y db wb/1 fc dd fd/1"
    );
}

#[test]
fn hard_links_stay_links_only_of_what_is_seen() {
    let first = "fa hb>a hc>a";
    let tree = view(&["wa", first, "fa"]);
    assert_eq!(words(&tree.squash(1).unwrap()), "wa fb hc>b");
    let tree = view(&["fa hd>a", first]);
    let squashed = tree.squash(0).unwrap();
    assert_eq!(words(&squashed), "fa fb hc>b hd>a");
    let hash = |path: &[u8]| match squashed.get(path).map(|entry| &entry.kind) {
        Some(EntryKind::File { hash, .. }) => *hash,
        other => panic!("{other:?}"),
    };
    assert_ne!(hash(b"a"), hash(b"b"), "each has its own content");
}

/// What can be seen, without how its layers stand.
fn seen(tree: &TreeView) -> Vec<Node> {
    let mut nodes = Vec::new();
    let mut visit = |mut node: Node| {
        if let NodeKind::File { layer, .. } = &mut node.kind {
            *layer = 0;
        }
        nodes.push(node);
        Ok(Walk::Into)
    };
    tree.walk(b"", &mut visit).unwrap();
    nodes
}

/// A random layer over the names `a`, `b`, `c`, three deep.
fn any_layer() -> impl Strategy<Value = TreeLayer> {
    proptest::collection::vec(0..7_u8, 39).prop_map(|picks| {
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

proptest! {
    #[test]
    fn a_squashed_stack_shows_the_same(layers in proptest::collection::vec(any_layer(), 1..5), kept in 0..4_usize) {
        let tree = TreeView::new(layers.clone());
        let kept = kept.min(layers.len());
        let squashed = tree.squash(kept).unwrap();
        let base = TreeView::new(layers[layers.len() - kept..].to_vec());
        for entry in squashed.entries() {
            match entry.kind {
                EntryKind::Whiteout => prop_assert!(base.lookup(&entry.path).unwrap().is_some(), "{entry:?}"),
                _ => prop_assert!(tree.lookup(&entry.path).unwrap().is_some(), "{entry:?}"),
            }
        }
        let mut stack = vec![in_memory(squashed)];
        stack.extend_from_slice(base.layers());
        prop_assert_eq!(seen(&TreeView::new(stack)), seen(&tree));
    }
}
