//! A root full of traps: whatever is asked, by either resolver, nothing outside is seen or touched.

#![allow(clippy::unwrap_used)]

use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::PathBuf;

use rbuild_rootdir::{Errno, Kind, LastLink, Resolver, Root, Timestamp};

struct Traps {
    dir: tempfile::TempDir,
}

impl Traps {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("root");
        fs::create_dir_all(root.join("usr/lib")).unwrap();
        fs::create_dir_all(root.join("etc")).unwrap();
        fs::write(root.join("etc/passwd"), "inside").unwrap();
        fs::write(root.join("usr/lib/x.so"), "so").unwrap();
        fs::create_dir(dir.path().join("outside")).unwrap();
        fs::write(dir.path().join("outside/canary"), "alive").unwrap();
        let outside = dir.path().join("outside");
        symlink("usr/lib", root.join("lib")).unwrap();
        symlink("/usr/lib", root.join("abs")).unwrap();
        symlink("../../../../../../..", root.join("up")).unwrap();
        symlink("../outside", root.join("beside")).unwrap();
        symlink(&outside, root.join("out")).unwrap();
        symlink("/etc/passwd", root.join("shadow")).unwrap();
        symlink("loop", root.join("loop")).unwrap();
        symlink("/proc/self/root", root.join("magic")).unwrap();
        symlink("nowhere", root.join("dangling")).unwrap();
        symlink("abs/", root.join("slash")).unwrap();
        for at in 0..60 {
            symlink(format!("chain{}", at + 1), root.join(format!("chain{at}"))).unwrap();
        }
        fs::write(root.join("chain60"), "end").unwrap();
        Traps { dir }
    }

    fn roots(&self) -> [Root; 2] {
        [Resolver::Openat2, Resolver::Walk].map(|resolver| {
            Root::open(self.dir.path().join("root"))
                .unwrap()
                .with_resolver(resolver)
        })
    }

    fn path(&self, path: &str) -> PathBuf {
        self.dir.path().join(path)
    }

    fn check(&self) {
        let canary = self.path("outside/canary");
        assert_eq!(fs::read_to_string(&canary).unwrap(), "alive");
        let meta = fs::metadata(&canary).unwrap();
        assert_eq!((meta.nlink(), meta.permissions().mode() & 0o777), (1, 0o644));
        assert_eq!(fs::read_dir(self.path("outside")).unwrap().count(), 1);
        assert!(!self.path("evil").exists());
    }
}

fn read(root: &Root, path: &str) -> Result<String, Errno> {
    let mut text = String::new();
    root.open_file_in_root(path.as_bytes())
        .map_err(|e| e.errno)?
        .read_to_string(&mut text)
        .unwrap();
    Ok(text)
}

#[test]
fn links_are_followed_inside_the_root() {
    let traps = Traps::new();
    for root in traps.roots() {
        for (path, content) in [
            ("etc/passwd", "inside"),
            ("/etc/passwd", "inside"),
            ("shadow", "inside"),
            ("lib/x.so", "so"),
            ("abs/x.so", "so"),
            ("slash/x.so", "so"),
            ("up/etc/passwd", "inside"),
            ("up/up/shadow", "inside"),
            ("../../etc/passwd", "inside"),
            ("lib/../lib/x.so", "so"),
            ("usr/lib/../../etc/./passwd", "inside"),
            ("chain30", "end"),
        ] {
            assert_eq!(read(&root, path), Ok(content.into()), "{path} by {root:?}");
        }
        for path in [
            "beside/canary",
            "out/canary",
            "../outside/canary",
            "up/outside/canary",
            "dangling",
            "",
        ] {
            assert!(read(&root, path).is_err(), "{path} by {root:?}");
        }
        assert_eq!(read(&root, "loop"), Err(Errno::LOOP));
        assert_eq!(read(&root, "chain0"), Err(Errno::LOOP));
        assert_eq!(read(&root, "etc"), Err(Errno::INVAL));
        assert_eq!(read(&root, "etc/passwd/"), Err(Errno::NOTDIR));
        assert_eq!(read(&root, "etc/passwd/x"), Err(Errno::NOTDIR));
        assert_eq!(read(&root, "etc\0/passwd"), Err(Errno::INVAL));
        assert!(read(&root, "magic/etc/hostname").is_err());
    }
    traps.check();
}

