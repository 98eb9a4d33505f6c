//! Upper directories as an overlay leaves them, made by hand: what of them is a change.

use std::path::Path;

use rbuild_layer::listing::{Entry, EntryKind, Listing};
use rbuild_rootdir::{Kind, Root};

use super::*;

/// Commits an upper directory that `write` filled.
fn run(fixture: &Fixture, parent: &Snapshot, write: impl FnOnce(&Root, &Path)) -> Snapshot {
    let active = fixture.snapshots.begin(Some(parent), Form::Overlay).unwrap();
    let upper = upper(&active);
    write(&Root::open(&upper).unwrap(), &upper);
    let snapshot = active.commit(&now()).unwrap().snapshot;
    snapshot.verify(&rbuild_layer::Stop::new()).unwrap();
    snapshot
}

/// As overlay does before a change: the same file, times and attributes included.
fn copy_up(upper: &Root, parent: &Snapshot, path: &str) {
    let tree = parent.tree().unwrap();
    let node = tree.lookup(path.as_bytes()).unwrap().unwrap();
    for above in rbuild_layer::listing::ancestors(path.as_bytes()) {
        if upper.lstat(above).is_err() {
            copy_up(upper, parent, std::str::from_utf8(above).unwrap());
        }
    }
    match node.kind {
        NodeKind::Dir => upper.mkdir(path.as_bytes()).unwrap(),
        NodeKind::Symlink(target) => upper.symlink(path.as_bytes(), &target).unwrap(),
        _ => {
            let mut from = tree.open(path.as_bytes()).unwrap();
            let mut to = upper.create_file(path.as_bytes()).unwrap();
            std::io::copy(&mut from, &mut to).unwrap();
        }
    }
    for (name, value) in node.meta.xattrs.iter() {
        upper.set_xattr(path.as_bytes(), name, value).unwrap();
    }
    if !matches!(
        tree.lookup(path.as_bytes()).unwrap().unwrap().kind,
        NodeKind::Symlink(_)
    ) {
        upper.chmod(path.as_bytes(), node.meta.mode).unwrap();
    }
    set_back(upper, parent, path);
}

/// Overlay keeps the time of a directory into which something is copied up.
fn set_back(upper: &Root, parent: &Snapshot, path: &str) {
    let tree = parent.tree().unwrap();
    for path in rbuild_layer::listing::ancestors(path.as_bytes()).chain([path.as_bytes()]) {
        let meta = tree.lookup(path).unwrap().unwrap().meta;
        upper.set_mtime(path, meta.mtime).unwrap();
    }
}

fn paths(listing: &Listing) -> Vec<String> {
    listing
        .entries()
        .iter()
        .map(|entry| String::from_utf8_lossy(&entry.path).into_owned())
        .collect()
}

#[test]
fn nothing_written_is_an_empty_layer() {
    let fixture = fixture!();
    let base = fixture.layer(None, "a/b=1");
    let same = run(&fixture, &base, |_, _| {});
    assert!(same.listing().unwrap().is_empty());
    assert_eq!(shown(&same), shown(&base));
    assert_ne!(same.id(), base.id());
}

#[test]
fn false_copies_are_dropped_from_layer_and_disk() {
    let fixture = fixture!();
    let base = fixture.layer(None, "etc/passwd=root etc/group=x usr/bin/sh=elf usr/lib>bin");
    let top = run(&fixture, &base, |upper, _| {
        for path in ["etc/passwd", "etc/group", "usr/bin/sh", "usr/lib"] {
            copy_up(upper, &base, path);
        }
        // One of them is a change.
        std::io::Write::write_all(
            &mut upper.dir().open_dir(b"etc").unwrap().create_file(b"new").unwrap(),
            b"n",
        )
        .unwrap();
    });
    let listing = top.listing().unwrap();
    assert_eq!(paths(&listing), ["etc", "etc/new"]);
    assert!(!top.fs().join("usr").exists());
    assert!(!top.fs().join("etc/passwd").exists());
    assert_ne!(
        listing.get(b"etc").unwrap().meta.mtime,
        meta(0).mtime,
        "its time did change"
    );
}

