//! Folding hand-made and random stacks of listings; no file is touched.

use std::sync::Arc;

use super::*;
use crate::tree::stacks::{any_layer, seen, view, words};
use crate::tree::{Tree, TreeView};
use proptest::prelude::*;

fn folded(layers: &[&str]) -> Folded {
    Folded::new(view(layers).stack()).unwrap()
}

#[test]
fn what_may_hide_something_further_below_is_kept() {
    assert_eq!(
        words(folded(&["da fa/1", "da wa/2 wb fc"]).listing()),
        "da fa/1 wa/2 wb fc"
    );
    // Made anew within the fold.
    assert_eq!(words(folded(&["da fa/1", "wa", "da fa/2"]).listing()), "Da fa/1");
    assert_eq!(words(folded(&["da fa/1", "fa"]).listing()), "Da fa/1");
    assert_eq!(
        words(folded(&["da fa/1", "Da fa/2", "da fa/3"]).listing()),
        "Da fa/1 fa/2"
    );
    assert_eq!(words(folded(&["fa", "da fa/1", "wa"]).listing()), "fa");
    assert_eq!(words(folded(&["D fa", "fb"]).listing()), "D fa");
}

#[test]
fn hard_links_stay_links_only_of_what_is_left() {
    let fold = folded(&["fa hd>a", "fa hb>a hc>a"]);
    assert_eq!(words(fold.listing()), "fa fb hc>b hd>a");
    let hash = |path: &[u8]| match fold.listing().get(path).map(|entry| &entry.kind) {
        Some(EntryKind::File { hash, .. }) => *hash,
        other => panic!("{other:?}"),
    };
    assert_ne!(hash(b"a"), hash(b"b"), "each has its own content");
}

/// Folds runs of random length, some of them twice.
fn fold_some(layers: &[TreeLayer], mut lengths: impl Iterator<Item = usize>) -> Vec<Run> {
    let mut stack: Vec<Run> = layers.iter().cloned().map(Run::Layer).collect();
    for _ in 0..2 {
        let mut folded = Vec::new();
        let mut rest = stack.as_slice();
        while !rest.is_empty() {
            let length = lengths.next().unwrap_or(1).clamp(1, rest.len());
            let (run, after) = rest.split_at(length);
            rest = after;
            folded.push(match run {
                [one] => one.clone(),
                several => Run::Folded(Arc::new(Folded::new(several).unwrap())),
            });
        }
        stack = folded;
    }
    stack
}

proptest! {
    #[test]
    fn a_folded_stack_shows_the_same(
        layers in proptest::collection::vec(any_layer(), 1..8),
        lengths in proptest::collection::vec(1..4_usize, 12),
    ) {
        let plain = TreeView::new(layers.clone());
        let folded = TreeView::of(fold_some(&layers, lengths.into_iter()));
        prop_assert_eq!(seen(&folded), seen(&plain));
        let kept = layers.len() / 2;
        let lower = TreeView::new(layers[kept..].to_vec());
        let upper = Run::Folded(Arc::new(Folded::new(&plain.stack()[..kept]).unwrap()));
        let mut stack = vec![upper.clone()];
        stack.extend_from_slice(lower.stack());
        let folded = TreeView::of(stack);
        prop_assert_eq!(seen(&folded), seen(&plain));
        prop_assert_eq!(folded.squash(lower.stack().len()).unwrap(), plain.squash(lower.stack().len()).unwrap());
        for path in [&b"a"[..], b"a/b", b"b/c/a", b"c/c/c", b"a/b/c/d"] {
            let at = |tree: &TreeView| {
                let found = tree.lookup(path).unwrap().map(|node| node.meta);
                (found, tree.list(path).unwrap().len(), tree.hides(path).unwrap())
            };
            prop_assert_eq!(at(&folded), at(&plain));
        }
    }

    #[test]
    fn the_inode_is_in_the_layer_that_is_named(layers in proptest::collection::vec(any_layer(), 1..6)) {
        let plain = TreeView::new(layers.clone());
        let folded = Folded::new(plain.stack()).unwrap();
        for (entry, layer) in folded.entries() {
            let own = layer.entry(&entry.path).unwrap().unwrap();
            prop_assert_eq!(own.is_dir(), entry.is_dir());
            let is_link = matches!(own.kind, EntryKind::Hardlink { .. }) || matches!(entry.kind, EntryKind::Hardlink { .. });
            prop_assert!(own.is_dir() || is_link || own.kind == entry.kind);
        }
    }
}