#[test]
fn both_resolvers_agree_on_everything() {
    let traps = Traps::new();
    let [kernel, walk] = traps.roots();
    let names = [
        "", "etc", "passwd", "lib", "abs", "up", "beside", "out", "..", ".", "loop", "dangling", "slash",
        "x.so",
    ];
    for one in names {
        for two in names {
            for three in ["", "/", "/x.so", "/..", "/passwd", "/."] {
                let path = format!("{one}/{two}{three}");
                for last in [LastLink::Follow, LastLink::Keep] {
                    let answer = |root: &Root| {
                        root.resolve_in_root(path.as_bytes(), last)
                            .and_then(rbuild_rootdir::fstat)
                            .map(|stat| (stat.dev, stat.ino))
                            .map_err(|e| e.errno)
                    };
                    assert_eq!(answer(&kernel), answer(&walk), "{path} {last:?}");
                }
            }
        }
    }
}

#[test]
fn writing_follows_no_link() {
    let traps = Traps::new();
    for root in traps.roots() {
        for dir in ["out", "beside", "up", "up/outside", "magic", "lib", "abs"] {
            let path = format!("{dir}/evil");
            let path = path.as_bytes();
            assert!(root.create_file(path).is_err(), "{dir}");
            assert!(root.mkdir(path).is_err(), "{dir}");
            assert!(root.symlink(path, b"x").is_err(), "{dir}");
            assert!(root.mknod(path, Kind::Fifo, 0).is_err(), "{dir}");
            assert!(root.link(path, b"etc/passwd").is_err(), "{dir}");
            assert!(root.rename(b"etc/passwd", path).is_err(), "{dir}");
            assert!(root.create_dir_all(path).is_err(), "{dir}");
            let canary = format!("{dir}/canary");
            let canary = canary.as_bytes();
            assert!(root.unlink(canary).is_err(), "{dir}");
            assert!(root.link(b"stolen", canary).is_err(), "{dir}");
            assert!(root.chmod(canary, 0).is_err(), "{dir}");
            assert!(root.set_mtime(canary, Timestamp::default()).is_err(), "{dir}");
            assert!(root.set_xattr(canary, b"user.x", b"x").is_err(), "{dir}");
            assert!(root.open_file(canary).is_err(), "{dir}");
            assert!(root.open_dir(dir.as_bytes()).is_err(), "{dir}");
            let _ = root.remove_tree(canary);
        }
        for path in ["../evil", "a/../../evil", "..", "", "/", "etc/..", "x\0y"] {
            assert!(root.create_file(path.as_bytes()).is_err(), "{path}");
            assert!(root.mkdir(path.as_bytes()).is_err(), "{path}");
            assert!(root.remove_tree(path.as_bytes()).is_err(), "{path}");
        }
        // A link in the last place is itself the object.
        assert_eq!(root.lstat(b"out").unwrap().kind, Kind::Symlink);
        assert_eq!(root.create_file(b"dangling").unwrap_err().errno, Errno::EXIST);
        assert!(root.chmod(b"out", 0o777).is_err());
        root.set_mtime(b"out", Timestamp { secs: 5, nanos: 6 }).unwrap();
        assert_eq!(root.lstat(b"out").unwrap().mtime, Timestamp { secs: 5, nanos: 6 });
        traps.check();
    }
}

#[test]
fn removing_a_tree_leaves_what_links_point_to() {
    let traps = Traps::new();
    let [root, _] = traps.roots();
    fs::create_dir_all(traps.path("root/doomed/deep/er")).unwrap();
    symlink(traps.path("outside"), traps.path("root/doomed/deep/link")).unwrap();
    fs::set_permissions(
        traps.path("root/doomed/deep/er"),
        fs::Permissions::from_mode(0o000),
    )
    .unwrap();
    fs::set_permissions(traps.path("root/doomed/deep"), fs::Permissions::from_mode(0o500)).unwrap();
    root.remove_tree(b"doomed").unwrap();
    root.remove_tree(b"out").unwrap();
    root.remove_tree(b"never/was").unwrap();
    assert!(!traps.path("root/doomed").exists() && !traps.path("root/out").exists());
    traps.check();
}

