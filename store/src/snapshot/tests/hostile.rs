//! Archives that try to get out. Each is refused or stays inside, and the canary lives.

use std::os::unix::fs::PermissionsExt;

use super::*;

const NOWHERE: &str = "a symbolic link to something that is not in the directory of the archive";

struct Canary {
    fixture: Fixture,
    dir: PathBuf,
}

impl Canary {
    fn new(fixture: Fixture) -> Self {
        let dir = fixture.dir.path().join("canary");
        std::fs::create_dir(&dir).unwrap();
        std::fs::write(dir.join("alive"), "untouched").unwrap();
        // Whatever the umask is.
        std::fs::set_permissions(dir.join("alive"), std::fs::Permissions::from_mode(0o644)).unwrap();
        Canary { fixture, dir }
    }

    /// The way from a snapshot's files in the store to the canary, and farther up than there are directories.
    fn climb(&self) -> Vec<String> {
        let absolute = self.dir.to_str().unwrap().to_owned();
        let deep = format!("{}{}", "../".repeat(30), &absolute[1..]);
        vec![
            "../../../../canary".into(),
            "../../../../../canary".into(),
            absolute,
            deep,
        ]
    }

    fn check(&self) {
        let names: Vec<_> = std::fs::read_dir(&self.dir)
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        assert_eq!(names, ["alive"]);
        assert_eq!(
            std::fs::read_to_string(self.dir.join("alive")).unwrap(),
            "untouched"
        );
        let stat = rustix::fs::lstat(self.dir.join("alive")).unwrap();
        assert_eq!((stat.st_nlink, stat.st_mode & 0o7777), (1, 0o644));
    }

    /// Runs it as a layer and as an added archive; both must leave the canary alone.
    fn try_both(&self, tar: &[u8]) -> [Result<Snapshot, SnapshotError>; 2] {
        let imported = import(&self.fixture, &[tar.to_vec()]);
        self.check();
        let base = self.fixture.layer(None, "etc/passwd=root home/");
        let added = self
            .fixture
            .snapshots
            .begin_layer(Some(&base))
            .and_then(|mut layer| {
                layer.implicit_dirs(meta(0o755));
                layer.archive(
                    tar,
                    "archive",
                    b"home",
                    Limits {
                        entries: 1000,
                        bytes: 1 << 20,
                    },
                )?;
                layer.commit(&now()).map(|committed| committed.snapshot)
            });
        self.check();
        [imported, added]
    }

    fn refused(&self, tar: &[u8], why: &str) {
        for result in self.try_both(tar) {
            let error = result.unwrap_err().to_string();
            assert!(error.contains(why), "{error}");
        }
    }

    /// A link whose target is not in the image: a layer makes that, an archive is refused.
    fn contained_in_image(&self, tar: &[u8]) -> Snapshot {
        let [imported, added] = self.try_both(tar);
        let error = added.unwrap_err().to_string();
        assert!(error.contains(NOWHERE), "{error}");
        let snapshot = imported.unwrap();
        snapshot.verify(&rbuild_layer::Stop::new()).unwrap();
        snapshot
    }

    fn contained(&self, tar: &[u8]) -> [Snapshot; 2] {
        self.try_both(tar).map(|result| {
            let snapshot = result.unwrap();
            snapshot.verify(&rbuild_layer::Stop::new()).unwrap();
            snapshot
        })
    }
}

#[test]
fn names_that_climb_are_refused() {
    let canary = Canary::new(fixture!());
    for climb in canary.climb() {
        if climb.starts_with("..") && climb.len() < 90 {
            let tar = Tar::default().file(&format!("{climb}/evil"), "x").end();
            canary.refused(&tar, "climbs out with `..`");
            let tar = Tar::default()
                .pax(&[("path", format!("a/{climb}/evil").as_bytes())])
                .file("x", "x")
                .end();
            canary.refused(&tar, "climbs out with `..`");
        }
    }
}

#[test]
fn absolute_names_stay_inside() {
    let canary = Canary::new(fixture!());
    let path = canary.dir.join("evil");
    let tar = Tar::default()
        .pax(&[("path", path.to_str().unwrap().as_bytes())])
        .file("x", "x")
        .end();
    let [imported, _] = canary.contained(&tar);
    assert!(imported.fs().join(path.strip_prefix("/").unwrap()).is_file());
}

