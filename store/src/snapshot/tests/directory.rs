//! Snapshots in the form of a plain directory: what a command leaves there is the layer that an overlay would have given.

use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::process::Command;

use super::overlay::{Random, described, described_tar, overlay_works, random_script, run_script};
use super::*;

fn directory(active: &ActiveSnapshot<'_>) -> PathBuf {
    match active.root().unwrap() {
        SnapshotRoot::Directory(path) => path,
        other => panic!("no directory: {other:?}"),
    }
}

/// Commits what `write` made of a copy of a snapshot.
fn run(fixture: &Fixture, parent: &Snapshot, write: impl FnOnce(&Path)) -> Committed {
    let active = fixture.snapshots.begin(Some(parent), Form::Directory).unwrap();
    write(&directory(&active));
    let committed = active.commit(&now()).unwrap();
    committed.snapshot.verify(&rbuild_layer::Stop::new()).unwrap();
    parent.verify(&rbuild_layer::Stop::new()).unwrap();
    committed
}

fn names(snapshot: &Snapshot) -> Vec<String> {
    let listing = snapshot.listing().unwrap();
    let name = |entry: &rbuild_layer::listing::Entry| {
        let mark = match entry.kind {
            rbuild_layer::listing::EntryKind::Whiteout => "-",
            rbuild_layer::listing::EntryKind::Dir { opaque: true } => "!",
            _ => "",
        };
        format!("{mark}{}", String::from_utf8_lossy(&entry.path))
    };
    listing.entries().iter().map(name).collect()
}

#[test]
fn only_what_changed_is_in_the_layer() {
    let fixture = fixture!();
    let base = fixture.layer(None, "a/f=1 a/g=2 b/h=3 b/i=4 c/d/j=5 e=6 s>a");
    let committed = run(&fixture, &base, |dir| {
        // A tick of the file system's clock later, as a command that is started.
        std::thread::sleep(std::time::Duration::from_millis(20));
        assert_eq!(std::fs::read_to_string(dir.join("c/d/j")).unwrap(), "5");
        std::fs::write(dir.join("a/f"), "7").unwrap();
        std::fs::remove_file(dir.join("b/h")).unwrap();
        std::fs::remove_dir_all(dir.join("c/d")).unwrap();
        std::fs::create_dir(dir.join("c/d")).unwrap();
        std::fs::write(dir.join("c/d/k"), "8").unwrap();
        // A file that is read is not changed.
        std::fs::read(dir.join("a/g")).unwrap();
    });
    let top = committed.snapshot;
    assert_eq!(names(&top), ["a", "a/f", "b", "-b/h", "c", "!c/d", "c/d/k"]);
    assert_eq!(shown(&top), "a/ a/f=7 a/g=2 b/ b/i=4 c/ c/d/ c/d/k=8 e=6 s>a");
}

#[test]
fn where_change_times_do_not_tell_all_files_are_compared() {
    if !is_root() {
        return;
    }
    let Ok(dir) = tempfile::tempdir_in("/dev/shm") else {
        return eprintln!("skipped: no /dev/shm here");
    };
    let store = Store::open(&dir.path().join("store"), "boot-1", Need::Writing).unwrap();
    let snapshots = SnapshotStore::new(store);
    let fixture = Fixture { dir, snapshots };
    let base = fixture.layer(None, "a/f=1 a/g=2 b/h=3 s>a");
    let top = run(&fixture, &base, |dir| {
        std::fs::write(dir.join("a/f"), "7").unwrap()
    });
    assert_eq!(names(&top.snapshot), ["a", "a/f"]);
    assert_eq!(shown(&top.snapshot), "a/ a/f=7 a/g=2 b/ b/h=3 s>a");
    let top = run(&fixture, &base, |_| {});
    assert!(top.snapshot.listing().unwrap().is_empty());
}

#[test]
fn nothing_is_written_through_to_the_snapshot_below() {
    let fixture = fixture!();
    let mut layer = fixture.snapshots.begin_layer(None).unwrap();
    layer.bytes(b"one", b"1", meta(0o644)).unwrap();
    layer.hardlink(b"two", b"one").unwrap();
    let base = layer.commit(&now()).unwrap().snapshot;
    // `run` verifies it afterwards, contents included.
    let top = run(&fixture, &base, |dir| {
        for name in ["one", "two"] {
            assert_eq!(std::fs::metadata(dir.join(name)).unwrap().nlink(), 1);
        }
        std::fs::write(dir.join("one"), "3").unwrap();
        std::fs::set_permissions(dir.join("two"), std::fs::Permissions::from_mode(0o600)).unwrap();
    });
    assert_eq!(shown(&top.snapshot), "one=3 two=1");
}

