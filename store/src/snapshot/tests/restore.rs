//! A layer of one store in another.

use super::*;
use rbuild_layer::ContentId;
use rbuild_layer::listing::{Entry, EntryKind, Listing};

/// What a store sends of a snapshot's own layer.
struct Sent {
    listing: Vec<u8>,
    tar: Vec<u8>,
    packed: PackedLayer,
}

fn sent(snapshots: &SnapshotStore, snapshot: &Snapshot, epoch: Option<i64>) -> Sent {
    let mut tar = Vec::new();
    let packed = snapshots.pack(snapshot, epoch, &mut tar).unwrap();
    Sent {
        listing: snapshot.listing().unwrap().to_bytes(),
        tar,
        packed,
    }
}

fn restored(
    snapshots: &SnapshotStore,
    parent: Option<&Snapshot>,
    sent: &Sent,
) -> Result<Snapshot, SnapshotError> {
    let layer = ForeignLayer {
        listing: Listing::from_bytes(sent.listing.clone(), "the listing").unwrap(),
        reader: Box::new(sent.tar.as_slice()),
        diff_id: sent.packed.diff_id,
        created: 77,
        name: "the layer".to_owned(),
    };
    Ok(snapshots.restore(parent, layer)?.snapshot)
}

/// A stack with all that a layer can have, bottom first.
fn stack(fixture: &Fixture) -> [Snapshot; 2] {
    let base = fixture.layer(None, "gone=1 dir/a=1 dir/b=2 kept=3");
    let mut layer = fixture.snapshots.begin_layer(Some(&base)).unwrap();
    layer.implicit_dirs(meta(0o711));
    let mut with_xattr = meta(0o4751);
    with_xattr.xattrs.set(b"user.note", b"a\nb\0");
    layer.remove(b"gone").unwrap();
    layer.remove(b"dir").unwrap();
    layer.dir(b"dir", meta(0o750)).unwrap();
    layer.bytes(b"dir/b", b"new", with_xattr).unwrap();
    layer.bytes(b"empty", b"", meta(0o600)).unwrap();
    let mut dated = meta(0o644);
    dated.dated = true;
    layer.bytes(b"sub/z", &[7; 300_000], dated).unwrap();
    layer.hardlink(b"sub/a", b"sub/z").unwrap();
    layer.symlink(b"l", b"../x", meta(0o777)).unwrap();
    layer.fifo(b"pipe", meta(0o600)).unwrap();
    layer.char_device(b"null", 0x103, meta(0o666)).unwrap();
    let top = layer.commit(&now()).unwrap().snapshot;
    assert!(top.listing().unwrap().entries().iter().any(Entry::is_opaque));
    [base, top]
}

#[test]
fn it_has_the_names_that_it_has_where_it_was_made() {
    let (here, there) = (fixture!(), fixture!());
    for epoch in [None, Some(5)] {
        let mut parent: Option<Snapshot> = None;
        for made in stack(&here) {
            assert!(
                there
                    .snapshots
                    .with_content(parent.as_ref().map(Snapshot::content_id), made.content_id())
                    .unwrap()
                    .is_none()
                    || epoch.is_some()
            );
            let came = restored(
                &there.snapshots,
                parent.as_ref(),
                &sent(&here.snapshots, &made, epoch),
            )
            .unwrap();
            assert_eq!((came.id(), came.content_id()), (made.id(), made.content_id()));
            assert_eq!(came.created(), 77);
            came.verify(&rbuild_layer::Stop::new()).unwrap();
            let again = sent(&there.snapshots, &came, epoch);
            assert_eq!(again.packed, sent(&here.snapshots, &made, epoch).packed);
            let found = there
                .snapshots
                .with_content(parent.as_ref().map(Snapshot::content_id), made.content_id())
                .unwrap();
            assert_eq!(found.unwrap().snapshot.id(), made.id());
            parent = Some(came);
        }
        assert_eq!(there.left_in_tmp(), 0);
    }
}

#[test]
fn what_is_not_as_it_says_leaves_nothing() {
    let (here, there) = (fixture!(), fixture!());
    let [base, top] = stack(&here);
    let base = restored(&there.snapshots, None, &sent(&here.snapshots, &base, None)).unwrap();
    let good = || sent(&here.snapshots, &top, None);
    let edited = |edit: &dyn Fn(&mut Vec<Entry>)| {
        let mut entries = top.listing().unwrap().entries().to_vec();
        edit(&mut entries);
        Listing::new(entries).unwrap().to_bytes()
    };
    let find =
        |entries: &mut Vec<Entry>, path: &[u8]| entries.iter().position(|entry| entry.path == path).unwrap();
    let mut forged: Vec<(&str, Sent)> = Vec::new();
    let mut truncated = good();
    truncated.tar.truncate(700);
    forged.push(("a tar that ends too early", truncated));
    let mut other = good();
    let at = other.tar.iter().rposition(|byte| *byte == 7).unwrap();
    other.tar[at] = 8;
    forged.push(("another content", other));
    let mut other = good();
    other.packed.diff_id = DiffId::from_bytes(rbuild_oci::hash::sha256(b"x"));
    forged.push(("another digest", other));
    let listing = edited(&|entries| {
        let at = find(entries, b"empty");
        entries.remove(at);
    });
    forged.push((
        "a file that the listing does not have",
        Sent { listing, ..good() },
    ));
    let listing =
        edited(&|entries| entries.push(Entry::file("zz", 0, rbuild_layer::FileHash::of(b""), meta(0o644))));
    forged.push(("a file that the tar does not have", Sent { listing, ..good() }));
    let listing = edited(&|entries| {
        let at = find(entries, b"null");
        entries[at].kind = EntryKind::CharDevice { rdev: 0 };
    });
    forged.push(("a whiteout in disguise", Sent { listing, ..good() }));
    let listing = edited(&|entries| {
        let at = find(entries, b"sub/z");
        entries[at].meta.mode = 0o777;
    });
    forged.push(("another mode of a further name", Sent { listing, ..good() }));
    let before = there.snapshots.list().unwrap();
    for (what, sent) in forged {
        let refused = restored(&there.snapshots, Some(&base), &sent);
        assert!(refused.is_err(), "{what}");
    }
    assert_eq!(there.snapshots.list().unwrap(), before);
    assert_eq!(there.left_in_tmp(), 0);
}

/// A listing is believed in what hides something, and in nothing that leads outside.
#[test]
fn hostile_listings_stay_inside() {
    let there = fixture!();
    let empty_tar = || vec![0; 1024];
    let link = |path: &str, target: &str| Entry {
        path: path.into(),
        kind: EntryKind::Symlink {
            target: target.into(),
        },
        meta: meta(0o777),
    };
    let outside = there.dir.path().join("outside");
    std::fs::create_dir(&outside).unwrap();
    let outside = outside.to_str().unwrap();
    let listing = Listing::new(vec![
        link("d", outside),
        Entry::dir("e", meta(0o755)),
        link("e/l", "../../.."),
    ])
    .unwrap();
    let sent = Sent {
        listing: listing.to_bytes(),
        tar: empty_tar(),
        packed: PackedLayer {
            diff_id: DiffId::from_bytes(rbuild_oci::hash::sha256(&empty_tar())),
            size: 1024,
        },
    };
    let made = restored(&there.snapshots, None, &sent).unwrap();
    assert_eq!(*made.content_id(), listing.content_id(None::<&ContentId>));
    assert_eq!(std::fs::read_dir(outside).unwrap().count(), 0);
}