#[test]
fn links_lead_nowhere_outside() {
    let canary = Canary::new(fixture!());
    for climb in canary.climb() {
        // Kept as they are, and followed inside only.
        let link = |name: &str| {
            Tar::default()
                .pax(&[("linkpath", climb.as_bytes())])
                .symlink(name, "x")
        };
        let tar = link("out")
            .file("out/evil", "x")
            .dir("out/dir")
            .symlink("out/link", "x")
            .end();
        let imported = canary.contained_in_image(&tar);
        let target = std::fs::read_link(imported.fs().join("out")).unwrap();
        assert_eq!(target.to_str().unwrap(), climb);
        // A file in a link's place replaces the link.
        canary.contained(&link("out").file("out", "x").end());
        // Two steps.
        let tar = link("a").symlink("b", "a").file("b/evil", "x").end();
        canary.contained_in_image(&tar);
        // A directory in a link's place.
        canary.contained(&link("out").dir("out/").file("out/evil", "x").end());
    }
}

#[test]
fn hard_links_reach_nothing_outside() {
    let canary = Canary::new(fixture!());
    for climb in canary.climb() {
        let target = format!("{climb}/alive");
        let tar = Tar::default()
            .pax(&[("linkpath", target.as_bytes())])
            .hardlink("evil", "x")
            .end();
        canary.refused(&tar, "is a hard link to");
        // Through a symbolic link.
        let tar = Tar::default()
            .pax(&[("linkpath", climb.as_bytes())])
            .symlink("out", "x")
            .hardlink("evil", "out/alive")
            .file("evil", "overwritten")
            .end();
        let [imported, added] = canary.try_both(&tar);
        assert!(imported.unwrap_err().to_string().contains("is a hard link to"));
        assert!(added.unwrap_err().to_string().contains(NOWHERE));
        // To the symbolic link itself, which is not followed.
        let tar = Tar::default()
            .pax(&[("linkpath", target.as_bytes())])
            .symlink("out", "x")
            .hardlink("second", "out")
            .raw(b"second", b'0', b"", b"overwritten")
            .end();
        canary.contained(&tar);
    }
    canary.refused(
        &Tar::default().dir("d/").hardlink("l", "d").end(),
        "cannot be linked",
    );
    canary.refused(
        &Tar::default().hardlink("l", "l").end(),
        "is a hard link to something that is not there",
    );
}

#[test]
fn whiteouts_reach_nothing_outside() {
    let canary = Canary::new(fixture!());
    let absolute = canary.dir.to_str().unwrap();
    let tar = Tar::default()
        .pax(&[("linkpath", absolute.as_bytes())])
        .symlink("out", "x")
        .file("out/.wh.alive", "")
        .file("out/.wh..wh..opq", "")
        .file(".wh.out", "")
        .end();
    import(&canary.fixture, &[tar]).unwrap();
    canary.check();
    for name in [".wh.", ".wh...", ".wh.."] {
        let tar = Tar::default().file(name, "").end();
        assert!(import(&canary.fixture, &[tar]).is_err(), "{name}");
    }
    let climbing = Tar::default().file("d/../../.wh.x", "").end();
    canary.refused(&climbing, "climbs out");
}

#[test]
fn links_in_a_circle_end() {
    let canary = Canary::new(fixture!());
    let tar = Tar::default()
        .symlink("a", "b")
        .symlink("b", "a")
        .file("a/x", "")
        .end();
    canary.refused(&tar, "goes through too many symbolic links");
}

#[test]
fn a_file_is_no_directory() {
    let canary = Canary::new(fixture!());
    canary.refused(
        &Tar::default().file("f", "1").file("f/x", "2").end(),
        "is no directory",
    );
    canary.refused(
        &Tar::default().raw(b"p", b'6', b"", b"").file("p/x", "2").end(),
        "is no directory",
    );
    // What stands for the root itself is left out of an archive, whatever it is; a layer cannot have it.
    let [imported, added] = canary.try_both(&Tar::default().file("./", "1").end());
    assert!(imported.unwrap_err().to_string().contains("must be a directory"));
    assert!(added.is_ok());
}

#[test]
fn twice_the_same_name_is_the_last() {
    let canary = Canary::new(fixture!());
    let tar = Tar::default()
        .file("x", "first")
        .hardlink("y", "x")
        .file("x", "second")
        .dir("d/")
        .file("d/f", "")
        .symlink("d", "x")
        .dir("e/")
        .dir("e/")
        .end();
    let [imported, _] = canary.contained(&tar);
    assert_eq!(shown(&imported), "d>x e/ x=second y=first");
}

