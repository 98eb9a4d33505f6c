//! Committing layers that are put together.

use super::*;

#[test]
fn layers_stack_up_and_read_back() {
    let fixture = fixture!();
    let base = fixture.layer(None, "a/ a/one=1 a/two=2 b/x=x link>a/one");
    let top = fixture.layer(Some(&base), "a/two=22 -b c/deep/er=y -missing");
    assert_eq!(
        shown(&top),
        "a/ a/one=1 a/two=22 c/ c/deep/ c/deep/er=y link>a/one"
    );
    assert_eq!(fixture.snapshots.lowers(&top).unwrap(), [top.fs(), base.fs()]);
    // Found again by another process.
    let again = fixture.rebooted().get(top.id(), Check::Now).unwrap().unwrap();
    assert_eq!(again.content_id(), top.content_id());
    assert_eq!(shown(&again), shown(&top));
    assert_eq!(again.parent().unwrap().id(), base.id());
    top.verify(&rbuild_layer::Stop::new()).unwrap();
    base.verify(&rbuild_layer::Stop::new()).unwrap();
    assert_eq!(fixture.left_in_tmp(), 0);
}

#[test]
fn files_on_disk_have_the_metadata_of_the_listing() {
    let fixture = fixture!();
    let mut layer = fixture.snapshots.begin_layer(None).unwrap();
    let mut with_xattr = meta(0o4751);
    with_xattr.xattrs.set(b"user.note", b"a\nb\0c");
    layer.bytes(b"d/file", b"content", with_xattr.clone()).unwrap();
    layer.dir(b"d", meta(0o2700)).unwrap();
    layer.symlink(b"d/link", b"../nowhere", meta(0o777)).unwrap();
    layer.fifo(b"pipe", meta(0o622)).unwrap();
    layer.hardlink(b"a-first", b"d/file").unwrap();
    let snapshot = layer.commit(&now()).unwrap().snapshot;
    let root = rbuild_rootdir::Root::open(snapshot.fs()).unwrap();
    for entry in snapshot.listing().unwrap().entries() {
        let stat = root.lstat(&entry.path).unwrap();
        assert_eq!((stat.mode, stat.uid, stat.gid, stat.mtime), {
            (entry.meta.mode, entry.meta.uid, entry.meta.gid, entry.meta.mtime)
        });
    }
    assert_eq!(
        root.get_xattr(b"d/file", b"user.note").unwrap().unwrap(),
        b"a\nb\0c"
    );
    assert_eq!(
        root.lstat(b"d/file").unwrap().ino,
        root.lstat(b"a-first").unwrap().ino
    );
    let listing = snapshot.listing().unwrap();
    let kind = |path: &[u8]| listing.get(path).unwrap().kind.clone();
    assert!(
        matches!(kind(b"a-first"), EntryKind::File { size: 7, .. }),
        "the first name in order is the file"
    );
    assert_eq!(
        kind(b"d/file"),
        EntryKind::Hardlink {
            target: b"a-first".to_vec()
        }
    );
    snapshot.verify(&rbuild_layer::Stop::new()).unwrap();
}

use rbuild_layer::listing::EntryKind;

#[test]
fn a_time_that_was_set_is_content() {
    let fixture = fixture!();
    let make = |meta| {
        let mut layer = fixture.snapshots.begin_layer(None).unwrap();
        layer.bytes(b"f", b"same", meta).unwrap();
        layer.commit(&now()).unwrap()
    };
    let time = |committed: &Committed| {
        let tree = committed.snapshot.tree().unwrap();
        tree.lookup(b"f").unwrap().unwrap().meta.mtime.secs
    };
    let made = make(meta(0o644).with_mtime(1, 0));
    let early = make(meta(0o644).with_date(1, 0));
    let late = make(meta(0o644).with_date(2, 0));
    assert!(![&made, &early, &late].iter().any(|one| one.adopted));
    assert_eq!((time(&early), time(&late)), (1, 2));
    let again = make(meta(0o644).with_date(1, 0));
    assert!(again.adopted);
    assert_eq!(again.snapshot.id(), early.snapshot.id());
}

