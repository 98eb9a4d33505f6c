//! Links and names in archives: whatever they say, nothing outside of the destination is reached.

use super::{Archive, context, texts};
use crate::harness::{Kind, TestEnv};
use std::os::unix::fs::symlink;
use tar::EntryType;

/// A stage with something at each place that an archive may want to reach.
const STAGE: &str = "FROM scratch\nCOPY base /\nADD t.tar /d/\n";

fn base() -> [(&'static str, &'static [u8]); 4] {
    [
        ("base/etc/passwd", b"the image's"),
        ("base/d/there/old", b"old"),
        ("base/d/etc/inner", b"inner"),
        ("base/stray/kept", b"kept"),
    ]
}

#[test]
fn links_lead_no_further_than_to_the_destination() {
    let env = TestEnv::new();
    let tar = Archive::new()
        .symlink("up", "..")
        .file("up/stray/file", "up")
        .symlink("far", "../../../../stray")
        .file("far/far", "far")
        .symlink("absolute", "/stray")
        .file("absolute/deep/absolute", "absolute")
        .symlink("etc-link", "/etc")
        .file("etc-link/passwd", "mine")
        .symlink("hop", "absolute/deep")
        .file("hop/hop", "hop")
        .entry(EntryType::Link, "hard", "up/stray/file", "")
        .entry(EntryType::Link, "up/there/hard-old", "/there/old", "")
        .bytes();
    let mut files = base().to_vec();
    files.push(("t.tar", &tar));
    let context = context(&env, STAGE, &files);
    // One that the image had before.
    symlink("/there", context.join("base/d/link")).unwrap();
    let image = env.image([""; 0], &context);
    let texts = texts(&image);
    let expected = [
        ("d/absolute/deep", None),
        ("d/etc/inner", Some("inner")),
        ("d/etc/passwd", Some("mine")),
        ("d/stray/deep/absolute", Some("absolute")),
        ("d/stray/deep/hop", Some("hop")),
        ("d/stray/far", Some("far")),
        ("d/hard", Some("up")),
        ("d/there/old", Some("old")),
        ("etc/passwd", Some("the image's")),
        ("stray/kept", Some("kept")),
        ("stray/file", None),
        ("stray/far", None),
    ];
    for (path, text) in expected {
        assert_eq!(texts.get(path).map(String::as_str), text, "{path}: {texts:?}");
    }
    let tree = image.tree();
    assert_eq!(tree["d/there/hard-old"].text(), "old");
    let linked = &tree["d/stray/file"].kind;
    assert_eq!(
        *linked,
        Kind::Hardlink {
            to: "d/hard".to_owned()
        }
    );
    assert_eq!(tree["d/up"].kind, Kind::Symlink { to: "..".to_owned() });
    assert_eq!(
        tree["d/etc-link"].kind,
        Kind::Symlink {
            to: "/etc".to_owned()
        }
    );
}

#[test]
fn what_would_go_through_a_link_to_nothing_is_refused() {
    let env = TestEnv::new();
    let link = |to: &str| Archive::new().symlink("l", to);
    for archive in [
        // The image has it, the destination has not.
        link("/var/lib").file("l/x", "x"),
        link("../var").file("l/lib/x", "x"),
        link("/nowhere").dir("l/x"),
        link("/nowhere").symlink("l/x", "y"),
        link("/var").entry(EntryType::Link, "h", "l/lib/x", ""),
        Archive::new().file("before/x", "x"),
    ] {
        let tar = archive.bytes();
        let files: [(&str, &[u8]); 3] = [
            ("base/var/lib/x", b"kept"),
            ("base/d/kept", b"kept"),
            ("t.tar", &tar),
        ];
        let context = context(&env, STAGE, &files);
        symlink("/var/lib", context.join("base/d/before")).unwrap();
        env.building([""; 0])
            .arg(&context)
            .run()
            .exits(1)
            .no_panic()
            .says("Dockerfile:3")
            .says("symbolic link to something that is not in the directory of the archive");
    }
}

#[test]
fn names_are_taken_by_their_text() {
    let env = TestEnv::new();
    let tar = Archive::new()
        .file("", "nameless")
        .file("./", "nameless too")
        .file("./a/./b//c", "dots")
        .file("x/../y/../z", "up and down")
        .dir("made/deep/..")
        .symlink("l", "a")
        .file("l/../beside", "beside the link")
        .entry(EntryType::Link, "h", "./a/../a/b/c", "")
        .bytes();
    let context = context(&env, "FROM scratch\nADD t.tar /d\n", &[("t.tar", &tar)]);
    let image = env.image([""; 0], &context);
    let texts = texts(&image);
    let files: Vec<(&str, &str)> = texts
        .iter()
        .map(|(path, text)| (path.as_str(), text.as_str()))
        .collect();
    assert_eq!(
        files,
        [
            ("d/a/b/c", "dots"),
            ("d/beside", "beside the link"),
            ("d/z", "up and down"),
        ]
    );
    assert_eq!(image.tree()["d/made"].kind, Kind::Dir);
    assert_eq!(
        image.tree()["d/h"].kind,
        Kind::Hardlink {
            to: "d/a/b/c".to_owned()
        }
    );
}

#[test]
fn a_context_archive_is_read_the_same_way() {
    let env = TestEnv::new();
    let tar = Archive::new()
        .dir("./")
        .file("x/../Dockerfile", "FROM scratch\nCOPY . /\n")
        .dir("real")
        .symlink("l", "/real")
        .file("l/deep/f", "F")
        .symlink("up", "../../..")
        .file("up/top", "T")
        .entry(EntryType::Link, "hard", "l/deep/f", "")
        .bytes();
    let build = |tar: &[u8]| {
        env.rbuild(["build", "-o", "type=tar,dest=-", "-"])
            .stdin(tar)
            .run()
            .no_panic()
    };
    let built = build(&tar).success();
    let entries = crate::harness::archive::entries(built.stdout.as_slice());
    let names: Vec<&str> = entries.iter().map(|entry| entry.path.as_str()).collect();
    assert_eq!(
        names,
        [
            "Dockerfile",
            "hard",
            "l",
            "real",
            "real/deep",
            "real/deep/f",
            "top",
            "up"
        ]
    );
    for hostile in [
        Archive::new().file("../x", "x"),
        Archive::new().symlink("l", "/nowhere").file("l/x", "x"),
        Archive::new().symlink("l", "l").file("l/x", "x"),
        Archive::new().entry(EntryType::Link, "h", "../../etc/passwd", ""),
        Archive::new().entry(EntryType::Link, "h", "/etc/passwd", ""),
    ] {
        let refused = build(&hostile.bytes());
        assert_ne!(refused.code(), 0, "{refused}");
    }
}
