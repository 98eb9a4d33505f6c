//! Squashing hand-made and random stacks of listings; no file is touched.

use crate::listing::EntryKind;
use crate::tree::stacks::{any_layer, in_memory, seen, view, words};
use crate::tree::{Tree, TreeView};
use proptest::prelude::*;

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
        stack.extend_from_slice(&layers[layers.len() - kept..]);
        prop_assert_eq!(seen(&TreeView::new(stack)), seen(&tree));
    }
}
