//! A layer upon another snapshot.

use super::*;
use std::os::unix::fs::MetadataExt;

#[test]
fn it_is_the_same_layer_and_no_byte_is_written() {
    let fixture = fixture!();
    let base = fixture.layer(None, "a=1 bin>usr/bin");
    let other = fixture.layer(None, "b=2 usr/bin/x=3");
    let mut layer = fixture.snapshots.begin_independent_layer(Some(&base)).unwrap();
    layer.implicit_dirs(meta(0o755));
    let mut with_xattr = meta(0o4751);
    with_xattr.xattrs.set(b"user.note", b"note");
    layer.bytes(b"bin/f", b"content", with_xattr).unwrap();
    layer.hardlink(b"bin/g", b"bin/f").unwrap();
    layer.symlink(b"l", b"bin/f", meta(0o777)).unwrap();
    layer.dir(b"empty", meta(0o1777)).unwrap();
    layer.fifo(b"pipe", meta(0o600)).unwrap();
    let first = layer.commit(&now()).unwrap().snapshot;
    let moved = |parent: Option<&Snapshot>| {
        let committed = fixture.snapshots.transplant(&first, parent, &now()).unwrap();
        committed.unwrap().snapshot
    };
    let second = moved(Some(&other));
    assert_eq!(
        second.listing().unwrap().entries(),
        first.listing().unwrap().entries()
    );
    assert_eq!(second.parent().unwrap().id(), other.id());
    let inode = |snapshot: &Snapshot| std::fs::metadata(snapshot.fs().join("bin/f")).unwrap().ino();
    assert_eq!(inode(&first), inode(&second));
    let epoch = match now().tar {
        HashTar::Now { epoch } => epoch,
        HashTar::Later => None,
    };
    let known = |snapshot: &Snapshot| fixture.snapshots.known_diff_id(snapshot.id(), epoch).unwrap();
    assert!(known(&first).is_some());
    assert_eq!(known(&first), known(&second), "nothing was read to know this");
    assert_eq!(moved(None).parent().map(Snapshot::id), None);
    assert_eq!(moved(Some(&base)).id(), first.id(), "there it is already");
}

#[test]
fn what_speaks_of_what_is_below_is_not_moved() {
    let fixture = fixture!();
    let base = fixture.layer(None, "a=1");
    let removes = fixture.layer(Some(&base), "-a");
    let moved = fixture.snapshots.transplant(&removes, None, &now()).unwrap();
    assert!(moved.is_none());
}
