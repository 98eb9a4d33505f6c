//! Results as files: directories and tars of what an image shows.

use super::{by_path, rich};
use crate::harness::archive::entries_of;
use crate::harness::{Kind, TestEnv};
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

#[test]
fn local_merges_and_stays_inside() {
    let env = TestEnv::new();
    let dest = env.path("dest");
    for dir in ["dest/etc", "dest/mine", "canary/sub"] {
        fs::create_dir_all(env.path(dir)).unwrap();
    }
    env.write("dest/mine/file", "mine");
    env.write("dest/etc/passwd", "old");
    env.write("canary/one", "canary");
    // Where the image has a directory or a file, the destination has a way out.
    std::os::unix::fs::symlink(env.path("canary"), dest.join("d")).unwrap();
    std::os::unix::fs::symlink(env.path("canary/one"), dest.join("bin")).unwrap();
    fs::set_permissions(&dest, PermissionsExt::from_mode(0o700)).unwrap();

    let build = || rich(&env).args(["-o", "dest"]).run().success().no_panic();
    build();
    assert_eq!(fs::read_to_string(env.path("canary/one")).unwrap(), "canary");
    assert_eq!(
        fs::read_dir(env.path("canary")).unwrap().count(),
        2,
        "nothing was put there"
    );
    assert_eq!(fs::read_to_string(dest.join("mine/file")).unwrap(), "mine");
    assert!(
        fs::read_to_string(dest.join("etc/passwd"))
            .unwrap()
            .starts_with("root:")
    );
    assert!(fs::symlink_metadata(dest.join("d")).unwrap().is_dir());
    assert_eq!(
        fs::read_link(dest.join("d/out")).unwrap(),
        Path::new("../../outside")
    );
    assert_eq!(
        fs::metadata(&dest).unwrap().mode() & 0o777,
        0o700,
        "the destination is the user's own"
    );
    // Again over what is there, read-only directories and links included.
    build();
    assert!(!env.path("outside").exists());

    // With an epoch no time is later.
    rich(&env)
        .args(["-o", "dest"])
        .env("SOURCE_DATE_EPOCH", "1000000000")
        .run()
        .success();
    let mtime = |name: &str| fs::symlink_metadata(dest.join(name)).unwrap().mtime();
    assert_eq!(
        (mtime("d/set-id"), mtime("d/sub")),
        (1_000_000_000, 1_000_000_000)
    );
    assert!(mtime("etc/passwd") <= 1_000_000_000);
}

#[test]
fn a_directory_that_was_made_anew() {
    let env = TestEnv::new();
    let dockerfile = "FROM busybox:local\nRUN mkdir -p /w/sub /w/gone && cd /w && touch old gone/x sub/x && echo both > both\n\
                      RUN rm -rf /w && mkdir -p /w/sub && echo new > /w/new && echo other > /w/both && touch /w/sub/y\n";
    let image = env.image_of(dockerfile, &[]);
    // By name, as the specification wants it: not every reader knows the mark for a whole directory.
    let names: Vec<&str> = image.layers[2]
        .iter()
        .map(|entry| entry.path.as_str())
        .filter(|path| !path.is_empty())
        .collect();
    let expected = [
        "w",
        "w/.wh.gone",
        "w/.wh.old",
        "w/both",
        "w/new",
        "w/sub",
        "w/sub/.wh.x",
        "w/sub/y",
    ];
    assert_eq!(names, expected);
    let seen = image.tree();
    let below: Vec<&str> = seen
        .keys()
        .map(String::as_str)
        .filter(|path| path.starts_with("w/"))
        .collect();
    assert_eq!(below, ["w/both", "w/new", "w/sub", "w/sub/y"]);
    assert_eq!(image.tree()["w/both"].text(), "other\n");
}

