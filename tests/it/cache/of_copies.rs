//! Keys of copies: every attribute of a file, and the stat memo.

use crate::harness::steps::build;
use crate::harness::{TestEnv, env::is_root};
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;

use super::NONCE;

/// Sets the time of last change in nanoseconds since 1970, of the link itself.
fn set_mtime(path: &Path, nanos: i64) {
    use rustix::fs::{AtFlags, CWD, Timespec, Timestamps, utimensat};
    let time = Timespec {
        tv_sec: nanos / 1_000_000_000,
        tv_nsec: nanos % 1_000_000_000,
    };
    let times = Timestamps {
        last_access: time,
        last_modification: time,
    };
    utimensat(CWD, path, &times, AtFlags::SYMLINK_NOFOLLOW).expect("a time can be set");
}

fn mtime(path: &Path) -> i64 {
    let meta = fs::symlink_metadata(path).expect("the file is there");
    meta.mtime() * 1_000_000_000 + meta.mtime_nsec()
}

/// A year ago: far outside of the clock's granularity, so that the stat memo is in play.
const LONG_AGO: i64 = 1_600_000_000_000_000_000;

/// `dir` with files of all kinds, old enough to be remembered.
fn tree(env: &TestEnv, context: &str) -> std::path::PathBuf {
    let dir = env.context(
        context,
        &[
            ("dir/a", "one"),
            ("dir/b", "two"),
            ("dir/sub/c", "three"),
            ("other", "x"),
        ],
    );
    symlink("a", dir.join("dir/link")).expect("a link can be made");
    fs::set_permissions(dir.join("dir/a"), fs::Permissions::from_mode(0o644)).unwrap();
    for path in [
        "dir/a",
        "dir/b",
        "dir/sub/c",
        "dir/link",
        "dir/sub",
        "dir",
        "other",
    ] {
        set_mtime(&dir.join(path), LONG_AGO);
    }
    dir
}

