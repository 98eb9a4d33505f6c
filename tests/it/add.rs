//! ADD of what the context holds: archives are unpacked by what they are, not by their names.

use std::collections::BTreeMap;
use std::io::Write;
use std::os::unix::fs::symlink;
use std::path::Path;

use crate::harness::{Kind, OciImage, TestEnv};

mod links;
mod owners;
mod telling;

/// Makes an archive entry by entry.
struct Archive {
    tar: tar::Builder<Vec<u8>>,
    owner: (u64, u64),
}

impl Archive {
    fn new() -> Archive {
        Archive {
            tar: tar::Builder::new(Vec::new()),
            owner: (31, 32),
        }
    }

    /// For what comes next.
    fn with_owner(mut self, id: u64) -> Archive {
        self.owner = (id, id);
        self
    }

    /// `path` and `link` are written as they are, hostile or not.
    fn entry(mut self, kind: tar::EntryType, path: &str, link: &str, contents: &str) -> Archive {
        let mut header = tar::Header::new_ustar();
        header.set_entry_type(kind);
        header.set_mode(if kind == tar::EntryType::Directory {
            0o750
        } else {
            0o640
        });
        header.set_uid(self.owner.0);
        header.set_gid(self.owner.1);
        header.set_mtime(1_000_000_000);
        header.set_size(contents.len() as u64);
        let name = &mut header.as_old_mut().name;
        name[..path.len()].copy_from_slice(path.as_bytes());
        let linkname = &mut header.as_old_mut().linkname;
        linkname[..link.len()].copy_from_slice(link.as_bytes());
        header.set_cksum();
        self.tar.append(&header, contents.as_bytes()).unwrap();
        self
    }

    fn file(self, path: &str, contents: &str) -> Archive {
        self.entry(tar::EntryType::Regular, path, "", contents)
    }

    fn dir(self, path: &str) -> Archive {
        self.entry(tar::EntryType::Directory, path, "", "")
    }

    fn symlink(self, path: &str, to: &str) -> Archive {
        self.entry(tar::EntryType::Symlink, path, to, "")
    }

