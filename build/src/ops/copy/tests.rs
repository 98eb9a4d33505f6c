//! Selecting and planning on trees in memory: what must hold for any source, any destination and any flags.

use super::key::{fingerprint, fingerprints};
use super::plan::{Planned, Planner, What};
use super::select::{Selected, Selection};
use crate::ops::OpError;
use dockerfile_parser::IgnoreFile;
use proptest::prelude::*;
use rbuild_layer::listing::{Metadata, ancestors, join, path_cmp};
use rbuild_layer::tree::{Node, NodeKind, Tree, TreeError};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;

/// A tree that is only names and metadata.
#[derive(Debug, Clone, Default)]
struct Memory(BTreeMap<Vec<u8>, Node>);

impl Memory {
    fn add(&mut self, path: &str, kind: NodeKind, mode: u16) {
        let path = path.as_bytes();
        for above in ancestors(path) {
            if self.0.get(above).is_some_and(|node| !node.is_dir()) {
                return;
            }
        }
        if self.0.contains_key(path) {
            return;
        }
        for above in ancestors(path) {
            self.0.entry(above.to_vec()).or_insert_with(|| Node {
                path: above.to_vec(),
                kind: NodeKind::Dir,
                meta: Metadata::new(0o755, 0, 0),
            });
        }
        let meta = Metadata::new(mode, 3, 4);
        self.0.insert(
            path.to_vec(),
            Node {
                path: path.to_vec(),
                kind,
                meta,
            },
        );
    }

    fn file(mut self, path: &str) -> Self {
        self.add(path, file(None), 0o644);
        self
    }

    fn linked(mut self, path: &str, first: &str) -> Self {
        self.add(path, file(Some(first)), 0o644);
        self
    }

    fn symlink(mut self, path: &str, target: &str) -> Self {
        self.add(path, NodeKind::Symlink(target.into()), 0o777);
        self
    }
}

fn file(first: Option<&str>) -> NodeKind {
    NodeKind::File {
        size: 1,
        hash: None,
        first_name: first.map(|first| first.as_bytes().to_vec()),
        layer: 0,
    }
}

impl Tree for Memory {
    fn lookup(&self, path: &[u8]) -> Result<Option<Node>, TreeError> {
        if path.is_empty() {
            let meta = Metadata::new(0o755, 0, 0);
            return Ok(Some(Node {
                path: Vec::new(),
                kind: NodeKind::Dir,
                meta,
            }));
        }
        Ok(self.0.get(path).cloned())
    }

    fn list(&self, dir: &[u8]) -> Result<Vec<Node>, TreeError> {
        let above = |path: &[u8]| rbuild_layer::listing::parent(path).unwrap_or_default().to_vec();
        Ok(self
            .0
            .values()
            .filter(|node| above(&node.path) == dir)
            .cloned()
            .collect())
    }

    fn open(&self, path: &[u8]) -> Result<File, TreeError> {
        Err(TreeError::NotAFile(path.to_vec()))
    }
}

fn select(tree: &Memory, pattern: &str, parents: bool, excludes: &[&str]) -> Result<Vec<Selected>, OpError> {
    let excludes = IgnoreFile::from_patterns(excludes.iter().copied()).ok();
    Selection {
        tree,
        source: 0,
        pattern,
        literal: false,
        parents,
        excludes: excludes.as_ref(),
    }
    .run()
}

fn plan(
    dest: &Memory,
    selected: &[Selected],
    to: &str,
    owner: Option<(u32, u32)>,
) -> Result<Vec<Planned>, OpError> {
    let mut planner = Planner::new(dest, owner, None);
    for one in selected {
        planner.place(one, to)?;
    }
    Ok(planner.finish())
}

fn names(selected: &[Selected]) -> Vec<String> {
    selected
        .iter()
        .flat_map(|one| std::iter::once(&one.node).chain(&one.below))
        .map(|node| String::from_utf8_lossy(&node.path).into_owned())
        .collect()
}

