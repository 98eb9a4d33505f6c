//! Images made of layers.

use super::*;

#[test]
fn later_layers_replace_hide_and_link() {
    let fixture = fixture!();
    let one = Tar::default()
        .dir("./")
        .dir("bin/")
        .file("bin/sh", "elf")
        .hardlink("bin/bash", "bin/sh")
        .symlink("lib", "usr/lib")
        .dir("usr/lib/")
        .file("etc/gone", "1")
        .file("etc/kept", "2")
        .dir("var/")
        .file("var/cache", "3")
        .file("swap", "file")
        .end();
    let two = Tar::default()
        .file("etc/.wh.gone", "")
        .file("lib/new.so", "so")
        .file("var/.wh..wh..opq", "")
        .file("var/fresh", "4")
        .hardlink("bin/dash", "bin/bash")
        .dir("swap/")
        .file("swap/in", "5")
        .end();
    let three = Tar::default()
        .file("bin/.wh.sh", "")
        .file("bin/.wh.bash", "")
        .file("etc/kept", "22")
        .end();
    let image = import(&fixture, &[one, two, three]).unwrap();
    assert_eq!(
        shown(&image),
        "bin/ bin/dash=elf etc/ etc/kept=22 lib>usr/lib swap/ swap/in=5 usr/ usr/lib/ usr/lib/new.so=so var/ var/fresh=4"
    );
    image.verify(&rbuild_layer::Stop::new()).unwrap();
    assert_eq!(fixture.snapshots.lowers(&image).unwrap(), [image.fs()]);
    assert_eq!(image.imported_layers().unwrap().len(), 3);
    // No whiteout is left on disk: nothing is below.
    assert!(!image.fs().join("bin/sh").exists());
}

#[test]
fn a_whiteout_does_not_hide_its_own_layer() {
    let fixture = fixture!();
    let one = Tar::default()
        .file("d/old", "1")
        .file("e/old", "1")
        .file("f", "1")
        .end();
    let two = Tar::default()
        .dir("d/")
        .file("d/new", "2")
        .file(".wh.d", "")
        .file("e/new", "2")
        .file("e/.wh..wh..opq", "")
        .file("f", "2")
        .file(".wh.f", "")
        .end();
    let image = import(&fixture, &[one, two]).unwrap();
    assert_eq!(shown(&image), "d/ d/new=2 e/ e/new=2 f=2");
    image.verify(&rbuild_layer::Stop::new()).unwrap();
}

#[test]
fn every_compression_is_read() {
    let fixture = fixture!();
    let plain = Tar::default().file("f", &"content ".repeat(1000)).end();
    let mut gzip = rbuild_layer::GzipWriter::new(Vec::new(), 6);
    gzip.write_all(&plain).unwrap();
    let gzip = gzip.finish().unwrap();
    let mut bzip2 = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::fast());
    bzip2.write_all(&plain).unwrap();
    let bzip2 = bzip2.finish().unwrap();
    let zstd = ruzstd::encoding::compress_to_vec(&plain[..], ruzstd::encoding::CompressionLevel::Fastest);
    // A skippable frame in front and in between, as zstd:chunked writes them.
    let chunked = [&[0x50, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 1, 2, 3][..], &zstd].concat();
    for (name, bytes) in [
        ("plain", &plain),
        ("gzip", &gzip),
        ("bzip2", &bzip2),
        ("zstd", &zstd),
        ("chunked", &chunked),
    ] {
        let mut layer = fixture.snapshots.begin_layer(None).unwrap();
        layer
            .archive(&bytes[..], name, b"dest", Limits::default())
            .unwrap();
        let snapshot = layer.commit(&now()).unwrap().snapshot;
        assert!(
            shown(&snapshot).starts_with("dest/ dest/f=content content"),
            "{name}"
        );
        // Cut off anywhere near the end it is an error.
        for cut in [1, 5, bytes.len() / 2] {
            let mut layer = fixture.snapshots.begin_layer(None).unwrap();
            let result = layer.archive(&bytes[..bytes.len() - cut], name, b"dest", Limits::default());
            assert!(
                result.is_err() || name == "plain",
                "{name} without its last {cut} bytes"
            );
        }
    }
}

#[test]
fn wrong_and_truncated_layers_name_themselves() {
    let fixture = fixture!();
    let good = Tar::default().file("f", "1").end();
    let import = |bytes: &[u8], diff_id: DiffId| {
        let layer = ImportLayer {
            reader: Box::new(bytes),
            diff_id,
            name: "layer 2 of 5".into(),
        };
        fixture
            .snapshots
            .import_layers(vec![layer], &ImportOptions::default())
            .unwrap_err()
    };
    let id = |bytes: &[u8]| DiffId::from_bytes(rbuild_oci::hash::sha256(bytes));
    let error = import(&good, id(b"other"));
    assert!(
        matches!(error, SnapshotError::Layer(LayerError::WrongDiffId { .. })),
        "{error}"
    );
    assert!(
        error
            .to_string()
            .starts_with("layer 2 of 5 has the wrong content"),
        "{error}"
    );
    let error = import(&good[..700], id(&good));
    assert!(
        error.to_string().starts_with("layer 2 of 5 is truncated"),
        "{error}"
    );
    // Bytes behind the end of the archive count.
    let mut longer = good.clone();
    longer.extend_from_slice(b"trailing");
    let error = import(&longer, id(&good));
    assert!(
        matches!(error, SnapshotError::Layer(LayerError::WrongDiffId { .. })),
        "{error}"
    );
    let mut flipped = good.clone();
    flipped[0] ^= 1;
    let error = import(&flipped, id(&flipped));
    assert!(
        error.to_string().contains("a header does not match its checksum"),
        "{error}"
    );
    assert!(fixture.snapshots.list().unwrap().is_empty());
    assert_eq!(fixture.left_in_tmp(), 0);
    let trailing = ImportLayer {
        reader: Box::new(&longer[..]),
        diff_id: id(&longer),
        name: "l".into(),
    };
    assert!(
        fixture
            .snapshots
            .import_layers(vec![trailing], &ImportOptions::default())
            .is_ok()
    );
}