#[test]
fn every_attribute_of_a_copied_file() {
    let env = TestEnv::new();
    let context = tree(&env, "context");
    env.write(
        "context/Dockerfile",
        format!("FROM busybox:local\nCOPY dir /dir\n{NONCE}\n"),
    );
    let first = build(&env, &context, &[]);
    assert_eq!(first.hits, "mm");

    type Change = (&'static str, &'static str, Box<dyn Fn(&Path)>, Box<dyn Fn(&Path)>);
    let write = |file: &'static str, text: &'static str| -> Box<dyn Fn(&Path)> {
        Box::new(move |dir| fs::write(dir.join(file), text).unwrap())
    };
    let mode = |file: &'static str, mode: u32| -> Box<dyn Fn(&Path)> {
        Box::new(move |dir| fs::set_permissions(dir.join(file), fs::Permissions::from_mode(mode)).unwrap())
    };
    let rename = |from: &'static str, to: &'static str| -> Box<dyn Fn(&Path)> {
        Box::new(move |dir| fs::rename(dir.join(from), dir.join(to)).unwrap())
    };
    let relink = |target: &'static str| -> Box<dyn Fn(&Path)> {
        Box::new(move |dir| {
            fs::remove_file(dir.join("dir/link")).unwrap();
            symlink(target, dir.join("dir/link")).unwrap();
        })
    };
    let touch = |path: &'static str| -> Box<dyn Fn(&Path)> {
        Box::new(move |dir| set_mtime(&dir.join(path), LONG_AGO + 86_400_000_000_000))
    };
    let nothing = || -> Box<dyn Fn(&Path)> { Box::new(|_| {}) };
    let changes: Vec<Change> = vec![
        (
            "content of another size",
            "m",
            write("dir/a", "longer"),
            write("dir/a", "one"),
        ),
        (
            "content of the same size",
            "m",
            write("dir/a", "eno"),
            write("dir/a", "one"),
        ),
        (
            "content of the same size, time put back",
            "m",
            Box::new(|dir: &Path| {
                let file = dir.join("dir/b");
                let before = mtime(&file);
                fs::write(&file, "owt").unwrap();
                set_mtime(&file, before);
            }),
            write("dir/b", "two"),
        ),
        ("mode of a file", "m", mode("dir/a", 0o755), mode("dir/a", 0o644)),
        ("set-id bit", "m", mode("dir/a", 0o4644), mode("dir/a", 0o644)),
        (
            "mode of a directory",
            "m",
            mode("dir/sub", 0o700),
            mode("dir/sub", 0o755),
        ),
        (
            "name of a file",
            "m",
            rename("dir/a", "dir/A"),
            rename("dir/A", "dir/a"),
        ),
        (
            "name of a directory",
            "m",
            rename("dir/sub", "dir/bus"),
            rename("dir/bus", "dir/sub"),
        ),
        ("two names swapped", "m", Box::new(swap), Box::new(swap)),
        ("target of a link", "m", relink("b"), relink("a")),
        (
            "a link in place of an equal file",
            "m",
            Box::new(|dir: &Path| {
                fs::remove_file(dir.join("dir/b")).unwrap();
                fs::write(dir.join("dir/sub/two"), "two").unwrap();
                symlink("sub/two", dir.join("dir/b")).unwrap();
            }),
            Box::new(|dir: &Path| {
                fs::remove_file(dir.join("dir/b")).unwrap();
                fs::remove_file(dir.join("dir/sub/two")).unwrap();
                fs::write(dir.join("dir/b"), "two").unwrap();
            }),
        ),
        (
            "an empty directory more",
            "m",
            Box::new(|dir: &Path| fs::create_dir(dir.join("dir/empty")).unwrap()),
            Box::new(|dir: &Path| fs::remove_dir(dir.join("dir/empty")).unwrap()),
        ),
        (
            "an empty file more",
            "m",
            write("dir/empty", ""),
            Box::new(|dir: &Path| fs::remove_file(dir.join("dir/empty")).unwrap()),
        ),
        (
            "a file less",
            "m",
            Box::new(|dir: &Path| fs::remove_file(dir.join("dir/sub/c")).unwrap()),
            write("dir/sub/c", "three"),
        ),
        ("time of a file", "h", touch("dir/a"), nothing()),
        ("time of a directory", "h", touch("dir/sub"), nothing()),
        ("time of a link", "h", touch("dir/link"), nothing()),
        (
            "a file that is not copied",
            "h",
            write("other", "changed"),
            nothing(),
        ),
        (
            "the same content written anew, another inode",
            "h",
            Box::new(|dir: &Path| {
                fs::remove_file(dir.join("dir/a")).unwrap();
                fs::write(dir.join("dir/a"), "one").unwrap();
            }),
            nothing(),
        ),
        (
            "owner",
            "h",
            Box::new(|dir: &Path| {
                if is_root() {
                    std::os::unix::fs::chown(dir.join("dir/a"), Some(4711), Some(4712)).unwrap();
                }
            }),
            nothing(),
        ),
    ];
    for (what, expected, change, undo) in changes {
        change(&context);
        let changed = build(&env, &context, &[]);
        assert_eq!(changed.hits, expected.repeat(2), "{what}\n{}", changed.outcome);
        assert_eq!(
            changed.image == first.image,
            expected == "h",
            "{what}\n{}",
            changed.outcome
        );
        undo(&context);
        let again = build(&env, &context, &[]);
        assert_eq!(again.hits, "hh", "{what}, undone\n{}", again.outcome);
        assert_eq!(again.image, first.image, "{what}, undone\n{}", again.outcome);
    }
}

fn swap(dir: &Path) {
    let [a, b, c] = ["dir/a", "dir/b", "dir/swap"].map(|name| dir.join(name));
    fs::rename(&a, &c).unwrap();
    fs::rename(&b, &a).unwrap();
    fs::rename(&c, &b).unwrap();
    // The modes were equal, so names and contents alone are swapped.
    for file in [&a, &b] {
        fs::set_permissions(file, fs::Permissions::from_mode(0o644)).unwrap();
    }
}

/// A file that is changed within the same tick of the clock in which it was hashed.
#[test]
fn a_change_right_after_the_build_is_seen() {
    let env = TestEnv::new();
    let context = env.context(
        "context",
        &[("Dockerfile", "FROM busybox:local\nCOPY file /file\n")],
    );
    let file = context.join("file");
    let mut images = std::collections::BTreeSet::new();
    for round in 0..8 {
        // The same size, and the same time by the caller's hand: only ctime, or reading it, can tell.
        fs::write(&file, format!("{round:04}")).unwrap();
        set_mtime(&file, LONG_AGO);
        images.insert(build(&env, &context, &[]).image);
    }
    assert_eq!(images.len(), 8);
}