    fn bytes(self) -> Vec<u8> {
        self.tar.into_inner().unwrap()
    }
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn texts(image: &OciImage) -> BTreeMap<String, String> {
    let tree = image.tree();
    tree.iter()
        .filter(|(_, entry)| matches!(entry.kind, Kind::File { .. }))
        .map(|(path, entry)| (path.clone(), entry.text()))
        .collect()
}

fn context(env: &TestEnv, dockerfile: &str, files: &[(&str, &[u8])]) -> std::path::PathBuf {
    let context = env.context_of(dockerfile, &[]);
    for (name, bytes) in files {
        let path = context.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }
    context
}

#[test]
fn every_compression_by_its_content() {
    let env = TestEnv::new();
    let tar = Archive::new()
        .dir("d/")
        .file("d/f", "F")
        .file("top", "T")
        .symlink("l", "d/f")
        .bytes();
    let dockerfile = "FROM scratch\nADD plain /plain/\nADD gz.bin /gz\nADD bz2 /bz2/\nADD xz /xz/\nADD zst /zst\nADD --chown=5:6 gz.bin /owned/\n";
    let context = context(&env, dockerfile, &[("plain", &tar), ("gz.bin", &gzip(&tar))]);
    for (tool, name) in [("bzip2", "bz2"), ("xz", "xz"), ("zstd", "zst")] {
        let made = env
            .tool("sh")
            .args(["-c", "$0 -c < \"$1\" > \"$2\"", tool])
            .arg(context.join("plain"))
            .arg(context.join(name))
            .run();
        made.success();
    }
    let image = env.image([""; 0], &context);
    let tree = image.tree();
    for top in ["plain", "gz", "bz2", "xz", "zst", "owned"] {
        let owner = if top == "owned" { (5, 6) } else { (31, 32) };
        let at = |path: &str| {
            let entry = &tree[&format!("{top}/{path}")];
            (entry.mode, entry.uid as u32, entry.gid as u32, entry.mtime)
        };
        assert_eq!(at("d"), (0o750, owner.0, owner.1, 1_000_000_000), "{top}");
        assert_eq!(at("d/f"), (0o640, owner.0, owner.1, 1_000_000_000), "{top}");
        assert_eq!(
            tree[&format!("{top}/l")].kind,
            Kind::Symlink { to: "d/f".to_owned() }
        );
        assert_eq!(tree[top].mode, 0o755, "{top}");
        assert_eq!(tree[top].uid, if top == "owned" { 5 } else { 0 }, "{top}");
    }
    assert_eq!(texts(&image)["zst/top"], "T");
}

#[test]
fn what_is_no_archive_is_copied() {
    let env = TestEnv::new();
    let tar = Archive::new().file("f", "F").bytes();
    let dockerfile = r"FROM scratch AS one
COPY real.tar.gz /copied/
ADD fake.tar.gz /fake/
ADD text.gz /gz/
ADD empty.tar /empty/
ADD --unpack=false real.tar.gz /kept/
ADD dir /dir/
FROM scratch
COPY --from=one / /
";
    let files: [(&str, &[u8]); 5] = [
        ("real.tar.gz", &gzip(&tar)),
        ("fake.tar.gz", b"no archive"),
        ("text.gz", &gzip(b"compressed text")),
        ("empty.tar", b""),
        ("dir/inner.tar", &tar),
    ];
    let context = context(&env, dockerfile, &files);
    let image = env.image([""; 0], &context);
    let tree = image.tree();
    let files: Vec<&str> = tree
        .iter()
        .filter(|(_, e)| matches!(e.kind, Kind::File { .. }))
        .map(|(p, _)| p.as_str())
        .collect();
    assert_eq!(
        files,
        [
            "copied/real.tar.gz",
            "dir/inner.tar",
            "empty/empty.tar",
            "fake/fake.tar.gz",
            "gz/text.gz",
            "kept/real.tar.gz"
        ]
    );
    // A broken archive is neither copied nor left half unpacked.
    let mut cut = gzip(&Archive::new().file("f", &"x".repeat(100_000)).bytes());
    cut.truncate(cut.len() - 20);
    std::fs::write(context.join("cut"), cut).unwrap();
    std::fs::write(context.join("Dockerfile"), "FROM scratch\nADD cut /\n").unwrap();
    env.building([""; 0])
        .arg(&context)
        .run()
        .exits(1)
        .says("cut")
        .no_panic();
}

#[test]
fn unpacked_over_what_is_there() {
    let env = TestEnv::new();
    let tar = Archive::new()
        .dir("./")
        .dir("d/")
        .file("d/new", "new")
        .file("d/old", "newer")
        .file("lib/x", "through the link")
        .file("twice", "first")
        .file("twice", "second")
        .file("soft", "a file now")
        .bytes();
    let dockerfile = "FROM scratch\nCOPY base /\nADD t.tar f /\nADD f t.tar /rev/\n";
    let context = context(
        &env,
        dockerfile,
        &[
            ("t.tar", &tar),
            ("base/d/old", b"old"),
            ("base/d/kept", b"kept"),
            ("base/usr/lib/y", b"y"),
            ("f", b"F"),
            ("base/target", b"target"),
        ],
    );
    symlink("usr/lib", context.join("base/lib")).unwrap();
    symlink("target", context.join("base/soft")).unwrap();
    let image = env.image([""; 0], &context);
    let texts = texts(&image);
    for (path, text) in [
        ("d/new", "new"),
        ("d/old", "newer"),
        ("d/kept", "kept"),
        ("usr/lib/x", "through the link"),
        ("usr/lib/y", "y"),
        ("twice", "second"),
        ("soft", "a file now"),
        ("target", "target"),
        ("f", "F"),
        ("rev/f", "F"),
        ("rev/d/new", "new"),
    ] {
        assert_eq!(texts.get(path).map(String::as_str), Some(text), "{path}");
    }
    assert_eq!(
        image.tree()["lib"].kind,
        Kind::Symlink {
            to: "usr/lib".to_owned()
        }
    );
}

#[test]
fn the_later_source_wins() {
    let env = TestEnv::new();
    let tar = Archive::new().file("f", "archive").bytes();
    let dockerfile = "FROM scratch\nADD t.tar f /one/\nADD f t.tar /two/\nADD t.tar f t.tar /three/\n";
    let context = context(&env, dockerfile, &[("t.tar", &tar), ("f", b"file")]);
    let texts = texts(&env.image([""; 0], &context));
    assert_eq!(texts["one/f"], "file");
    assert_eq!(texts["two/f"], "archive");
    assert_eq!(texts["three/f"], "archive");
}

#[test]
fn hostile_archives_touch_nothing_outside() {
    let env = TestEnv::new();
    let canary = env.write("canary", "untouched");
    let outside = env.path("canary-2");
    let up = "../".repeat(12);
    let rooted = |path: &Path| path.display().to_string();
    let (canary_path, outside_path) = (rooted(&canary), rooted(&outside));
    let hostile = |archive: Archive| archive.bytes();
    let dockerfile = "FROM scratch\nADD t.tar /in/\n";
    // Whatever cannot stay inside is refused, or stays inside.
    let archives = [
        hostile(Archive::new().file("../escaped", "x")),
        hostile(Archive::new().file(&format!("{up}{}", &canary_path[1..]), "x")),
        hostile(Archive::new().file(&outside_path, "x")),
        hostile(
            Archive::new()
                .symlink("l", &format!("{up}tmp"))
                .file("l/rbuild-escaped", "x"),
        ),
        hostile(
            Archive::new()
                .symlink("l", &rooted(env.path("").as_path()))
                .file("l/canary", "x"),
        ),
        hostile(
            Archive::new()
                .entry(tar::EntryType::Link, "h", &canary_path, "")
                .file("h", "x"),
        ),
        hostile(Archive::new().entry(tar::EntryType::Link, "h", "../../etc/passwd", "")),
        hostile(Archive::new().symlink("l", "l").file("l/x", "x")),
        hostile(Archive::new().file("f", "x").file("f/below", "x")),
        hostile(Archive::new().file(".wh.f", "")),
        hostile(Archive::new().dir("d").file("d/.wh..wh..opq", "")),
    ];
    for bytes in &archives {
        let context = context(&env, dockerfile, &[("t.tar", bytes)]);
        let outcome = env.building(["-t", "x"]).arg(&context).run().no_panic();
        assert!([0, 1].contains(&outcome.code()), "{outcome}");
        assert_eq!(
            std::fs::read_to_string(&canary).unwrap(),
            "untouched",
            "{outcome}"
        );
        assert!(!outside.exists(), "{outcome}");
        assert!(!Path::new("/tmp/rbuild-escaped").exists(), "{outcome}");
    }
    // Names that climb out are refused by name.
    let refused = context(&env, dockerfile, &[("t.tar", &archives[0])]);
    env.building([""; 0])
        .arg(&refused)
        .run()
        .exits(1)
        .says("../escaped")
        .says("Dockerfile:2");
}

#[test]
fn of_the_context_only() {
    let env = TestEnv::new();
    let files = [("a", "A"), ("d/b", "B")];
    let image = env.image_of(
        "FROM scratch\nADD a d /t/\nADD --chmod=600 --chown=1:2 a /m\n",
        &files,
    );
    let tree = image.tree();
    assert_eq!(tree["t/a"].text(), "A");
    assert_eq!(tree["t/b"].text(), "B");
    assert_eq!((tree["m"].mode, tree["m"].uid, tree["m"].gid), (0o600, 1, 2));
    env.refused("FROM scratch\nADD --from=x a /\n", &files)
        .says("--from");
    env.refused("FROM scratch\nADD --checksum=sha256:0000000000000000000000000000000000000000000000000000000000000000 a /\n", &files)
        .says("--checksum");
    env.refused("FROM scratch\nADD missing /\n", &files)
        .says("missing")
        .says("Dockerfile:2");
}