/// A name of a file is removed and made anew in a later layer: its other names are still the old file.
#[test]
fn hard_links_of_two_layers_are_two_files() {
    let env = TestEnv::new();
    let dockerfile = "FROM busybox:local AS made\nRUN mkdir /d && echo old > /d/a && ln /d/a /d/b && ln /d/a /d/c\n\
                      RUN rm /d/a && echo new > /d/a && ln /d/a /d/e\n\
                      FROM scratch\nCOPY --from=made /d /d\n";
    let context = env.context_of(dockerfile, &[]);
    env.building(["-o", "dir", "-o", "type=tar,dest=files.tar"])
        .arg(&context)
        .run()
        .success();
    env.building(["--target", "made", "-o", "made", "-o", "type=tar,dest=made.tar"])
        .arg(&context)
        .run()
        .success();
    for (dir, tar) in [("dir", "files.tar"), ("made", "made.tar")] {
        let tree = by_path(entries_of(&env.path(tar)));
        assert_eq!(tree["d/b"].text(), "old\n", "{tar}");
        for (link, first) in [("d/c", "d/b"), ("d/e", "d/a")] {
            let Kind::Hardlink { to } = &tree[link].kind else {
                panic!("{tar}: {:?}", tree[link]);
            };
            assert_eq!(to, first, "{tar}");
        }
        let read = |name: &str| fs::read_to_string(env.path(dir).join("d").join(name)).unwrap();
        assert_eq!(
            [read("a"), read("b"), read("c"), read("e")],
            ["new\n", "old\n", "old\n", "new\n"]
        );
    }
}

#[test]
fn set_id_files_of_root_stay_out_of_reach() {
    let env = TestEnv::new();
    let dockerfile = "FROM scratch\nCOPY --chmod=4755 f /bin/f\nCOPY --chmod=2711 f /bin/g\nCOPY f /plain\n";
    let context = env.context_of(dockerfile, &[("f", "F")]);
    let build = |out: &Path| {
        let words = env
            .building(["-o"])
            .arg(format!("type=local,dest={}", out.display()))
            .arg(&context)
            .run()
            .success();
        let mode = |path: &str| std::fs::metadata(out.join(path)).unwrap().permissions().mode() & 0o7777;
        ([mode(""), mode("bin/f"), mode("bin/g")], words)
    };
    let (modes, words) = build(&env.path("above/made"));
    assert_eq!(modes, [0o700, 0o4755, 0o2711]);
    words.never_says("set-id");
    for (mode, expected) in [(0o755, [0o755, 0o755, 0o711]), (0o700, [0o700, 0o4755, 0o2711])] {
        let there = env.path(format!("there-{mode:o}"));
        std::fs::create_dir(&there).unwrap();
        std::fs::set_permissions(&there, PermissionsExt::from_mode(mode)).unwrap();
        let (modes, words) = build(&there);
        assert_eq!(modes, expected);
        match mode {
            0o755 => words.says("these are set-id no more: bin/f, bin/g"),
            _ => words.never_says("set-id"),
        };
    }
    // Where there is none of them a directory is made as any other is.
    std::fs::write(context.join("Dockerfile"), "FROM scratch\nCOPY f /plain\n").unwrap();
    let plain = env.path("plain");
    env.building(["-o"]).arg(&plain).arg(&context).run().success();
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let umask = status
        .lines()
        .find_map(|line| line.strip_prefix("Umask:"))
        .unwrap();
    let umask = u32::from_str_radix(umask.trim(), 8).unwrap();
    let mode = std::fs::metadata(&plain).unwrap().permissions().mode();
    assert_eq!(mode & 0o7777, 0o777 & !umask);
}

#[test]
fn zeros_stay_holes() {
    const SIZE: u64 = 256 << 20;
    let env = TestEnv::new();
    let context = env.context_of("FROM scratch\nCOPY big /\nADD big.tar /added/\n", &[]);
    let big = std::fs::File::create(context.join("big")).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&big, b"end", SIZE).unwrap();
    let mut tar = tar::Builder::new(std::fs::File::create(context.join("big.tar")).unwrap());
    tar.sparse(false);
    let mut big = std::fs::File::open(context.join("big")).unwrap();
    tar.append_file("big", &mut big).unwrap();
    tar.finish().unwrap();
    let out = env.path("out");
    env.building(["-o"]).arg(&out).arg(&context).run().success();
    for path in ["big", "added/big"] {
        let meta = std::fs::metadata(out.join(path)).unwrap();
        assert_eq!(meta.len(), SIZE + 3);
        assert!(meta.blocks() * 512 < SIZE / 4, "{path}: {} blocks", meta.blocks());
    }
    let used = env
        .tool("du")
        .args(["-s", "--block-size=1"])
        .arg(env.store())
        .run()
        .success();
    let used: u64 = used.out().split_whitespace().next().unwrap().parse().unwrap();
    assert!(used < SIZE / 4, "the store takes {used}");
}