/// A second change of a page that is mapped and still dirty sets no time, on a disk for half a minute, in memory for ever:
/// what somebody has mapped for writing is read each time, and what nobody has is remembered there too.
#[test]
fn a_change_by_a_mapping_is_seen() {
    const WRITER: &str = "import mmap, os, sys
file = os.open(sys.argv[1], os.O_RDWR)
pages = mmap.mmap(file, 0)
for line in sys.stdin:
    pages[0:1] = line[0:1].encode()
    print(flush=True)
";
    let env = TestEnv::new();
    let memory = tempfile::Builder::new()
        .prefix("rbuild-it-")
        .tempdir_in("/dev/shm")
        .unwrap();
    for (name, dir) in [("disk", env.path("disk")), ("memory", memory.path().to_owned())] {
        fs::create_dir_all(&dir).unwrap();
        fs::write(dir.join("Dockerfile"), "FROM scratch\nCOPY file /file\n").unwrap();
        let file = dir.join("file");
        fs::write(&file, "a".repeat(5000)).unwrap();
        let mut writer = std::process::Command::new("python3")
            .args(["-c", WRITER])
            .arg(&file)
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        let mut write = |text: &str| {
            use std::io::{BufRead, Write};
            writeln!(writer.stdin.as_mut().unwrap(), "{text}").unwrap();
            std::io::BufReader::new(writer.stdout.as_mut().unwrap())
                .read_line(&mut String::new())
                .unwrap();
        };
        write("b");
        let changed = fs::metadata(&file).unwrap().ctime_nsec();
        // Older than the racy window, so that nothing but the mapping speaks against remembering it.
        std::thread::sleep(std::time::Duration::from_millis(2500));
        let first = build(&env, &dir, &[]).image;
        write("c");
        let unnoticed = changed == fs::metadata(&file).unwrap().ctime_nsec();
        let second = build(&env, &dir, &[]);
        assert_ne!(second.image, first, "{name}: an old file for a new one");
        if !unnoticed {
            // The kernel has written the page back in between.
            assert_eq!(name, "disk");
        }
        drop(writer.stdin.take());
        writer.wait().unwrap();
        let learned = memo_of(&env, &dir);
        assert_eq!(learned, None, "{name}");
        // Nobody has it open any more.
        while memo_of(&env, &dir).is_none() {
            let again = build(&env, &dir, &[]);
            assert_eq!((again.hits.as_str(), &again.image), ("h", &second.image));
        }
    }
}

/// The memo of a context, where there is one.
fn memo_of(env: &TestEnv, context: &Path) -> Option<Vec<u8>> {
    let context = context.canonicalize().unwrap();
    let name = crate::harness::archive::sha256(context.as_os_str().as_encoded_bytes());
    fs::read(env.store().join("memo").join(name)).ok()
}

/// What a build learned of the context, the next one uses; and a damaged memo costs time, not truth.
#[test]
fn the_stat_memo_knows_old_files_and_is_not_believed_when_damaged() {
    let env = TestEnv::new();
    let context = env.context(
        "context",
        &[("Dockerfile", "FROM scratch\nCOPY file /file\n"), ("file", "one")],
    );
    let file = context.join("file");
    set_mtime(&file, LONG_AGO);
    let memos = || -> Vec<Vec<u8>> {
        let memos = fs::read_dir(env.store().join("memo")).unwrap();
        memos
            .map(|memo| fs::read(memo.unwrap().path()).unwrap())
            .collect()
    };
    // ctime cannot be set: the file is remembered once it is older than the racy window.
    let first = loop {
        let built = build(&env, &context, &[]);
        if !memos().is_empty() {
            break built;
        }
    };
    let [memo] = memos().try_into().expect("one context has one memo");
    let hash = crate::harness::archive::sha256(b"one");
    let raw: Vec<u8> = (0..32)
        .map(|at| u8::from_str_radix(&hash[at * 2..at * 2 + 2], 16).unwrap())
        .collect();
    assert!(
        memo.windows(32).any(|window| window == raw),
        "the memo knows the file"
    );

    let path = fs::read_dir(env.store().join("memo"))
        .unwrap()
        .next()
        .unwrap()
        .unwrap()
        .path();
    for damage in [
        b"".as_slice(),
        b"rbmemo02",
        b"garbage that is no memo at all",
        &memo[..memo.len() - 1],
    ] {
        fs::write(&path, damage).unwrap();
        let built = build(&env, &context, &[]);
        assert_eq!((built.hits.as_str(), &built.image), ("h", &first.image));
    }
    // A memo that lies about the content, with a wrong checksum.
    let mut lie = memo.clone();
    let at = lie.windows(32).position(|window| window == raw).unwrap();
    lie[at] ^= 1;
    fs::write(&path, &lie).unwrap();
    assert_eq!(build(&env, &context, &[]).hits, "h");
}