#[test]
fn a_file_that_is_changed_as_soon_as_it_was_copied_is_noticed() {
    let fixture = fixture!();
    let base = fixture.layer(None, "a=1 b=2");
    for round in 0..20 {
        let top = run(&fixture, &base, |dir| {
            // The same length, and the old time is set again.
            let time = std::fs::metadata(dir.join("a")).unwrap().modified().unwrap();
            std::fs::write(dir.join("a"), "x").unwrap();
            let file = std::fs::File::options().write(true).open(dir.join("a")).unwrap();
            file.set_modified(time).unwrap();
        });
        assert_eq!(shown(&top.snapshot), "a=x b=2", "round {round}");
        assert_eq!(names(&top.snapshot), ["a"]);
    }
}

#[test]
fn names_that_changed_places_are_noticed() {
    let fixture = fixture!();
    // Of the same size, mode and time: only the inodes tell.
    let base = fixture.layer(None, "a/f=1 b/f=2 c=3 d=4");
    let top = run(&fixture, &base, |dir| {
        for (one, two) in [("a", "b"), ("c", "d")] {
            std::fs::rename(dir.join(one), dir.join("x")).unwrap();
            std::fs::rename(dir.join(two), dir.join(one)).unwrap();
            std::fs::rename(dir.join("x"), dir.join(two)).unwrap();
        }
    });
    assert_eq!(shown(&top.snapshot), "a/ a/f=2 b/ b/f=1 c=4 d=3");
}

#[test]
fn marks_of_overlays_made_by_the_command_hide_nothing_of_others() {
    let fixture = fixture!();
    let base = fixture.layer(None, "a/f=1 b=2 c/g=3");
    let top = run(&fixture, &base, |dir| {
        let root = rbuild_rootdir::Root::open(dir).unwrap();
        root.set_xattr(b"a", b"user.overlay.opaque", b"y").unwrap();
        root.set_xattr(b"c", b"user.mime", b"dir").unwrap();
        std::fs::create_dir(dir.join("new")).unwrap();
        root.set_xattr(b"new", b"user.overlay.opaque", b"y").unwrap();
        // What is a whiteout in an upper directory, and can be made by anybody.
        let null = root.mknod(b"new/null", rbuild_rootdir::Kind::CharDevice, 0);
        assert!(null.is_ok());
    });
    assert_eq!(shown(&top.snapshot), "a/ a/f=1 b=2 c/ c/g=3 new/");
    let listing = top.snapshot.listing().unwrap();
    assert!(listing.entries().iter().all(|entry| !entry.is_opaque()));
    let kept = &listing.get(b"c").unwrap().meta.xattrs;
    assert_eq!(kept.iter().count(), 1);
}

#[test]
fn mount_points_leave_no_trace() {
    let fixture = fixture!();
    let base = fixture.layer(None, "a/f=1");
    let mut active = fixture.snapshots.begin(Some(&base), Form::Directory).unwrap();
    let points = [
        (b"a/b/c".to_vec(), StubKind::Dir),
        (b"run/x".to_vec(), StubKind::File),
    ];
    active.stand_on(&points).unwrap();
    let dir = directory(&active);
    assert!(dir.join("a/b/c").is_dir() && dir.join("run/x").is_file());
    std::fs::write(dir.join("run/kept"), "2").unwrap();
    let top = active.commit(&now()).unwrap().snapshot;
    assert_eq!(shown(&top), "a/ a/f=1 run/ run/kept=2");
    assert_eq!(names(&top), ["run", "run/kept"]);
}