#[test]
fn links_are_told_among_the_selected() {
    // `a` is the first name in the source, but only `b` and `d/c` are taken.
    let tree = Memory::default()
        .file("a")
        .linked("b", "a")
        .linked("d/c", "a")
        .file("z");
    let selected = select(&tree, "[bd]", false, &[]).unwrap();
    let planned = plan(&Memory::default(), &selected, "/t/", None).unwrap();
    let at = |path: &str| {
        planned
            .iter()
            .find(|planned| planned.path == path.as_bytes())
            .map(|found| &found.what)
    };
    assert!(matches!(at("t/b"), Some(What::File { from, .. }) if from == b"b"));
    assert_eq!(
        at("t/c"),
        Some(&What::Hardlink {
            target: b"t/b".to_vec()
        })
    );
    let NodeKind::File { first_name, .. } = &selected[0].node.kind else {
        panic!("b is a file")
    };
    assert_eq!(*first_name, None, "what was not selected is not named");
}

#[test]
fn one_name_by_two_ways_is_two_files() {
    let tree = Memory::default().file("real").symlink("way", "real");
    let selected = select(&tree, "*", false, &[]).unwrap();
    let planned = plan(&Memory::default(), &selected, "/t/", None).unwrap();
    let files = planned
        .iter()
        .filter(|planned| matches!(planned.what, What::File { .. }))
        .count();
    assert_eq!(files, 2, "{planned:?}");
}

#[test]
fn a_replaced_name_is_no_link_any_more() {
    let one = Memory::default().file("d/a").linked("d/b", "d/a");
    let two = Memory::default().file("e/b");
    let mut selected = select(&one, "d", false, &[]).unwrap();
    selected.extend(select(&two, "e", false, &[]).unwrap().into_iter().map(|mut one| {
        one.source = 1;
        one
    }));
    let planned = plan(&Memory::default(), &selected, "/t/", None).unwrap();
    let b = planned.iter().find(|planned| planned.path == b"t/b").unwrap();
    assert!(
        matches!(&b.what, What::File { source: 1, from, .. } if from == b"e/b"),
        "{b:?}"
    );
}

#[test]
fn a_key_has_the_bytes_of_a_text_in_no_encoding() {
    let link = |target: &[u8]| Node {
        path: b"l".to_vec(),
        kind: NodeKind::Symlink(target.to_vec()),
        meta: Metadata::new(0o777, 0, 0),
    };
    assert_ne!(
        fingerprint(&link(b"caf\xe9"), false),
        fingerprint(&link(b"caf\xe8"), false)
    );
    // A target is one word, whatever it says.
    assert_eq!(
        fingerprint(&link(b"a b=\\"), false),
        br"symlink a\x20b\x3d\x5c 0777"
    );
}

#[test]
fn a_key_tells_what_lies_in_two_places_where_the_result_does() {
    let key_to = |tree: &Memory, pattern, to| {
        fingerprints(select(tree, pattern, false, &[]).unwrap().iter(), to, false)
    };
    let key = |tree: &Memory, pattern| key_to(tree, pattern, "/t/");
    // A file called `x` lands at `x`, what is in a directory called `x` beside it: the one does not stand for the other.
    let file_too = Memory::default().file("a/x").file("b/x/f");
    let directory_alone = Memory::default().file("b/x/f");
    assert_ne!(key(&file_too, "*/x"), key(&directory_alone, "*/x"));
    // Which `f` stays is decided by the order of the places.
    let file_first = Memory::default().file("a/f").file("b/x/f");
    let file_last = Memory::default().file("c/f").file("b/x/f");
    assert_ne!(key(&file_first, "*/[fx]"), key(&file_last, "*/[fx]"));
    // Otherwise a place outside of the selection does not matter.
    let here = Memory::default().file("a/x/f").file("a/g");
    let there = Memory::default().file("b/x/f").file("b/g");
    assert_eq!(key(&here, "*/*"), key(&there, "*/*"));
}