#[test]
fn special_files_are_not_opened() {
    let traps = Traps::new();
    for root in traps.roots() {
        let _ = root.unlink(b"pipe");
        root.mknod(b"pipe", Kind::Fifo, 0).unwrap();
        // Would block for ever if it were opened.
        assert_eq!(read(&root, "pipe"), Err(Errno::INVAL));
        assert_eq!(root.open_file(b"pipe").unwrap_err().errno, Errno::INVAL);
        assert_eq!(root.open_file(b"etc").unwrap_err().errno, Errno::INVAL);
    }
}

#[test]
fn whatever_is_renamed_meanwhile_nothing_outside_is_read() {
    let traps = Traps::new();
    fs::create_dir(traps.path("root/dir")).unwrap();
    fs::write(traps.path("root/dir/canary"), "inside").unwrap();
    symlink(traps.path("outside"), traps.path("root/trap")).unwrap();
    let stop = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let [dir, trap, spare] = ["root/dir", "root/trap", "root/spare"].map(|path| traps.path(path));
            while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                fs::rename(&dir, &spare).unwrap();
                fs::rename(&trap, &dir).unwrap();
                fs::rename(&dir, &trap).unwrap();
                fs::rename(&spare, &dir).unwrap();
            }
        });
        for root in traps.roots() {
            let mut seen = 0;
            for at in 0..20_000 {
                if let Ok(text) = read(&root, "dir/canary") {
                    assert_eq!(text, "inside");
                    seen += 1;
                }
                if let Ok(mut file) = root.open_file(b"dir/canary") {
                    let mut text = String::new();
                    file.read_to_string(&mut text).unwrap();
                    assert_eq!(text, "inside");
                }
                if let Ok(mut file) = root.create_file(format!("dir/new{at}").as_bytes()) {
                    file.write_all(b"x").unwrap();
                }
            }
            assert!(seen > 0);
        }
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
    });
    traps.check();
}

#[test]
fn metadata_by_path() {
    let traps = Traps::new();
    for root in traps.roots() {
        let _ = root.remove_tree(b"d");
        root.create_dir_all(b"d/e").unwrap();
        let mut file = root.create_file(b"d/e/f").unwrap();
        file.write_all(b"12345").unwrap();
        root.chmod(b"d/e/f", 0o4750).unwrap();
        let time = Timestamp {
            secs: -7,
            nanos: 999_999_999,
        };
        root.set_mtime(b"d/e/f", time).unwrap();
        root.set_xattr(b"d/e/f", b"user.a", b"1\n2").unwrap();
        let stat = root.lstat(b"d/e/f").unwrap();
        assert_eq!(
            (stat.kind, stat.mode, stat.size, stat.mtime),
            (Kind::File, 0o4750, 5, time)
        );
        assert_eq!(root.list_xattrs(b"d/e/f").unwrap(), [b"user.a"]);
        assert_eq!(
            root.get_xattr(b"d/e/f", b"user.a").unwrap().as_deref(),
            Some(&b"1\n2"[..])
        );
        assert_eq!(root.get_xattr(b"d/e/f", b"user.b").unwrap(), None);
        root.link(b"d/second", b"d/e/f").unwrap();
        assert_eq!(root.lstat(b"d/second").unwrap().nlink, 2);
        root.symlink(b"d/l", b"any\xfftext").unwrap();
        assert_eq!(root.readlink(b"d/l").unwrap(), b"any\xfftext");
        let names: Vec<_> = root
            .read_dir(b"d")
            .unwrap()
            .into_iter()
            .map(|entry| entry.name)
            .collect();
        assert_eq!(names, [&b"e"[..], b"l", b"second"]);
        root.rename(b"d/e/f", b"d/g").unwrap();
        root.rmdir(b"d/e").unwrap();
        assert_eq!(root.lstat(b"d/e/f").unwrap_err().errno, Errno::NOENT);
        assert!(
            root.chown(b"d/g", u32::MAX, 0).is_err(),
            "that would mean: leave it"
        );
    }
}