#[test]
fn nothing_changed_is_nothing_and_leaves_nothing() {
    let fixture = fixture!();
    let base = fixture.layer(None, "a/f=1 b>a");
    let top = run(&fixture, &base, |_| {}).snapshot;
    assert!(top.listing().unwrap().is_empty());
    let on_nothing = fixture.snapshots.begin(None, Form::Directory).unwrap();
    std::fs::write(directory(&on_nothing).join("f"), "1").unwrap();
    assert_eq!(shown(&on_nothing.commit(&now()).unwrap().snapshot), "f=1");
    drop(fixture.snapshots.begin(Some(&base), Form::Directory).unwrap());
    // Those for commands on the two new snapshots.
    assert_eq!(fixture.left_in_tmp(), 2);
    let Fixture { dir, snapshots } = fixture;
    drop(snapshots);
    let tmp = dir.path().join("store/tmp");
    assert_eq!(std::fs::read_dir(tmp).unwrap().count(), 0);
}

fn run_here(fixture: &Fixture, dir: &Path, script: &str) -> Vec<u8> {
    let tar = fixture.dir.path().join("plain.tar");
    let whole = format!("{script}\ntar --format=pax -cf {} .", tar.display());
    let mut shell = Command::new("sh");
    let output = shell.args(["-c", &whole]).current_dir(dir).env("LC_ALL", "C");
    let output = output.output().unwrap();
    assert!(
        output.status.success(),
        "{}\n{script}",
        String::from_utf8_lossy(&output.stderr)
    );
    std::fs::read(&tar).unwrap()
}

#[test]
fn a_random_script_leaves_the_same_as_on_an_overlay() {
    let fixture = fixture!();
    let has_overlay = overlay_works(fixture.dir.path());
    let no_times = |described: BTreeMap<String, String>| -> BTreeMap<String, String> {
        let strip = |what: String| what.rsplit_once(' ').unwrap().0.to_owned();
        described
            .into_iter()
            .map(|(path, what)| (path, strip(what)))
            .collect()
    };
    for seed in 100..112 {
        let mut random = Random(seed);
        let base = fixture.layer(None, "a/f=1 a/b/f=2 b/f=3 a-b/c.d/f=4 c.d/a>../b keep=k");
        let (mut plain, mut mounted) = (base.clone(), base);
        for _ in 0..3 {
            let script = random_script(&mut random);
            let mut merged = Vec::new();
            plain = run(&fixture, &plain, |dir| merged = run_here(&fixture, dir, &script)).snapshot;
            let shown = described(&plain.tree().unwrap());
            assert_eq!(shown, described_tar(&merged), "seed {seed}\n{script}");
            if has_overlay {
                let active = fixture.snapshots.begin(Some(&mounted), Form::Overlay).unwrap();
                run_script(&fixture, &active, &script);
                mounted = active.commit(&now()).unwrap().snapshot;
                let on_overlay = described(&mounted.tree().unwrap());
                assert_eq!(no_times(shown), no_times(on_overlay), "seed {seed}\n{script}");
            }
        }
    }
}

/// All inodes of files below a directory.
fn inodes(dir: &Path) -> std::collections::BTreeSet<(u64, u64)> {
    let mut found = std::collections::BTreeSet::new();
    let mut next = vec![dir.to_owned()];
    while let Some(dir) = next.pop() {
        for entry in std::fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            let stat = std::fs::symlink_metadata(&path).unwrap();
            if stat.is_dir() {
                next.push(path);
            } else {
                found.insert((stat.dev(), stat.ino()));
            }
        }
    }
    found
}