#[test]
fn destinations() {
    let dest = Memory::default()
        .file("file")
        .file("dir/x")
        .symlink("lnk", "/dir")
        .symlink("up", "../../..");
    let source = Memory::default().file("f").file("d/g");
    let paths = |pattern: &str, to: &str| -> Result<Vec<String>, String> {
        let selected = select(&source, pattern, false, &[]).map_err(|error| error.to_string())?;
        let planned = plan(&dest, &selected, to, None).map_err(|error| error.to_string())?;
        Ok(planned
            .iter()
            .map(|planned| String::from_utf8_lossy(&planned.path).into_owned())
            .collect())
    };
    let ok = |paths: &[&str]| Ok(paths.iter().map(|path| (*path).to_owned()).collect::<Vec<_>>());
    assert_eq!(paths("f", "/new"), ok(&["new"]));
    assert_eq!(paths("f", "/new/"), ok(&["new", "new/f"]));
    assert_eq!(paths("f", "/dir"), ok(&["dir", "dir/f"]));
    assert_eq!(paths("f", "/lnk/"), ok(&["dir", "dir/f"]));
    assert_eq!(paths("f", "/lnk/deep/"), ok(&["dir", "dir/deep", "dir/deep/f"]));
    assert_eq!(paths("f", "/up/up/etc/f"), ok(&["etc", "etc/f"]));
    assert_eq!(paths("f", "/file"), ok(&["file"]));
    assert_eq!(paths("d", "/"), ok(&["g"]));
    assert_eq!(paths("d", "/n"), ok(&["n", "n/g"]));
    assert!(
        paths("d", "/file")
            .unwrap_err()
            .contains("cannot copy to non-directory")
    );
    assert!(
        paths("f", "/file/")
            .unwrap_err()
            .contains("cannot copy to non-directory")
    );
    assert!(paths("f", "/file/x").unwrap_err().contains("not a directory"));
}

/// Short names from a small alphabet, so that trees and patterns meet.
fn path() -> impl Strategy<Value = String> {
    prop::collection::vec(prop::sample::select(vec!["a", "b", "c", "a.md"]), 1..4)
        .prop_map(|parts| parts.join("/"))
}

fn tree() -> impl Strategy<Value = Memory> {
    let kind = prop_oneof![
        4 => Just(file(None)),
        2 => Just(NodeKind::Dir),
        1 => prop::sample::select(vec!["a", "../a", "/b/c", "../../..", "b", "/"])
            .prop_map(|target| NodeKind::Symlink(target.into())),
        1 => Just(NodeKind::Fifo),
    ];
    let entry = (path(), kind, prop::sample::select(vec![0o600u16, 0o755, 0o4711]));
    (prop::collection::vec(entry, 0..14), any::<bool>()).prop_map(|(entries, linked)| {
        let mut tree = Memory::default();
        for (path, kind, mode) in entries {
            tree.add(&path, kind, mode);
        }
        if linked {
            // Every second file is a further name of the first.
            let files: Vec<Vec<u8>> = tree
                .0
                .values()
                .filter(|node| matches!(node.kind, NodeKind::File { .. }))
                .map(|node| node.path.clone())
                .collect();
            for path in files.iter().skip(1).step_by(2) {
                if let Some(Node {
                    kind: NodeKind::File { first_name, .. },
                    ..
                }) = tree.0.get_mut(path)
                {
                    *first_name = files.first().cloned();
                }
            }
        }
        tree
    })
}

fn pattern() -> impl Strategy<Value = String> {
    prop_oneof![
        path(),
        prop::sample::select(vec![
            "*", ".", "a*", "*/b", "?", "[ab]", "../*", "a/../b", "/", "*/*/*", "**/a", "a/./b"
        ])
        .prop_map(str::to_owned),
    ]
}