#[test]
fn each_kind_of_change_counts() {
    let fixture = fixture!();
    let base = fixture.layer(None, "f=12345 d/x=1");
    let changed = |change: &dyn Fn(&Root)| {
        let top = run(&fixture, &base, |upper, _| {
            copy_up(upper, &base, "f");
            change(upper);
        });
        paths(&top.listing().unwrap())
    };
    assert_eq!(changed(&|_| {}), [""; 0]);
    assert_eq!(changed(&|upper| upper.chmod(b"f", 0o600).unwrap()), ["f"]);
    let time = Timestamp {
        secs: 1_700_000_000,
        nanos: 123_456_788,
    };
    assert_eq!(changed(&|upper| upper.set_mtime(b"f", time).unwrap()), ["f"]);
    assert_eq!(
        changed(&|upper| upper.set_xattr(b"f", b"user.a", b"").unwrap()),
        ["f"]
    );
    // Same size, same time, other bytes.
    let rewrite = |upper: &Root| {
        upper.unlink(b"f").unwrap();
        std::io::Write::write_all(&mut upper.create_file(b"f").unwrap(), b"54321").unwrap();
        upper.chmod(b"f", 0o644).unwrap();
        upper.set_mtime(b"f", meta(0).mtime).unwrap();
    };
    assert_eq!(changed(&rewrite), ["f"]);
    assert_eq!(
        changed(&|upper| upper.set_xattr(b"f", b"user.overlay.origin", b"x").unwrap()),
        [""; 0]
    );
    assert_eq!(
        changed(&|upper| upper.chmod(b"", 0o700).unwrap_or_else(|_| set_root_mode(upper))),
        [""]
    );
}

fn set_root_mode(upper: &Root) {
    rbuild_rootdir::fchmod(upper.dir(), 0o700).unwrap();
}

#[test]
fn whiteouts_and_opaque_directories() {
    let fixture = fixture!();
    let base = fixture.layer(None, "d/1=1 d/2=2 e/x=1 f=1 g/deep/er=1");
    let top = run(&fixture, &base, |upper, _| {
        upper.mknod(b"f", Kind::CharDevice, 0).unwrap();
        // Hides nothing: no change.
        upper.mknod(b"nothing", Kind::CharDevice, 0).unwrap();
        for (dir, opaque) in [(&b"d"[..], b"y"), (b"new", b"y"), (b"e", b"x")] {
            upper.mkdir(dir).unwrap();
            upper.set_xattr(dir, b"user.overlay.opaque", opaque).unwrap();
            upper.chmod(dir, 0o755).unwrap();
        }
        upper.create_file(b"d/3").unwrap();
        // A whiteout as an attribute, in a directory marked `x`.
        upper.create_file(b"e/x").unwrap();
        upper.set_xattr(b"e/x", b"user.overlay.whiteout", b"y").unwrap();
        // Below what is new nothing can be hidden.
        upper.mknod(b"new/w", Kind::CharDevice, 0).unwrap();
    });
    assert_eq!(shown(&top), "d/ d/3= e/ g/ g/deep/ g/deep/er=1 new/");
    let listing = top.listing().unwrap();
    let kind = |path: &str| listing.get(path.as_bytes()).map(|entry| entry.kind.clone());
    assert_eq!(kind("d"), Some(EntryKind::Dir { opaque: true }));
    assert_eq!(kind("new"), Some(EntryKind::Dir { opaque: false }));
    assert_eq!(kind("e"), Some(EntryKind::Dir { opaque: false }));
    assert_eq!(kind("f"), Some(EntryKind::Whiteout));
    assert_eq!(kind("nothing"), None);
    // What the listing does not say the disk does not either: a mount point in a lower layer is seen in `new`.
    let disk = Root::open(top.fs()).unwrap();
    let mark = |dir: &[u8]| disk.get_xattr(dir, b"user.overlay.opaque").unwrap();
    assert_eq!(mark(b"d").as_deref(), Some(&b"y"[..]));
    assert_eq!(mark(b"new"), None);
    // The same through a tar, onto the base.
    let flat = import(&fixture, &[packed(&fixture, &base), packed(&fixture, &top)]).unwrap();
    assert_eq!(shown(&flat), shown(&top));
}