#[test]
fn equal_content_is_adopted_whenever_it_was_made() {
    let fixture = fixture!();
    let make = |secs| {
        let mut layer = fixture.snapshots.begin_layer(None).unwrap();
        layer
            .bytes(b"f", b"same", meta(0o644).with_mtime(secs, 0))
            .unwrap();
        layer.commit(&now()).unwrap()
    };
    let first = make(1);
    let second = make(2);
    assert!(!first.adopted && second.adopted);
    assert_eq!(first.snapshot.id(), second.snapshot.id());
    assert_eq!(fixture.snapshots.list().unwrap(), [*first.snapshot.id()]);
    // Gone, it is made again: the index does not lead astray.
    drop((first, second));
    for id in fixture.snapshots.list().unwrap() {
        std::fs::remove_dir_all(fixture.store_dir().join("snapshots").join(id.to_hex())).unwrap();
        fixture.snapshots.remove(&id).unwrap();
    }
    let third = make(3);
    assert!(!third.adopted);
    assert_eq!(fixture.snapshots.list().unwrap(), [*third.snapshot.id()]);
}

#[test]
fn many_threads_commit_the_same_once() {
    let fixture = fixture!();
    let ids: Vec<_> = std::thread::scope(|scope| {
        let make = |secs: i64| {
            let snapshots = SnapshotStore::new(fixture.snapshots.store().clone());
            let mut layer = snapshots.begin_layer(None).unwrap();
            layer
                .bytes(b"f", b"same", meta(0o644).with_mtime(secs, 0))
                .unwrap();
            *layer.commit(&now()).unwrap().snapshot.id()
        };
        let threads: Vec<_> = (0..12).map(|at| scope.spawn(move || make(at))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert!(ids.iter().all(|id| id == &ids[0]), "{ids:?}");
    assert_eq!(fixture.snapshots.list().unwrap().len(), 1);
}

#[test]
fn a_dropped_layer_leaves_nothing() {
    let fixture = fixture!();
    let mut layer = fixture.snapshots.begin_layer(None).unwrap();
    layer.bytes(b"a/b/c", b"x", meta(0o644)).unwrap();
    drop(layer);
    drop(fixture.snapshots.begin(None, Form::Overlay).unwrap());
    assert!(fixture.snapshots.list().unwrap().is_empty());
    assert_eq!(fixture.left_in_tmp(), 0);
    let tmp = fixture.store_dir().join("tmp");
    drop(fixture.snapshots);
    assert_eq!(std::fs::read_dir(tmp).unwrap().count(), 0);
}

#[test]
fn a_source_that_changed_fails_the_commit() {
    let fixture = fixture!();
    let commit = |size, hash, content: &str| {
        let mut layer = fixture.snapshots.begin_layer(None).unwrap();
        let source = FileSource::Bytes(content.as_bytes().into());
        layer.file(b"f", size, hash, source, meta(0o644)).unwrap();
        layer.commit(&now())
    };
    assert!(commit(3, None, "abc").is_ok());
    for (size, hash) in [(2, None), (4, None), (3, Some(FileHash::of(b"xyz")))] {
        let error = commit(size, hash, "abc").unwrap_err();
        assert!(
            matches!(error, SnapshotError::Layer(LayerError::Changed { .. })),
            "{error}"
        );
    }
}

#[test]
fn paths_that_leave_or_lie_are_refused() {
    let fixture = fixture!();
    let base = fixture.layer(None, "file=x link>/etc dir/");
    let mut layer = fixture.snapshots.begin_layer(Some(&base)).unwrap();
    for path in [
        "../x",
        "/x",
        "a/../x",
        "a//b",
        "a/./b",
        "a/.wh.b",
        ".wh..wh..opq",
        "file/x",
        "link/x",
        "",
    ] {
        assert!(layer.bytes(path.as_bytes(), b"", meta(0o644)).is_err(), "{path}");
    }
    assert!(!fixture.dir.path().join("x").exists());
}

#[test]
fn replacing_one_kind_by_another() {
    let fixture = fixture!();
    let base = fixture.layer(None, "d/old=1 d/sub/x=2 f=3");
    let mut layer = fixture.snapshots.begin_layer(Some(&base)).unwrap();
    layer.bytes(b"d", b"now a file", meta(0o644)).unwrap();
    layer.dir(b"f", meta(0o755)).unwrap();
    layer.bytes(b"f/in", b"4", meta(0o644)).unwrap();
    let top = layer.commit(&now()).unwrap().snapshot;
    assert_eq!(shown(&top), "d=now a file f/ f/in=4");
    // Removed and made again: what was in it stays hidden.
    let mut layer = fixture.snapshots.begin_layer(Some(&base)).unwrap();
    layer.remove(b"d").unwrap();
    layer.bytes(b"d/new", b"5", meta(0o644)).unwrap();
    let top = layer.commit(&now()).unwrap().snapshot;
    assert_eq!(shown(&top), "d/ d/new=5 f=3");
    let root = rbuild_rootdir::Root::open(top.fs()).unwrap();
    assert_eq!(
        root.get_xattr(b"d", b"user.overlay.opaque").unwrap().unwrap(),
        b"y"
    );
    top.verify(&rbuild_layer::Stop::new()).unwrap();
}

#[test]
fn unchanged_files_are_linked_from_the_last_result() {
    let fixture = fixture!();
    let make = |changed: &str, older: Option<&Snapshot>| {
        let mut layer = fixture.snapshots.begin_layer(None).unwrap();
        if let Some(older) = older {
            layer.reuse(older).unwrap();
        }
        for at in 0..100 {
            layer
                .bytes(format!("d{}/f{at}", at % 7).as_bytes(), &[at; 50], meta(0o644))
                .unwrap();
        }
        layer.bytes(b"changed", changed.as_bytes(), meta(0o644)).unwrap();
        layer.commit(&now()).unwrap().snapshot
    };
    let first = make("1", None);
    let second = make("2", Some(&first));
    let ino = |snapshot: &Snapshot, path: &[u8]| {
        rbuild_rootdir::Root::open(snapshot.fs())
            .unwrap()
            .lstat(path)
            .unwrap()
            .ino
    };
    assert_eq!(ino(&first, b"d3/f3"), ino(&second, b"d3/f3"));
    assert_ne!(ino(&first, b"changed"), ino(&second, b"changed"));
    let packed = |snapshot| fixture.snapshots.known_diff_id(snapshot, None).unwrap().unwrap();
    // The tar does not show how the files got there.
    let mut bytes = Vec::new();
    let again = fixture.snapshots.pack(&second, None, &mut bytes).unwrap();
    assert_eq!(packed(second.id()), again);
    second.verify(&rbuild_layer::Stop::new()).unwrap();
    // Nothing that is below may be linked: two names of one inode in one tree would show.
    let mut layer = fixture.snapshots.begin_layer(Some(&second)).unwrap();
    layer.reuse(&second).unwrap();
    layer.bytes(b"d3/f3", &[3; 50], meta(0o644)).unwrap();
    let third = layer.commit(&now()).unwrap().snapshot;
    assert_ne!(ino(&third, b"d3/f3"), ino(&second, b"d3/f3"));
}

#[test]
fn the_same_tar_alone_and_on_all_cores() {
    let fixture = fixture!();
    let mut layer = fixture.snapshots.begin_layer(None).unwrap();
    let big: Vec<u8> = (0..3_000_000u32).map(|at| ((at * 7) >> 5) as u8).collect();
    for at in 0..300 {
        layer
            .bytes(format!("d/f{at}").as_bytes(), &big[at..at * 40], meta(0o644))
            .unwrap();
    }
    layer.bytes(b"e/big", &big, meta(0o644)).unwrap();
    layer.bytes(b"e/empty", b"", meta(0o644)).unwrap();
    layer.bytes(b"f/big", &big[1..], meta(0o644)).unwrap();
    let snapshot = layer.commit(&now()).unwrap().snapshot;
    // pack() reads one file after the other, the commit did not.
    let bytes = packed(&fixture, &snapshot);
    let at_commit = fixture
        .snapshots
        .known_diff_id(snapshot.id(), None)
        .unwrap()
        .unwrap();
    assert_eq!(
        at_commit.diff_id,
        DiffId::from_bytes(rbuild_oci::hash::sha256(&bytes))
    );
    let later = rbuild_layer::diff_id(
        &snapshot.listing().unwrap(),
        &snapshot.layer().unwrap().root().unwrap(),
        None,
        &rbuild_layer::Stop::new(),
    );
    assert_eq!(later.unwrap(), at_commit);
    snapshot.verify(&rbuild_layer::Stop::new()).unwrap();
}

#[test]
fn a_squashed_tar_is_kept_until_its_snapshot_goes() {
    let fixture = fixture!();
    let base = fixture.layer(None, "a=1 b=2");
    let middle = fixture.layer(Some(&base), "a=gone c=3");
    let top = fixture.layer(Some(&middle), "a=last");
    let squashed = fixture.snapshots.squashed_diff_id(&top, 2, None).unwrap();
    let mut tar = Vec::new();
    let packed = fixture.snapshots.pack_squashed(&top, 2, None, &mut tar).unwrap();
    assert_eq!(packed, squashed);
    assert_eq!(squashed.size, tar.len() as u64);
    let has = |text: &[u8]| tar.windows(text.len()).any(|window| window == text);
    assert!(has(b"last") && !has(b"gone"));
    // One layer alone is its own tar, and with everything below it the tar of the tree.
    let alone = fixture.snapshots.squashed_diff_id(&top, 1, None).unwrap();
    assert_eq!(alone, fixture.snapshots.diff_id(&top, None).unwrap());
    let whole = fixture.snapshots.squashed_diff_id(&top, 3, Some(7)).unwrap();
    assert_ne!(whole, squashed);
    let kept = || {
        let names = std::fs::read_dir(fixture.snapshots.store().diffids_dir()).unwrap();
        let mut names: Vec<String> = names
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| name.starts_with(&top.id().to_hex()) && name.contains('+'))
            .map(|name| name[64..].to_owned())
            .collect();
        names.sort();
        names
    };
    assert_eq!(kept(), ["+1", "+2", "+3@7"]);
    fixture.snapshots.remove(top.id()).unwrap();
    assert_eq!(kept(), Vec::<String>::new());
}

#[test]
fn the_epoch_changes_the_tar_and_nothing_else() {
    let fixture = fixture!();
    let mut layer = fixture.snapshots.begin_layer(None).unwrap();
    let dated = meta(0o644).with_date(1_700_000_000, 123_456_789);
    layer.bytes(b"a", b"1", dated).unwrap();
    let snapshot = layer.commit(&now()).unwrap().snapshot;
    let plain = fixture.snapshots.diff_id(&snapshot, None).unwrap();
    let later = fixture.snapshots.diff_id(&snapshot, Some(1_800_000_000)).unwrap();
    let earlier = fixture.snapshots.diff_id(&snapshot, Some(1_000)).unwrap();
    assert_eq!(plain, later);
    assert_ne!(plain, earlier);
    assert_eq!(
        fixture
            .snapshots
            .known_diff_id(snapshot.id(), Some(1_000))
            .unwrap(),
        Some(earlier)
    );
    let mtime = rbuild_rootdir::Root::open(snapshot.fs())
        .unwrap()
        .lstat(b"a")
        .unwrap()
        .mtime;
    assert_eq!(
        mtime,
        Timestamp {
            secs: 1_700_000_000,
            nanos: 123_456_789
        }
    );
    fixture.snapshots.remove(snapshot.id()).unwrap();
    assert_eq!(
        fixture
            .snapshots
            .known_diff_id(snapshot.id(), Some(1_000))
            .unwrap(),
        None
    );
    assert_eq!(
        fixture.snapshots.known_diff_id(snapshot.id(), None).unwrap(),
        None
    );
}

#[test]
fn after_a_reboot_damage_is_found_once() {
    let fixture = fixture!();
    let base = fixture.layer(None, "good=1");
    let top = fixture.layer(Some(&base), "f=content g/h=x");
    let unhurt = fixture.layer(Some(&base), "other=1");
    std::fs::write(top.fs().join("f"), b"").unwrap();
    // The boot that committed it does not look.
    let same_boot = SnapshotStore::new(fixture.snapshots.store().clone());
    assert!(same_boot.get(top.id(), Check::Now).unwrap().is_some());
    let rebooted = fixture.rebooted();
    let looked = rebooted.get(top.id(), Check::Skip).unwrap().unwrap();
    assert!(looked.needs_check());
    assert!(
        matches!(looked.verify(&rbuild_layer::Stop::new()), Err(SnapshotError::Damaged { path, .. }) if path == b"f")
    );
    assert!(rebooted.get(top.id(), Check::Now).unwrap().is_none());
    assert!(rebooted.get(unhurt.id(), Check::Now).unwrap().is_some());
    let listed = rebooted.list().unwrap();
    assert!(listed.contains(base.id()) && !listed.contains(top.id()));
    // Noted: a later boot does not look again.
    std::fs::write(unhurt.fs().join("other"), b"changed after it was confirmed").unwrap();
    let again = fixture.rebooted();
    assert!(again.get(unhurt.id(), Check::Now).unwrap().is_some());
}

/// The name of a directory may be there without those in it.
#[test]
fn a_snapshot_without_its_record_is_made_again() {
    for lost in ["meta.json", "listing", "fs"] {
        let fixture = fixture!();
        let made = fixture.layer(None, "f=text");
        let dir = fixture.store_dir().join("snapshots").join(made.id().to_hex());
        if lost == "fs" {
            std::fs::remove_dir_all(dir.join(lost)).unwrap();
        } else {
            std::fs::remove_file(dir.join(lost)).unwrap();
        }
        let again = Fixture {
            dir: tempfile::tempdir().unwrap(),
            snapshots: fixture.rebooted(),
        };
        assert_eq!(again.layer(None, "f=text").id(), made.id(), "{lost}");
        assert!(
            dir.join("fs/f").is_file() && dir.join("meta.json").is_file(),
            "{lost}"
        );
    }
}

#[test]
fn what_a_power_loss_hurt_is_made_again() {
    let fixture = fixture!();
    let first = fixture.layer(None, "f=content");
    let id = *first.id();
    std::fs::write(first.fs().join("f"), b"").unwrap();
    // Even when its index entry is lost, so that only the name meets.
    std::fs::remove_dir_all(fixture.store_dir().join("content")).unwrap();
    std::fs::create_dir(fixture.store_dir().join("content")).unwrap();
    let rebooted = Fixture {
        snapshots: fixture.rebooted(),
        dir: fixture.dir,
    };
    let again = rebooted.layer(None, "f=content");
    assert_eq!(*again.id(), id);
    assert_eq!(shown(&again), "f=content");
    again.verify(&rbuild_layer::Stop::new()).unwrap();
}

#[test]
fn verify_names_what_differs() {
    let fixture = fixture!();
    let check = |hurt: &dyn Fn(&std::path::Path), expected: &str| {
        let snapshot = fixture.layer(None, &format!("d/f=abc link>f n={}", expected.replace(' ', "")));
        snapshot.verify(&rbuild_layer::Stop::new()).unwrap();
        hurt(&snapshot.fs());
        let error = snapshot
            .verify(&rbuild_layer::Stop::new())
            .unwrap_err()
            .to_string();
        assert!(error.contains(expected), "{error}");
    };
    check(
        &|fs| std::fs::write(fs.join("d/f"), "abX").unwrap(),
        "`d/f` has another content",
    );
    check(
        &|fs| std::fs::write(fs.join("d/f"), "ab").unwrap(),
        "`d/f` has another size",
    );
    check(
        &|fs| std::fs::remove_file(fs.join("d/f")).unwrap(),
        "`d/f` is missing",
    );
    check(
        &|fs| std::fs::write(fs.join("d/more"), "").unwrap(),
        "`d/more` is not in the listing",
    );
    check(
        &|fs| {
            std::fs::remove_file(fs.join("link")).unwrap();
            std::os::unix::fs::symlink("g", fs.join("link")).unwrap();
        },
        "`link` has another target",
    );
    check(
        &|fs| {
            std::fs::remove_dir_all(fs.join("d")).unwrap();
            std::fs::write(fs.join("d"), "").unwrap();
        },
        "`d` has another type",
    );
}

#[test]
fn a_removed_snapshot_is_gone() {
    let fixture = fixture!();
    let snapshot = fixture.layer(None, "a/b=1");
    fixture.snapshots.remove(snapshot.id()).unwrap();
    assert!(
        fixture
            .snapshots
            .get(snapshot.id(), Check::Now)
            .unwrap()
            .is_none()
    );
    assert_eq!(
        std::fs::read_dir(fixture.store_dir().join("content"))
            .unwrap()
            .count(),
        0
    );
    fixture.snapshots.remove(snapshot.id()).unwrap();
    // A parent that is gone takes its children along.
    let base = fixture.layer(None, "a=1");
    let top = fixture.layer(Some(&base), "b=1");
    fixture.snapshots.remove(base.id()).unwrap();
    assert!(fixture.rebooted().get(top.id(), Check::Skip).unwrap().is_none());
}

#[test]
fn whole_images_with_times_before_1970_and_long_names() {
    let fixture = fixture!();
    let mut layer = fixture.snapshots.begin_layer(None).unwrap();
    let long = "x".repeat(200);
    let path = format!("{long}/{long}/{long}");
    layer.implicit_dirs(meta(0o755));
    layer
        .bytes(path.as_bytes(), b"deep", meta(0o644).with_mtime(-3, 5))
        .unwrap();
    layer.symlink(b"l", path.as_bytes(), meta(0o777)).unwrap();
    layer.bytes(b"\xff\xfe raw", b"bytes", meta(0o600)).unwrap();
    layer
        .hardlink(format!("{long}/second").as_bytes(), path.as_bytes())
        .unwrap();
    let snapshot = layer.commit(&now()).unwrap().snapshot;
    let tar = packed(&fixture, &snapshot);
    let back = import(&fixture, &[tar]).unwrap();
    let (was, is) = (all(&snapshot.tree().unwrap()), all(&back.tree().unwrap()));
    assert_eq!(was.keys().collect::<Vec<_>>(), is.keys().collect::<Vec<_>>());
    for (path, node) in was {
        let mut expected = node;
        expected.meta.mtime.nanos = 0;
        // An archive says when.
        expected.meta.dated = true;
        assert_eq!(is[&path], expected);
    }
}

#[test]
fn a_full_store_says_so() {
    let error = SnapshotError::Store(StoreError::NoSpace {
        action: "write",
        path: "/s".into(),
    });
    assert!(error.is_no_space());
    let source = std::io::Error::from(std::io::ErrorKind::StorageFull);
    assert!(SnapshotError::Layer(LayerError::content("write", b"f", source)).is_no_space());
}

#[test]
fn the_diff_id_is_known_or_computed() {
    let fixture = fixture!();
    let mut layer = fixture.snapshots.begin_layer(None).unwrap();
    layer.bytes(b"a", b"1", meta(0o644)).unwrap();
    let options = CommitOptions {
        now: 1,
        tar: HashTar::Later,
    };
    let snapshot = layer.commit(&options).unwrap().snapshot;
    assert_eq!(
        fixture.snapshots.known_diff_id(snapshot.id(), None).unwrap(),
        None
    );
    let packed: PackedLayer = fixture.snapshots.diff_id(&snapshot, None).unwrap();
    let mut out = std::io::BufWriter::new(Vec::new());
    assert_eq!(fixture.snapshots.pack(&snapshot, None, &mut out).unwrap(), packed);
    out.flush().unwrap();
    assert_eq!(
        fixture.snapshots.known_diff_id(snapshot.id(), None).unwrap(),
        Some(packed)
    );
}

#[test]
fn stubs_are_made_once_per_set() {
    let fixture = fixture!();
    let stubs = [
        (b"proc".to_vec(), StubKind::Dir),
        (b"etc/hosts".to_vec(), StubKind::File),
    ];
    let first = fixture.snapshots.stub_layer(&stubs).unwrap();
    let turned = [stubs[1].clone(), stubs[0].clone(), stubs[0].clone()];
    assert_eq!(fixture.snapshots.stub_layer(&turned).unwrap(), first);
    assert!(first.join("proc").is_dir() && first.join("etc/hosts").is_file());
    let second = fixture.snapshots.stub_layer(&stubs[..1]).unwrap();
    assert_ne!(second, first);
    // After a power loss names may be missing in them, and nobody looks.
    let root = fixture.dir.path().join("store");
    let rebooted = crate::Store::open(&root, "boot-2", crate::Need::Writing).unwrap();
    let rebooted = SnapshotStore::new(rebooted).stub_layer(&stubs).unwrap();
    assert!(rebooted != first && rebooted.join("proc").is_dir());

    // They stay while the process that uses them lives, and go when all goes.
    let store = fixture.snapshots.store().clone();
    let all = crate::gc::PruneOptions {
        all: true,
        ..crate::gc::PruneOptions::default()
    };
    store.prune(&all, i64::MAX).unwrap();
    assert!(first.is_dir() && second.is_dir());
    let other = fixture.rebooted();
    let third = other.stub_layer(&stubs).unwrap();
    drop(fixture.snapshots);
    store.prune(&all, i64::MAX).unwrap();
    assert!(third.join("proc").is_dir() && !second.exists());
    drop(other);
    let dry_run = true;
    store
        .prune(
            &crate::gc::PruneOptions {
                dry_run,
                ..all.clone()
            },
            i64::MAX,
        )
        .unwrap();
    assert!(third.is_dir());
    store
        .prune(
            &crate::gc::PruneOptions::default(),
            crate::memo::file_system_now(),
        )
        .unwrap();
    assert!(third.is_dir(), "used just now");
    store.prune(&all, i64::MAX).unwrap();
    assert!(!third.exists());
}

#[test]
fn a_chain_of_100_000_is_asked_and_dropped_one_after_the_other() {
    let meta = Meta {
        version: meta::VERSION,
        parent: None,
        content_id: ContentId::from_bytes([0; 32]),
        imported: None,
        bytes: 0,
        entries: 0,
        created: 0,
        boot_id: String::new(),
        packed: None,
        confirmed: true,
    };
    let mut chain: Vec<Snapshot> = Vec::new();
    for _ in 0..100_000 {
        let parent = chain.last().cloned();
        chain.push(Snapshot(Arc::new(Inner {
            id: SnapshotId::from_bytes([0; 32]),
            place: Place::new(parent.as_ref(), &meta),
            meta: meta.clone(),
            dir: PathBuf::new(),
            parent,
            sound: AtomicBool::new(true),
            layer: OnceLock::new(),
        })));
    }
    // Each for itself: asked with all below it this would not end.
    assert!(!chain.iter().any(Snapshot::needs_check));
    let top = chain.pop().unwrap();
    drop(chain);
    assert_eq!(top.chain().count(), 100_000);
    // One in the other this would end the stack.
    drop(top);
}