#[test]
fn the_next_command_has_the_directory_of_the_one_before_it() {
    let fixture = fixture!();
    let base = fixture.layer(None, "a/f=1 a/g=2 b/h=3 c/d/j=5 e=6 s>a");
    let first = run(&fixture, &base, |dir| {
        std::thread::sleep(std::time::Duration::from_millis(20));
        std::fs::write(dir.join("a/f"), "7").unwrap();
        std::fs::remove_file(dir.join("b/h")).unwrap();
        std::fs::remove_dir_all(dir.join("c")).unwrap();
        std::fs::create_dir(dir.join("c")).unwrap();
        std::fs::write(dir.join("c/k"), "8").unwrap();
        // Written, and the same again: no change, but it was taken to be compared.
        std::fs::write(dir.join("a/g"), "2").unwrap();
        std::fs::write(dir.join("new"), "9").unwrap();
    })
    .snapshot;
    // Between the two a step copies.
    let between = fixture.layer(Some(&first), "c/l=10 g/x=11 a/f=12");
    let mut unchanged = None;
    let second = run(&fixture, &between, |dir| {
        std::thread::sleep(std::time::Duration::from_millis(20));
        let has = |name: &str| std::fs::read_to_string(dir.join(name)).ok();
        assert_eq!(has("a/f").as_deref(), Some("12"));
        assert_eq!(has("a/g").as_deref(), Some("2"));
        assert_eq!((has("b/h"), has("c/d/j")), (None, None));
        assert_eq!(has("c/k").as_deref(), Some("8"));
        assert_eq!(has("g/x").as_deref(), Some("11"));
        assert_eq!(has("new").as_deref(), Some("9"));
        assert_eq!(std::fs::read_link(dir.join("s")).unwrap(), Path::new("a"));
        // Nothing that it can write to is in a snapshot.
        for snapshot in between.chain() {
            assert!(inodes(dir).is_disjoint(&inodes(&snapshot.fs())));
        }
        unchanged = Some(std::fs::metadata(dir.join("a/g")).unwrap().ino());
        std::fs::remove_file(dir.join("new")).unwrap();
    })
    .snapshot;
    assert_eq!(names(&second), ["-new"]);
    assert_eq!(fixture.snapshots.list().unwrap().len(), 4);
    // What nothing touched is not copied again.
    run(&fixture, &second, |dir| {
        assert_eq!(
            std::fs::metadata(dir.join("a/g")).unwrap().ino(),
            unchanged.unwrap()
        );
    });
    // One directory serves one command.
    run(&fixture, &second, |dir| {
        assert_ne!(
            std::fs::metadata(dir.join("a/g")).unwrap().ino(),
            unchanged.unwrap()
        );
    });
}

#[test]
fn a_directory_in_which_a_file_has_another_name_is_not_given_to_a_command() {
    let fixture = fixture!();
    let base = fixture.layer(None, "a=1 b=2");
    let first = run(&fixture, &base, |dir| {
        std::fs::write(dir.join("new"), "3").unwrap();
        // Else nothing may be left, where the clock's ticks are long.
        std::fs::write(dir.join("a"), "4").unwrap();
    });
    let first = first.snapshot;
    // As a fault of ours would leave it: a file of the directory that is kept is a file of a snapshot.
    let kept = std::fs::read_dir(fixture.store_dir().join("tmp"))
        .unwrap()
        .flat_map(|process| std::fs::read_dir(process.unwrap().path()).unwrap())
        .map(|entry| entry.unwrap().path())
        .find(|path| path.extension().is_some_and(|extension| extension == "kept"))
        .unwrap();
    std::fs::hard_link(base.fs().join("a"), kept.join("c")).unwrap();
    let error = fixture
        .snapshots
        .begin(Some(&first), Form::Directory)
        .unwrap_err();
    assert!(error.to_string().contains("another name"), "{error}");
    base.verify(&rbuild_layer::Stop::new()).unwrap();
}

#[test]
fn files_of_a_directory_that_is_moved_are_one_again() {
    let fixture = fixture!();
    let mut layer = fixture.snapshots.begin_layer(None).unwrap();
    layer.bytes(b"d/one", b"1", meta(0o644)).unwrap();
    layer.hardlink(b"d/two", b"d/one").unwrap();
    layer.hardlink(b"three", b"d/one").unwrap();
    let base = layer.commit(&now()).unwrap().snapshot;
    let top = run(&fixture, &base, |dir| {
        std::thread::sleep(std::time::Duration::from_millis(20));
        std::fs::rename(dir.join("d"), dir.join("e")).unwrap();
    })
    .snapshot;
    let listing = top.listing().unwrap();
    let links: Vec<_> = listing
        .entries()
        .iter()
        .filter(|entry| matches!(entry.kind, rbuild_layer::listing::EntryKind::Hardlink { .. }))
        .map(|entry| String::from_utf8_lossy(&entry.path).into_owned())
        .collect();
    assert_eq!(links, ["e/two"]);
    assert_eq!(names(&top), ["-d", "e", "e/one", "e/two"]);
    // Each has its own again for the next command.
    run(&fixture, &top, |dir| {
        assert_eq!(std::fs::metadata(dir.join("e/two")).unwrap().nlink(), 1);
    });
}