#[test]
fn hard_links_stay_together() {
    let fixture = fixture!();
    let base = fixture.layer(None, "a=1 z=z");
    let top = run(&fixture, &base, |upper, _| {
        // A new name of an old file: overlay copies it up and links.
        copy_up(upper, &base, "a");
        upper.link(b"b", b"a").unwrap();
        // Two new names.
        upper.create_file(b"y2").unwrap();
        upper.link(b"y1", b"y2").unwrap();
        // Both names unchanged is not a change, whatever the link count says.
        copy_up(upper, &base, "z");
    });
    let listing = top.listing().unwrap();
    assert_eq!(paths(&listing), ["a", "b", "y1", "y2"]);
    let hardlink = |target: &[u8]| EntryKind::Hardlink {
        target: target.to_vec(),
    };
    assert_eq!(listing.get(b"b").unwrap().kind, hardlink(b"a"));
    assert_eq!(listing.get(b"y2").unwrap().kind, hardlink(b"y1"));
    let flat = import(&fixture, &[packed(&fixture, &base), packed(&fixture, &top)]).unwrap();
    assert_eq!(shown(&flat), shown(&top));
}

#[test]
fn a_time_counts_if_the_command_set_it() {
    let fixture = fixture!();
    let mut layer = fixture.snapshots.begin_layer(None).unwrap();
    layer.bytes(b"made", b"m", meta(0o644)).unwrap();
    layer
        .bytes(b"dated", b"d", meta(0o644).with_date(1_000_000_000, 5))
        .unwrap();
    let base = layer.commit(&now()).unwrap().snapshot;
    let mut other = fixture.snapshots.begin_layer(None).unwrap();
    other
        .bytes(b"bound", b"b", meta(0o644).with_mtime(1_500_000_000, 7))
        .unwrap();
    let other = other.commit(&now()).unwrap().snapshot;
    let past = |secs, nanos| Timestamp { secs, nanos };

    let mut active = fixture.snapshots.begin(Some(&base), Form::Overlay).unwrap();
    active.can_read(&other);
    let dir = upper(&active);
    let upper = Root::open(&dir).unwrap();
    let new = |path: &str, content: &str, time: Option<Timestamp>| {
        std::fs::write(dir.join(path), content).unwrap();
        if let Some(time) = time {
            upper.set_mtime(path.as_bytes(), time).unwrap();
        }
    };
    upper.mkdir(b"dir").unwrap();
    new("dir/written", "w", None);
    new("touched", "t", Some(past(1_000_000_001, 0)));
    // Changed in nothing but the mode.
    for (path, mode) in [("made", 0o600), ("dated", 0o600)] {
        copy_up(&upper, &base, path);
        upper.chmod(path.as_bytes(), mode).unwrap();
    }
    // Further names, copies, and one of each that was bound.
    upper.link(b"made2", b"made").unwrap();
    upper.link(b"dated2", b"dated").unwrap();
    new("copy", "m", Some(past(1_700_000_000, 0)));
    new("other", "o", Some(past(1_700_000_001, 0)));
    new("bound", "b", Some(past(1_500_000_000, 7)));
    upper.symlink(b"link", b"made").unwrap();
    upper.symlink(b"old-link", b"made").unwrap();
    upper.set_mtime(b"old-link", past(7, 7)).unwrap();
    rbuild_rootdir::fset_mtime(upper.dir(), past(8, 8)).unwrap();
    let top = active.commit(&now()).unwrap().snapshot;
    top.verify(&rbuild_layer::Stop::new()).unwrap();

    let listing = top.listing().unwrap();
    let dated: Vec<&Entry> = listing
        .entries()
        .iter()
        .filter(|entry| entry.meta.dated)
        .collect();
    let dated: Vec<_> = dated
        .iter()
        .map(|entry| String::from_utf8_lossy(&entry.path))
        .collect();
    assert_eq!(dated, ["", "dated", "dated2", "old-link", "other", "touched"]);
    assert_eq!(listing.len(), 13, "{:?}", paths(&listing));

    // What a later command does not touch is no change, the root's time not either.
    let same = run(&fixture, &top, |upper, _| copy_up(upper, &top, "dated"));
    assert!(same.listing().unwrap().is_empty());
}

#[test]
fn sockets_go_and_foreign_attributes_stay_out() {
    let fixture = fixture!();
    let base = fixture.layer(None, "x=1");
    let top = run(&fixture, &base, |upper, path| {
        drop(std::os::unix::net::UnixListener::bind(path.join("socket")).unwrap());
        upper.create_file(b"f").unwrap();
        for name in ["user.kept", "user.overlay.impure", "user.containers.x"] {
            upper.set_xattr(b"f", name.as_bytes(), b"1").unwrap();
        }
    });
    assert_eq!(paths(&top.listing().unwrap()), ["f"]);
    assert!(!top.fs().join("socket").exists());
    let xattrs = top.listing().unwrap().get(b"f").unwrap().meta.xattrs.clone();
    assert_eq!(
        xattrs.iter().collect::<Vec<_>>(),
        [(&b"user.kept"[..], &b"1"[..])]
    );
}