#[test]
fn device_nodes_are_recorded_and_never_whiteouts() {
    let canary = Canary::new(fixture!());
    let device = |name: &[u8], major: u32, minor: u32| {
        let mut header = tar::Header::new_ustar();
        header.as_old_mut().name[..name.len()].copy_from_slice(name);
        header.set_entry_type(tar::EntryType::Char);
        header.set_mode(0o666);
        header.set_uid(u64::from(meta(0).uid));
        header.set_gid(u64::from(meta(0).gid));
        header.set_mtime(1);
        header.set_size(0);
        header.set_device_major(major).unwrap();
        header.set_device_minor(minor).unwrap();
        header.set_cksum();
        let mut bytes = header.as_bytes().to_vec();
        bytes.resize(bytes.len() + 1024, 0);
        bytes
    };
    let [imported, _] = canary.contained(&device(b"null", 1, 3));
    let kind = imported.listing().unwrap().get(b"null").unwrap().kind.clone();
    assert_eq!(
        kind,
        rbuild_layer::listing::EntryKind::CharDevice {
            rdev: rustix::fs::makedev(1, 3)
        }
    );
    assert!(import(&canary.fixture, &[device(b"zero", 0, 0)]).is_err());
}

#[test]
fn what_cannot_be_represented_is_refused() {
    let canary = Canary::new(fixture!());
    canary.refused(
        &Tar::default().raw(b"s", b'S', b"", b"data").end(),
        "a map of a sparse file",
    );
    canary.refused(
        &Tar::default().raw(b"v", b'V', b"", b"").end(),
        "has a type that is not supported",
    );
    let sparse: &[(&str, &[u8])] = &[("GNU.sparse.major", b"1"), ("GNU.sparse.realsize", b"9")];
    canary.refused(
        &Tar::default().pax(sparse).file("f", "x").end(),
        "a map of a sparse file",
    );
    // A hole costs an archive nothing: it counts as what it unpacks to.
    let huge: &[(&str, &[u8])] = &[("GNU.sparse.map", b"0,1"), ("GNU.sparse.size", b"1000000000")];
    let [_, added] = canary.try_both(&Tar::default().pax(huge).file("f", "x").end());
    assert!(added.unwrap_err().to_string().contains("is larger than allowed"));
    canary.refused(
        &Tar::default().pax(&[("uid", b"4294967295")]).file("f", "x").end(),
        "has an owner that is no id",
    );
    canary.refused(
        &Tar::default().pax(&[("uid", b"-1")]).file("f", "x").end(),
        "pax records are malformed",
    );
    canary.refused(
        &Tar::default().pax(&[("path", b"a\0b")]).file("f", "x").end(),
        "NUL",
    );
    let long = vec![b'x'; 300];
    canary.refused(
        &Tar::default().pax(&[("path", &long)]).file("f", "x").end(),
        "has too long a name",
    );
    let deep = [&b"d/"[..]; 2500].concat();
    canary.refused(
        &Tar::default().pax(&[("path", &deep)]).file("f", "x").end(),
        "has too long a path",
    );
    let huge: &[(&str, &[u8])] = &[("size", b"18446744073709551615")];
    assert!(
        canary
            .try_both(&Tar::default().pax(huge).file("f", "x").end())
            .iter()
            .all(Result::is_err)
    );
}

#[test]
fn bombs_stop_at_the_limits() {
    let canary = Canary::new(fixture!());
    let mut tar = Tar::default();
    for at in 0..10_100 {
        tar = tar.file(&format!("f{at}"), "");
    }
    canary.refused(&tar.end(), "than allowed");
    // 64 MiB of zeros in 64 KiB.
    let zeros = vec![0u8; 1 << 26];
    let mut gzip = rbuild_layer::GzipWriter::new(Vec::new(), 9);
    gzip.write_all(&Tar::default().raw(b"zeros", b'0', b"", &zeros).end())
        .unwrap();
    let bomb = gzip.finish().unwrap();
    canary.refused(&bomb, "is larger than allowed");
    assert_eq!(canary.fixture.left_in_tmp(), 0);
}

/// Cuts and flips a real archive everywhere: always an answer, never a panic, never a touched canary.
#[test]
fn damaged_archives_never_panic() {
    let canary = Canary::new(fixture!());
    let tar = Tar::default()
        .pax(&[("path", b"dir/long"), ("SCHILY.xattr.user.x", b"1")])
        .file("short", "content")
        .symlink("dir/link", "../../../canary")
        .hardlink("dir/hard", "dir/long")
        .file("dir/.wh.gone", "")
        .end();
    let mut state = 7u64;
    for at in 0..400 {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1);
        let mut damaged = tar.clone();
        let place = (state >> 33) as usize % damaged.len();
        if at % 4 == 0 {
            damaged.truncate(place);
        } else {
            damaged[place] ^= (state >> 20) as u8 | 1;
            let block = place / 512 * 512;
            // Half of them with a checksum that is right again.
            if at % 2 == 0 {
                let mut header = tar::Header::new_old();
                header
                    .as_mut_bytes()
                    .copy_from_slice(&damaged[block..block + 512]);
                header.set_cksum();
                damaged[block..block + 512].copy_from_slice(header.as_bytes());
            }
        }
        let _ = import(&canary.fixture, &[damaged]);
    }
    canary.check();
}
