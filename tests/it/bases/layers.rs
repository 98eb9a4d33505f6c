//! What layers of a base may hold: nothing, devices, links, whiteouts.

use super::{add, layout, tar};
use crate::harness::archive::entries_of;
use crate::harness::{Base, Kind, OciImage, TestEnv, skip};
use std::collections::BTreeMap;
use std::fs;

#[test]
fn on_a_base_without_layers() {
    let env = TestEnv::new();
    let bare = layout(&env, "bare", &[]);
    let build = |flags: &[&str], dockerfile: &str| {
        let context = env.context_of(dockerfile, &[("f", "x")]);
        let source = format!("bare=oci-layout://{}", bare.display());
        env.image(["--build-context", &source].iter().chain(flags), context)
    };
    let with_layers = |image: &OciImage| {
        let history = image.config["history"].as_array().unwrap();
        history
            .iter()
            .filter(|entry| entry["empty_layer"] != true)
            .count()
    };
    for flags in [&[][..], &["--squash"], &["--squash-all"]] {
        let image = build(flags, "FROM bare\nENV A=b\nLABEL c=d\n");
        assert_eq!(image.layers.len(), 1, "{flags:?}");
        assert!(image.tree().is_empty(), "{flags:?}");
        assert_eq!(with_layers(&image), 1, "{flags:?}");
        // One that has a layer needs no other.
        let image = build(flags, "FROM bare\nENV A=b\nCOPY f /f\nLABEL c=d\n");
        assert_eq!(image.layers.len(), 1, "{flags:?}");
        assert_eq!(image.tree()["f"].text(), "x");
        assert_eq!(with_layers(&image), 1, "{flags:?}");
    }
    assert_eq!(build(&[], "FROM bare\n").layers.len(), 1);
    let nameless = build(&["--omit-history"], "FROM bare\nENV A=b\n");
    assert_eq!(nameless.layers.len(), 1);
    assert!(nameless.config["history"].as_array().is_none_or(Vec::is_empty));
}

#[test]
fn devices_links_and_whiteouts() {
    use tar::EntryType as Type;
    let env = TestEnv::new();
    let below = tar(|tar| {
        add(tar, "dev", Type::Directory, "", b"");
        add(tar, "dev/null", Type::Char, "", b"");
        add(tar, "dev/disk", Type::Block, "", b"");
        add(tar, "gone", Type::Directory, "", b"");
        add(tar, "gone/file", Type::Regular, "", b"old");
        add(tar, "kept", Type::Regular, "", b"kept");
        add(tar, "over", Type::Directory, "", b"");
        add(tar, "over/a", Type::Regular, "", b"a");
        add(tar, "over/b", Type::Regular, "", b"b");
        // Absolute and outside of the tree, as a link may well be.
        add(tar, "way-out", Type::Symlink, "/../../..", b"");
    });
    let above = tar(|tar| {
        add(tar, ".wh.gone", Type::Regular, "", b"");
        add(tar, "over", Type::Directory, "", b"");
        add(tar, "over/.wh..wh..opq", Type::Regular, "", b"");
        add(tar, "over/c", Type::Regular, "", b"c");
        add(tar, "again", Type::Regular, "", b"again");
        add(tar, "hard", Type::Link, "again", b"");
    });
    let source = format!(
        "given=oci-layout://{}",
        layout(&env, "layout", &[below.clone(), above.clone()]).display()
    );
    let context = env.context_of("FROM given\nLABEL a=b\n", &[]);
    // Base layers go through byte by byte, whatever could not be made on disk.
    let image = env.image(["--build-context", &source], &context);
    assert_eq!(image.layer_tars, [below, above]);

    // The files as one tree: devices are in it even where the user may not make one.
    env.rbuild([
        "-o",
        "type=tar,dest=files.tar",
        "-o",
        "dir",
        "--build-context",
        &source,
    ])
    .arg(&context)
    .run()
    .success()
    .says("device files are left out: dev/disk, dev/null");
    let files: BTreeMap<String, _> = entries_of(&env.path("files.tar"))
        .into_iter()
        .map(|entry| (entry.path.clone(), entry))
        .collect();
    assert_eq!(files["dev/null"].kind, Kind::Char { major: 1, minor: 3 });
    assert_eq!(files["dev/disk"].kind, Kind::Block { major: 1, minor: 3 });
    assert_eq!(
        (files["kept"].uid, files["kept"].gid, files["kept"].mtime),
        (1234, 60_000, 1_500_000_000)
    );
    assert_eq!(
        files["hard"].kind,
        Kind::Hardlink {
            to: "again".to_owned()
        }
    );
    let over: Vec<&String> = files
        .keys()
        .filter(|path| path.starts_with("over/") || path.starts_with("gone"))
        .collect();
    assert_eq!(over, ["over/c"]);
    assert_eq!(fs::read_dir(env.path("dir/dev")).unwrap().count(), 0);

    // A copy of the whole tree has them too.
    let context = env.context_of("FROM scratch\nCOPY --from=given / /\n", &[]);
    let copied = env.image(["--build-context", &source], &context).tree();
    assert_eq!(copied["dev/null"].kind, Kind::Char { major: 1, minor: 3 });
    assert_eq!((copied["kept"].uid, copied["kept"].mtime), (1234, 1_500_000_000));
}

#[test]
fn the_debian_base_has_its_devices() {
    // Debian's minimal system comes with device nodes, which an ordinary user cannot make.
    if !skip::unless_installed("the_debian_base_has_its_devices", &["mmdebstrap"]) {
        return;
    }
    let env = TestEnv::with(&[Base::Debian]);
    let image = OciImage::from_archive(&Base::Debian.archive());
    let devices = image
        .tree()
        .values()
        .filter(|entry| matches!(entry.kind, Kind::Char { .. }))
        .count();
    assert!(devices > 0, "the base is not what this test is about");
    env.rbuild(["-o", "type=oci,dest=same.tar", "-o", "type=tar,dest=files.tar"])
        .arg(env.context_of("FROM debian:local\nLABEL a=b\n", &[]))
        .run()
        .success();
    let kept = entries_of(&env.path("files.tar"));
    assert_eq!(
        kept.iter()
            .filter(|entry| matches!(entry.kind, Kind::Char { .. }))
            .count(),
        devices
    );
    // Who owns what is the image's affair, not the user's: shadow belongs to the group of that name.
    let shadow = kept.iter().find(|entry| entry.path == "etc/shadow").unwrap();
    assert_eq!((shadow.uid, shadow.gid, shadow.mode), (0, 42, 0o640));
    env.run("debian:local", ["stat", "-c", "%u:%g %a", "/etc/shadow"])
        .success()
        .prints("0:42 640");
}