#[test]
fn file_capabilities_are_stored_for_any_namespace() {
    if !maps_all_ids() {
        eprintln!("skipped: only root of the host may set file capabilities of other namespaces");
        return;
    }
    let fixture = fixture!();
    let base = fixture.layer(None, "x=1");
    let v2 = [1u8, 0, 0, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    let mut v3 = v2.to_vec();
    v3[3] = 3;
    v3.extend_from_slice(&1001u32.to_le_bytes());
    let top = run(&fixture, &base, |upper, _| {
        upper.create_file(b"ping").unwrap();
        upper.set_xattr(b"ping", b"security.capability", &v3).unwrap();
    });
    let meta = top.listing().unwrap().get(b"ping").unwrap().meta.clone();
    assert_eq!(meta.xattrs.get(b"security.capability"), Some(&v2[..]));
    let back = import(&fixture, &[packed(&fixture, &top)]).unwrap();
    let root = Root::open(back.fs()).unwrap();
    assert_eq!(
        root.get_xattr(b"ping", b"security.capability")
            .unwrap()
            .as_deref(),
        Some(&v2[..])
    );
}

#[test]
fn owners_and_devices_survive_the_tar() {
    if !maps_all_ids() {
        eprintln!("skipped: only root of the host may give files to any id");
        return;
    }
    let fixture = fixture!();
    let base = fixture.layer(None, "x=1");
    let top = run(&fixture, &base, |upper, _| {
        upper.create_file(b"theirs").unwrap();
        upper.chown(b"theirs", 3_000_000, 70_000).unwrap();
        upper.chmod(b"theirs", 0o6755).unwrap();
        upper.symlink(b"link", b"theirs").unwrap();
        upper.chown(b"link", 5, 6).unwrap();
        upper
            .mknod(b"zero", Kind::CharDevice, rustix::fs::makedev(1, 5))
            .unwrap();
    });
    let back = import(&fixture, &[packed(&fixture, &top)]).unwrap();
    let stat = Root::open(back.fs()).unwrap().lstat(b"theirs").unwrap();
    assert_eq!((stat.uid, stat.gid, stat.mode), (3_000_000, 70_000, 0o6755));
    let stat = Root::open(back.fs()).unwrap().lstat(b"link").unwrap();
    assert_eq!((stat.uid, stat.gid), (5, 6));
    let entry: Entry = back.listing().unwrap().get(b"zero").unwrap().clone();
    assert_eq!(
        entry.kind,
        EntryKind::CharDevice {
            rdev: rustix::fs::makedev(1, 5)
        }
    );
}

#[test]
fn mount_points_leave_no_trace() {
    let fixture = fixture!();
    let base = fixture.layer(None, "etc/x=1");
    let mut active = fixture.snapshots.begin(Some(&base), Form::Overlay).unwrap();
    active.add_stub(b"etc/hosts", StubKind::File).unwrap();
    active.add_stub(b"run/secrets", StubKind::Dir).unwrap();
    assert!(upper(&active).join("run/secrets").is_dir());
    assert!(
        active
            .commit(&now())
            .unwrap()
            .snapshot
            .listing()
            .unwrap()
            .is_empty()
    );

    // What the command put there itself stays.
    let mut active = fixture.snapshots.begin(Some(&base), Form::Overlay).unwrap();
    active.add_stub(b"etc/hosts", StubKind::File).unwrap();
    active.add_stub(b"run/secrets", StubKind::Dir).unwrap();
    active.add_stub(b"mnt", StubKind::Dir).unwrap();
    let canary = fixture.dir.path().join("canary");
    std::fs::create_dir(&canary).unwrap();
    std::fs::remove_dir(upper(&active).join("mnt")).unwrap();
    std::os::unix::fs::symlink(&canary, upper(&active).join("mnt")).unwrap();
    std::fs::write(upper(&active).join("etc/hosts"), "127.0.0.1").unwrap();
    std::fs::write(upper(&active).join("run/other"), "x").unwrap();
    let top = active.commit(&now()).unwrap().snapshot;
    assert_eq!(
        paths(&top.listing().unwrap()),
        ["etc", "etc/hosts", "mnt", "run", "run/other"]
    );
    assert!(canary.is_dir());
}
