//! Long chains: what is mounted of them.

use super::*;

/// A chain of so many snapshots; each changes one of a few files, and makes or removes another.
pub(super) fn chain(fixture: &Fixture, layers: usize) -> Snapshot {
    let mut top = fixture.layer(None, "d/x=0 gone=0");
    for number in 1..layers {
        let text = match number % 5 {
            0 => format!("-d d/new{number}={number}"),
            1 => format!("-gone d/x={number}"),
            2 => format!("gone={number} d/sub{}/y={number}", number % 7),
            3 => format!("own{number}={number}"),
            _ => format!("-d d>own{}", number - 1),
        };
        top = fixture.layer(Some(&top), &text);
    }
    top
}

/// What the directories show together, as an overlay does, by the listings that lie beside them.
fn seen(layers: Vec<TreeLayer>) -> BTreeMap<String, String> {
    let tree = TreeView::new(layers);
    let show = |node: Node| match node.kind {
        NodeKind::File { .. } => std::io::read_to_string(tree.open(&node.path).unwrap()).unwrap(),
        other => format!("{other:?}"),
    };
    all(&tree)
        .into_iter()
        .map(|(path, node)| (path, show(node)))
        .collect()
}

#[test]
fn a_long_chain_is_mounted_as_few_directories() {
    let fixture = fixture!();
    let top = chain(&fixture, 140);
    let short = top.chain().nth(140 - 128).unwrap();
    assert_eq!(fixture.snapshots.lowers(short).unwrap().len(), 128);
    assert!(!fixture.store_dir().join("flattened/boot-1").exists());
    let lowers = fixture.snapshots.lowers(&top).unwrap();
    assert_eq!(lowers.len(), 140 / 64 + 140 % 64);
    assert_eq!(fixture.snapshots.lowers(&top).unwrap(), lowers);
    let layers = fixture.snapshots.layers(&top).unwrap();
    let plain = top.chain().map(|at| at.layer().unwrap().clone()).collect();
    assert_eq!(seen(layers), seen(plain));
    assert_eq!(fixture.left_in_tmp(), 0, "only what is in place is left");
    for lower in &lowers {
        assert!(lower.is_dir(), "{}", lower.display());
    }
    assert!(fixture.snapshots.store().check(false).unwrap().is_empty());
}

#[test]
fn what_was_flattened_goes_with_its_snapshot_or_its_boot() {
    let fixture = fixture!();
    let top = chain(&fixture, 130);
    fixture.snapshots.lowers(&top).unwrap();
    let made = || list_dir(&fixture.store_dir().join("flattened/boot-1")).map_or(0, |names| names.len());
    assert_eq!(made(), 2);
    let prune = |store: &Store| {
        store
            .prune(&crate::gc::PruneOptions::default(), i64::MAX)
            .unwrap()
    };
    let held = fixture.snapshots.store().locks().lease(top.id()).unwrap();
    prune(fixture.snapshots.store());
    assert_eq!(made(), 2);
    drop(held);
    prune(fixture.snapshots.store());
    assert_eq!(made(), 0);
    let left = fixture.store_dir().join("flattened/an-earlier-boot/x");
    std::fs::create_dir_all(&left).unwrap();
    prune(fixture.snapshots.store());
    assert!(!left.exists());
}

#[test]
fn damage_to_what_was_flattened_is_found_and_mended() {
    let fixture = fixture!();
    let top = chain(&fixture, 130);
    let lowers = fixture.snapshots.lowers(&top).unwrap();
    std::fs::remove_file(lowers[2].join("gone")).unwrap();
    let problems = fixture.snapshots.store().check(true).unwrap();
    assert_eq!(problems.len(), 1, "{problems:?}");
    assert!(
        problems[0].repaired && problems[0].what.contains("gone"),
        "{problems:?}"
    );
    assert!(!lowers[2].exists());
    assert_eq!(fixture.snapshots.lowers(&top).unwrap(), lowers);
    assert!(fixture.snapshots.store().check(false).unwrap().is_empty());
}

#[test]
fn several_at_once_make_it_once() {
    let fixture = fixture!();
    let top = chain(&fixture, 130);
    let other = fixture.rebooted();
    std::thread::scope(|scope| {
        for store in [&fixture.snapshots, &fixture.snapshots, &other, &other] {
            let top = store.get(top.id(), Check::Skip).unwrap().unwrap();
            scope.spawn(move || assert_eq!(store.lowers(&top).unwrap().len(), 4));
        }
    });
    assert_eq!(fixture.left_in_tmp(), 0);
}

#[test]
fn what_stands_on_damage_goes_with_it() {
    let fixture = fixture!();
    let top = chain(&fixture, 130);
    fixture.snapshots.lowers(&top).unwrap();
    let lowest = top.chain().last().unwrap();
    std::fs::remove_file(lowest.fs().join("gone")).unwrap();
    let store = fixture.snapshots.store();
    let snapshots = fixture.store_dir().join("snapshots");
    let gone = |problems: &[crate::gc::Problem]| {
        let mut of_snapshots = problems.iter().filter(|one| one.path.starts_with(&snapshots));
        (of_snapshots.clone().count(), of_snapshots.all(|one| one.repaired))
    };

    // Who uses the top of a chain uses all of it.
    let held = store.locks().lease(top.id()).unwrap();
    assert_eq!(gone(&store.check(true).unwrap()), (1, false));
    drop(held);
    assert_eq!(gone(&store.check(true).unwrap()), (130, true));
    // What was flattened has the files that were removed.
    let flattened = list_dir(&fixture.store_dir().join("flattened/boot-1")).unwrap();
    assert!(flattened.is_empty(), "{flattened:?}");
    assert!(store.check(false).unwrap().is_empty());
}