#[test]
fn an_import_is_found_by_its_layers() {
    let fixture = fixture!();
    let tar = Tar::default().file("f", "1").end();
    let ids = [DiffId::from_bytes(rbuild_oci::hash::sha256(&tar))];
    assert!(
        fixture
            .snapshots
            .imported(&ids, Check::Now)
            .unwrap()
            .sound()
            .is_none()
    );
    let image = import(&fixture, std::slice::from_ref(&tar)).unwrap();
    let found = fixture
        .snapshots
        .imported(&ids, Check::Now)
        .unwrap()
        .sound()
        .unwrap()
        .snapshot;
    assert_eq!((found.id(), found.content_id()), (image.id(), image.content_id()));
    assert_eq!(
        (*image.id(), *image.content_id()),
        SnapshotStore::import_ids(&ids)
    );
    // The same files in other layers are another image.
    let empty = Tar::default().end();
    let other = import(&fixture, &[tar, empty]).unwrap();
    assert_ne!(other.content_id(), image.content_id());
    assert_eq!(shown(&other), shown(&image));
}

#[test]
fn pax_headers_say_more() {
    let fixture = fixture!();
    let long = format!("{}/{}", "d".repeat(120), "f".repeat(130));
    let hostile = b"v\n30 linkpath=/etc/shadow\n30 path=../../escaped\n\0";
    let tar = Tar::default()
        .pax(&[
            ("path", long.as_bytes()),
            ("mtime", b"1500000000.25"),
            ("SCHILY.xattr.user.a", hostile),
        ])
        .file("short", "content")
        .raw(b"././@LongLink", b'L', b"", b"gnu/long/name\0")
        .file("cut", "x")
        .raw(b"pax_global_header", b'g', b"", b"18 comment=abcdef\n")
        .file("last", "y")
        .end();
    let image = import(&fixture, &[tar]).unwrap();
    let node = image.tree().unwrap().lookup(long.as_bytes()).unwrap().unwrap();
    assert_eq!(
        node.meta.mtime,
        Timestamp {
            secs: 1_500_000_000,
            nanos: 250_000_000
        }
    );
    assert_eq!(node.meta.xattrs.get(b"user.a"), Some(&hostile[..]));
    let tree = all(&image.tree().unwrap());
    assert!(tree.contains_key("gnu/long/name") && tree.contains_key("last") && !tree.contains_key("cut"));
    // And out again, and in again.
    let tar = packed(&fixture, &image);
    let back = import(&fixture, &[tar]).unwrap();
    let again = back.tree().unwrap().lookup(long.as_bytes()).unwrap().unwrap();
    assert_eq!(again.meta.xattrs, node.meta.xattrs);
}

#[test]
fn adding_an_archive_merges_and_follows_links_inside() {
    let fixture = fixture!();
    let base = fixture.layer(None, "usr/lib/old=1 lib>usr/lib etc/conf=a opt/");
    let tar = Tar::default()
        .dir("./")
        .file("./lib/new", "2")
        .file("etc/conf", "b")
        .hardlink("etc/linked", "etc/conf")
        .hardlink("etc/below", "lib/old")
        .end();
    let mut layer = fixture.snapshots.begin_layer(Some(&base)).unwrap();
    layer.implicit_dirs(meta(0o755));
    layer
        .archive(&tar[..], "`x.tar`", b"", Limits::default())
        .unwrap();
    let top = layer.commit(&now()).unwrap().snapshot;
    assert_eq!(
        shown(&top),
        "etc/ etc/below=1 etc/conf=b etc/linked=b lib>usr/lib opt/ usr/ usr/lib/ usr/lib/new=2 usr/lib/old=1"
    );
    assert_eq!(
        top.listing().unwrap().get(b""),
        None,
        "`./` does not touch the root"
    );
    top.verify(&rbuild_layer::Stop::new()).unwrap();
    let mut layer = fixture.snapshots.begin_layer(Some(&base)).unwrap();
    let whiteout = Tar::default().file("etc/.wh.conf", "").end();
    let error = layer
        .archive(&whiteout[..], "`x.tar`", b"", Limits::default())
        .unwrap_err();
    assert!(
        error
            .to_string()
            .contains("`x.tar`: entry `etc/.wh.conf` has a name that is reserved"),
        "{error}"
    );
}