fn destination() -> impl Strategy<Value = String> {
    (path(), any::<bool>()).prop_map(|(path, slash)| format!("/{path}{}", if slash { "/" } else { "" }))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, ..ProptestConfig::default() })]

    #[test]
    fn a_plan_is_a_layer(
        source in tree(),
        dest in tree(),
        pattern in pattern(),
        to in destination(),
        parents in any::<bool>(),
        owner in prop::option::of((1u32..9, 1u32..9)),
    ) {
        let Ok(selected) = select(&source, &pattern, parents, &[]) else { return Ok(()) };
        let Ok(planned) = plan(&dest, &selected, &to, owner) else { return Ok(()) };
        let by_path: BTreeMap<&[u8], &Planned> = planned.iter().map(|one| (one.path.as_slice(), one)).collect();
        prop_assert_eq!(by_path.len(), planned.len(), "no path twice");
        prop_assert!(planned.is_sorted_by(|one, other| path_cmp(&one.path, &other.path).is_lt()));
        for one in &planned {
            for component in one.path.split(|byte| *byte == b'/') {
                prop_assert!(!component.is_empty() && component != b"." && component != b"..");
            }
            for above in ancestors(&one.path) {
                prop_assert_eq!(by_path.get(above).map(|above| &above.what), Some(&What::Dir), "all above is there");
                // Nothing is written through a link of the image.
                prop_assert!(dest.lookup(above).unwrap().is_none_or(|node| node.is_dir()));
            }
            let below = dest.lookup(&one.path).unwrap();
            prop_assert!(below.as_ref().is_none_or(|node| node.is_dir() == (one.what == What::Dir)));
            match &one.what {
                What::Hardlink { target } => {
                    let first = by_path.get(target.as_slice());
                    let is_file = first.is_some_and(|first| matches!(first.what, What::File { .. }));
                    prop_assert!(is_file);
                    prop_assert!(path_cmp(target, &one.path).is_lt());
                }
                What::File { from, .. } => {
                    let node = source.lookup(from).unwrap();
                    let is_file = node.is_some_and(|node| matches!(node.kind, NodeKind::File { .. }));
                    prop_assert!(is_file);
                }
                What::Dir | What::Special(_) | What::Inline { .. } => {}
            }
            let is_kept = one.what == What::Dir
                && below.is_some_and(|below| below.meta == one.meta);
            if let Some(owner) = owner
                && !is_kept
            {
                prop_assert_eq!((one.meta.uid, one.meta.gid), owner);
            }
        }
    }

    #[test]
    fn a_directory_arrives_whole(source in tree(), top in prop::sample::select(vec!["a", "b", "."]), dest in path()) {
        let Ok(selected) = select(&source, top, false, &[]) else { return Ok(()) };
        let [one] = selected.as_slice() else { return Ok(()) };
        prop_assume!(one.node.is_dir());
        let planned = plan(&Memory::default(), &selected, &format!("/{dest}"), None).unwrap();
        let arrived: BTreeSet<Vec<u8>> = planned.iter().map(|planned| planned.path.clone()).collect();
        let prefix = if one.node.path.is_empty() { Vec::new() } else { [one.node.path.as_slice(), b"/"].concat() };
        let mut expected: BTreeSet<Vec<u8>> = ancestors(dest.as_bytes()).map(<[u8]>::to_vec).collect();
        expected.insert(dest.clone().into_bytes());
        for path in source.0.keys() {
            if let Some(rest) = path.strip_prefix(prefix.as_slice()) {
                expected.insert(join(dest.as_bytes(), rest));
            }
        }
        prop_assert_eq!(arrived, expected);
    }

    #[test]
    fn excluding_only_takes_away(
        source in tree(),
        pattern in pattern(),
        exclude in prop::sample::select(vec!["a", "**/a", "*.md", "b/**", "*", "c/a"]),
        back in prop::sample::select(vec!["", "!b", "!**/c", "!a/b/c"]),
    ) {
        let Ok(all) = select(&source, &pattern, false, &[]) else { return Ok(()) };
        let some = select(&source, &pattern, false, &[exclude, back]).unwrap();
        let (all, some) = (names(&all), names(&some));
        prop_assert!(some.iter().all(|name| all.contains(name)), "{some:?} of {all:?}");
        // What is below a directory comes with all directories up to the one that was named.
        for one in select(&source, &pattern, false, &[exclude, back]).unwrap() {
            let have: BTreeSet<&[u8]> = one.below.iter().map(|node| node.path.as_slice()).collect();
            for node in &one.below {
                let above = rbuild_layer::listing::parent(&node.path).unwrap_or_default();
                prop_assert!(above == one.node.path.as_slice() || have.contains(above), "{node:?}");
            }
        }
    }

    #[test]
    fn nothing_is_selected_outside(source in tree(), pattern in "[a-c./*\\[\\]\\\\^!?-]{0,12}", parents in any::<bool>()) {
        // No panic, and every path exists in the tree.
        if let Ok(selected) = select(&source, &pattern, parents, &[]) {
            for name in names(&selected) {
                prop_assert!(source.lookup(name.as_bytes()).unwrap().is_some(), "{name}");
            }
        }
    }
}
