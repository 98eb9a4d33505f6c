//! Views over hand-made listings; no file is touched.

use super::*;
use crate::hash::FileHash;
use crate::tree::LastLink;
use crate::tree::stacks::{meta, view};

fn names(nodes: &[Node]) -> String {
    let names: Vec<_> = nodes
        .iter()
        .map(|node| String::from_utf8_lossy(&node.path).into_owned())
        .collect();
    names.join(" ")
}

fn walked(tree: &TreeView, dir: &str) -> String {
    let mut nodes = Vec::new();
    tree.walk(dir.as_bytes(), &mut |node| {
        nodes.push(node);
        Ok(Walk::Into)
    })
    .unwrap();
    names(&nodes)
}

#[test]
fn upper_layers_hide_lower_ones() {
    let tree = view(&[
        "da fa/new wb dc Dc/d fc/d/x ff",
        "da fa/old wa/gone da/sub fa/sub/1",
        "da fa/gone fa/old da/sub fa/sub/2 db fb/1 dc dc/d fc/d/y fc/e df ff/1",
    ]);
    assert_eq!(
        walked(&tree, ""),
        "a a/new a/old a/sub a/sub/1 a/sub/2 c c/d c/d/x c/e f"
    );
    assert_eq!(names(&tree.list(b"a").unwrap()), "a/new a/old a/sub");
    assert_eq!(names(&tree.list(b"c").unwrap()), "c/d c/e");
    assert_eq!(names(&tree.list(b"c/d").unwrap()), "c/d/x");
    assert_eq!(names(&tree.list(b"f").unwrap()), "");
    for path in ["a/gone", "b", "b/1", "c/d/y", "f/1", "a/sub/3", "a/new/x"] {
        assert_eq!(tree.lookup(path.as_bytes()).unwrap(), None, "{path}");
    }
    let found = tree.locate(b"a/old").unwrap().unwrap();
    assert!(matches!(found.1.kind, EntryKind::File { .. }));
}

#[test]
fn what_was_removed_and_made_again_shows_only_the_new() {
    let tree = view(&["da fa/2", "wa", "da fa/1"]);
    assert_eq!(walked(&tree, ""), "a a/2");
    assert_eq!(walked(&tree, "a"), "a/2");
    let tree = view(&["da fa/2", "fa", "da fa/1"]);
    assert_eq!(walked(&tree, ""), "a a/2");
    assert_eq!(tree.lookup(b"a/1").unwrap(), None);
}

#[test]
fn opaque_root_hides_everything() {
    let tree = view(&["D fx", "fy"]);
    assert_eq!(walked(&tree, ""), "x");
    assert_eq!(tree.lookup(b"y").unwrap(), None);
    assert_eq!(tree.lookup(b"").unwrap().unwrap().meta.mode, 0o755);
}

#[test]
fn skipping_and_stopping() {
    let tree = view(&["da fa/1 fa/2 fb fc"]);
    let mut seen = Vec::new();
    tree.walk(b"", &mut |node| {
        seen.push(node.clone());
        Ok(if node.path == b"b" { Walk::Stop } else { Walk::Over })
    })
    .unwrap();
    assert_eq!(names(&seen), "a b");
}

#[test]
fn links_resolve_inside_the_root() {
    let tree = view(&[
        "dusr dusr/lib fusr/lib/x llib>usr/lib labs>/usr/lib lup>../../.. lloop>loop",
        "lusr>x",
    ]);
    let path = |text: &str| {
        let resolved = tree.resolve(text.as_bytes(), LastLink::Follow).unwrap();
        format!(
            "{}{}",
            String::from_utf8_lossy(&resolved.path),
            if resolved.node.is_some() { "" } else { " ?" }
        )
    };
    assert_eq!(path("lib/x"), "usr/lib/x");
    assert_eq!(path("/abs/x"), "usr/lib/x");
    assert_eq!(path("up/up/abs/"), "usr/lib");
    assert_eq!(path("../../lib/../lib/new/../other"), "usr/lib/other ?");
    assert_eq!(path("lib/new/deep"), "usr/lib/new/deep ?");
    assert_eq!(path("/"), "");
    assert_eq!(tree.resolve(b"lib", LastLink::Keep).unwrap().path, b"lib");
    assert_eq!(tree.resolve(b"lib/", LastLink::Keep).unwrap().path, b"usr/lib");
    assert!(matches!(
        tree.resolve(b"loop/x", LastLink::Follow),
        Err(TreeError::TooManyLinks(_))
    ));
    assert!(matches!(
        tree.resolve(b"lib/x/y", LastLink::Follow),
        Err(TreeError::NotADirectory(_))
    ));
}

#[test]
fn later_names_of_a_hard_link_are_files() {
    let mut entries = vec![Entry::file("a", 3, FileHash::of(b"abc"), meta())];
    entries.push(Entry {
        path: b"b".into(),
        kind: EntryKind::Hardlink { target: b"a".into() },
        meta: meta(),
    });
    let tree = TreeView::new(vec![TreeLayer::in_memory(
        Listing::new(entries).unwrap(),
        "/nowhere",
    )]);
    let kind = tree.lookup(b"b").unwrap().unwrap().kind;
    let hash = Some(FileHash::of(b"abc"));
    assert_eq!(
        kind,
        NodeKind::File {
            size: 3,
            hash,
            first_name: Some(b"a".to_vec()),
            layer: 0,
        }
    );
}
