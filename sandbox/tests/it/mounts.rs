//! Roots and mounts.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use rbuild_sandbox::{Blob, Credentials, Mount, MountFlags, MountKind, Root};

use crate::support::{Place, Who, copy, everybody, owner, upper};

pub fn bind(source: &Path, target: &str, flags: MountFlags) -> Mount {
    let source = source.to_owned();
    Mount {
        target: target.into(),
        kind: MountKind::Bind {
            source,
            source_root: None,
            recursive: false,
            lent: false,
            flags,
        },
    }
}

fn target_directory(place: &Place, name: &str) {
    fs::create_dir_all(place.path("base").join(name)).unwrap();
    place.give(&place.path("base"));
}

fn target_file(place: &Place, name: &str) {
    let path = place.path("base").join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, "").unwrap();
    place.give(&place.path("base"));
}

#[test]
fn changes_land_in_the_upper_directory_with_their_owners() {
    for who in everybody() {
        let place = Place::new(who);
        let spec =
            place.shell("echo new > /tmp/new; chown 1000:1000 /tmp/new; rm /etc/hostname; chmod 700 /work");
        place.run(&spec).succeeded();
        let upper = upper(&spec);
        assert_eq!(fs::read_to_string(upper.join("tmp/new")).unwrap(), "new\n");
        let whiteout = fs::symlink_metadata(upper.join("etc/hostname")).unwrap();
        assert_eq!(
            std::os::unix::fs::MetadataExt::rdev(&whiteout),
            0,
            "a whiteout is a device 0:0"
        );
        if who == Who::Root {
            assert_eq!(owner(&upper.join("tmp/new")), (1000, 1000));
        } else {
            assert!(owner(&upper.join("tmp/new")).0 >= 100_000, "a subordinate id");
        }
        let mut names: Vec<_> = fs::read_dir(upper)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        assert_eq!(names, ["etc", "tmp", "work"], "setting up left traces");
        assert!(place.path("base/etc/hostname").exists());
    }
}

#[test]
fn three_hundred_layers_work_and_the_top_one_wins() {
    for who in everybody() {
        let place = Place::new(who);
        let mut lowers = Vec::new();
        for number in 0..300 {
            // A long name: as text, these would be far beyond the 4 KiB of mount(2).
            let name = format!("many/{number}-{}", "x".repeat(60));
            place.make_file(&format!("{name}/which"), &number.to_string());
            lowers.push(place.path(&name));
        }
        lowers.push(place.path("base"));
        let mut spec = place.shell("cat /which");
        let Root::Overlay { lowers: old, .. } = &mut spec.root else {
            unreachable!()
        };
        *old = lowers.clone();
        assert_eq!(place.run(&spec).succeeded().stdout, "0", "{who:?}");
        spec.root = Root::ReadOnlyOverlay { lowers };
        assert_eq!(place.run(&spec).succeeded().stdout, "0", "{who:?}");
    }
}

#[test]
fn odd_names_of_layers_need_no_escaping() {
    for who in everybody() {
        let place = Place::new(who);
        let name = format!("odd/a:b,c\\d e\"{}", "long".repeat(50));
        let mut spec = place.shell("cat /f; echo x > /g");
        place.make_file(&format!("{name}/lower/f"), "found");
        let Root::Overlay {
            lowers, upper, work, ..
        } = &mut spec.root
        else {
            unreachable!()
        };
        lowers.insert(0, place.path(&format!("{name}/lower")));
        *upper = place.make_directory(&format!("{name}/upper,x:y"));
        *work = place.make_directory(&format!("{name}/work"));
        place.give(&place.path("odd"));
        assert_eq!(place.run(&spec).succeeded().stdout, "found");
        assert!(place.path(&format!("{name}/upper,x:y/g")).exists());
    }
}

#[test]
fn a_missing_layer_is_named() {
    for who in everybody() {
        let place = Place::new(who);
        let mut spec = place.spec(&["true"]);
        let Root::Overlay { lowers, .. } = &mut spec.root else {
            unreachable!()
        };
        lowers.push("/nowhere/layer".into());
        place.run(&spec).failed_at("Root", "/nowhere/layer: No such file");
    }
}

#[test]
fn read_only_roots_cannot_be_written() {
    for who in everybody() {
        let place = Place::new(who);
        let script = "echo x > /tmp/x 2>/dev/null && echo wrote; echo ok > /dev/shm/x && cat /dev/shm/x";
        let base = place.path("base");
        for root in [
            Root::ReadOnlyOverlay {
                lowers: vec![base.clone()],
            },
            Root::ReadOnlyOverlay {
                lowers: vec![base.clone(), place.make_directory("second")],
            },
        ] {
            let mut spec = place.shell(script);
            spec.root = root;
            assert_eq!(place.run(&spec).succeeded().stdout, "ok\n", "{who:?}");
        }
        for directory in [true, false] {
            let mut spec = place.shell(script);
            if directory {
                spec.root = Root::Directory(base.clone());
            }
            spec.read_only = true;
            assert_eq!(place.run(&spec).succeeded().stdout, "ok\n", "{who:?}");
        }
    }
}

#[test]
fn a_directory_can_be_the_root() {
    for who in everybody() {
        let place = Place::new(who);
        let mut spec = place.shell("echo here > /tmp/kept");
        spec.root = Root::Directory(place.path("base"));
        place.run(&spec).succeeded();
        assert_eq!(fs::read_to_string(place.path("base/tmp/kept")).unwrap(), "here\n");
    }
}

#[test]
fn binds_have_their_flags() {
    for who in everybody() {
        let place = Place::new(who);
        place.make_file("shared/file", "from the host");
        target_directory(&place, "mnt");
        let read_only = MountFlags {
            read_only: true,
            nosuid: true,
            nodev: true,
            noexec: true,
        };
        let mut spec = place.shell(
            "cat /mnt/file; echo x > /mnt/new 2>/dev/null && echo wrote; cp /bin/busybox /mnt/tool 2>/dev/null; \
             grep ' /mnt ' /proc/self/mounts 2>/dev/null || /bin/busybox grep ' /mnt ' /proc/self/mounts",
        );
        spec.mounts = vec![bind(&place.path("shared"), "/mnt", read_only)];
        let outcome = place.run(&spec).succeeded();
        assert!(outcome.stdout.starts_with("from the host/dev/"), "{outcome:?}");
        assert!(outcome.stdout.contains("ro,nosuid,nodev,noexec"), "{outcome:?}");
        let mut spec = place.shell("echo x > /mnt/new");
        spec.mounts = vec![bind(&place.path("shared"), "/mnt", MountFlags::default())];
        place.run(&spec).succeeded();
        assert!(place.path("shared/new").exists());
    }
}

#[test]
fn writes_of_an_overlay_bind_stay_off_its_source() {
    for who in everybody() {
        let place = Place::new(who);
        place.make_file("shared/file", "original");
        target_directory(&place, "mnt");
        let (upper, work) = place.layer();
        let mut spec = place.shell("echo changed > /mnt/file; echo new > /mnt/new; cat /mnt/file /mnt/new");
        spec.mounts = vec![Mount {
            target: "/mnt".into(),
            kind: MountKind::OverlayBind {
                lowers: vec![place.path("shared")],
                upper,
                work,
                flags: MountFlags::default(),
            },
        }];
        assert_eq!(place.run(&spec).succeeded().stdout, "changed\nnew\n", "{who:?}");
        assert_eq!(fs::read_to_string(place.path("shared/file")).unwrap(), "original");
        assert!(!place.path("shared/new").exists());
    }
}

#[test]
fn tmpfs_has_its_size_and_mode() {
    for who in everybody() {
        let place = Place::new(who);
        let mut spec = place.shell(
            "stat -c %a /work; dd if=/dev/zero of=/work/big bs=4096 count=4 2>/dev/null && echo fits; \
             dd if=/dev/zero of=/work/big bs=4096 count=64 2>/dev/null || echo full",
        );
        let flags = MountFlags {
            nosuid: true,
            nodev: true,
            noexec: true,
            read_only: false,
        };
        spec.mounts = vec![Mount {
            target: "/work".into(),
            kind: MountKind::Tmpfs {
                size: Some(65_536),
                mode: 0o1770,
                flags,
            },
        }];
        assert_eq!(place.run(&spec).succeeded().stdout, "1770\nfits\nfull\n");
        assert!(!upper(&spec).join("work").exists(), "the mount point was touched");
    }
}

#[test]
fn secrets_are_read_only_owned_and_leave_no_trace() {
    const CANARY: &str = "canary-5f1c";
    for who in everybody() {
        let place = Place::new(who);
        target_file(&place, "run/secrets/token");
        let mut spec = place.shell(
            "cat /run/secrets/token; stat -c ' %a %u %g' /run/secrets/token; \
             echo x > /run/secrets/token 2>/dev/null && echo wrote; chmod 777 /run/secrets/token 2>/dev/null && echo changed; \
             true",
        );
        spec.user = Credentials {
            uid: 1000,
            gid: 1000,
            groups: vec![],
        };
        spec.mounts = vec![Mount {
            target: "/run/secrets/token".into(),
            kind: MountKind::SecretFile {
                bytes: Blob::from(CANARY),
                mode: 0o400,
                uid: 1000,
                gid: 1001,
            },
        }];
        let outcome = place.run(&spec).succeeded();
        assert_eq!(outcome.stdout, format!("{CANARY} 400 1000 1001\n"), "{who:?}");
        let found = std::process::Command::new("grep")
            .args(["-rl", CANARY])
            .arg(place.path(""))
            .output()
            .unwrap();
        assert!(
            found.stdout.is_empty(),
            "{}",
            String::from_utf8_lossy(&found.stdout)
        );
        assert!(!serde_json::to_string(&spec).unwrap().contains(CANARY));
    }
}

#[test]
fn generated_files_are_in_place_and_not_in_the_layer() {
    for who in everybody() {
        let place = Place::new(who);
        let mut spec = place.shell(
            "cat /etc/hosts /etc/resolv.conf /etc/hostname; stat -c '%a %u' /etc/hosts; \
             echo x >> /etc/hosts 2>/dev/null && echo wrote; rm /etc/hosts 2>/dev/null && echo removed; true",
        );
        spec.mounts = [
            ("/etc/hosts", "h\n"),
            ("/etc/resolv.conf", "r\n"),
            ("/etc/hostname", "n\n"),
        ]
        .map(|(target, content)| Mount {
            target: target.into(),
            kind: MountKind::ReadOnlyFile {
                content: Blob::from(content),
            },
        })
        .to_vec();
        assert_eq!(place.run(&spec).succeeded().stdout, "h\nr\nn\n644 0\n", "{who:?}");
        assert_eq!(fs::read_dir(upper(&spec)).unwrap().count(), 0);
    }
}

#[test]
fn later_mounts_lie_on_earlier_ones() {
    for who in everybody() {
        let place = Place::new(who);
        place.make_file("outer/inner/file", "outer");
        place.make_file("other/file", "inner");
        target_directory(&place, "mnt");
        let mut spec = place.shell("cat /mnt/inner/file");
        spec.mounts = vec![
            bind(&place.path("outer"), "/mnt", MountFlags::default()),
            bind(&place.path("other"), "/mnt/inner", MountFlags::default()),
        ];
        assert_eq!(place.run(&spec).succeeded().stdout, "inner");
    }
}

#[test]
fn a_recursive_bind_brings_what_is_beneath() {
    for who in everybody() {
        let place = Place::new(who);
        target_directory(&place, "mnt");
        let new = || place.shell("ls /mnt/shm >/dev/null && [ -c /mnt/null ] && echo there");
        let mut spec = new();
        let kind = |recursive| MountKind::Bind {
            source: "/dev".into(),
            source_root: None,
            recursive,
            lent: false,
            flags: MountFlags {
                read_only: true,
                ..MountFlags::default()
            },
        };
        spec.mounts = vec![Mount {
            target: "/mnt".into(),
            kind: kind(true),
        }];
        assert_eq!(place.run(&spec).succeeded().stdout, "there\n", "{who:?}");
        let mut spec = new();
        spec.mounts = vec![Mount {
            target: "/mnt".into(),
            kind: kind(false),
        }];
        place.run(&spec).failed_at("Mounts", "has mounts beneath it");
    }
}

#[test]
fn faults_of_mounts_are_told_by_path() {
    for who in everybody() {
        let place = Place::new(who);
        let file = place.make_file("shared/file", "x");
        let directory = place.path("shared");
        symlink("tmp", place.path("base/link")).unwrap();
        place.give(&place.path("base"));
        let flags = MountFlags::default();
        for (mount, words) in [
            (
                bind(&directory, "/absent", flags),
                "/absent: the mount target does not exist",
            ),
            (
                bind(&directory, "/etc/hosts", flags),
                "/etc/hosts: a directory cannot be mounted on a file",
            ),
            (
                bind(&file, "/tmp", flags),
                "/tmp: a file cannot be mounted on a directory",
            ),
            (
                bind(Path::new("/nowhere"), "/tmp", flags),
                "/nowhere: the mount source does not exist",
            ),
            (
                bind(&directory, "/link", flags),
                "/link: a component of the mount target is a symlink",
            ),
        ] {
            let mut spec = place.spec(&["true"]);
            spec.mounts = vec![mount];
            let outcome = place.run(&spec);
            outcome.failed_at("Mounts", words);
            assert_eq!(outcome.docker_code, Some(125));
        }
    }
}

#[test]
fn the_whole_host_can_be_bound_without_what_the_sandbox_prepares() {
    for who in everybody() {
        let place = Place::new(who);
        target_directory(&place, "mnt");
        target_file(&place, "run/secrets/token");
        let mut spec =
            place.shell("ls /mnt; ls /mnt/root /mnt/file-0 /mnt/file-1 2>/dev/null; cat /run/secrets/token");
        spec.mounts = vec![
            Mount {
                target: "/run/secrets/token".into(),
                kind: MountKind::SecretFile {
                    bytes: Blob::from("secret"),
                    mode: 0o400,
                    uid: 0,
                    gid: 0,
                },
            },
            Mount {
                target: "/mnt".into(),
                kind: MountKind::Bind {
                    source: "/".into(),
                    source_root: None,
                    recursive: true,
                    lent: false,
                    flags: MountFlags {
                        read_only: true,
                        ..MountFlags::default()
                    },
                },
            },
        ];
        let shown = place.run(&spec).succeeded().stdout;
        assert!(
            shown.contains("usr\n") && !shown.contains("file-0"),
            "{who:?} {shown}"
        );
    }
}

#[test]
fn three_directories_are_all_that_a_root_needs() {
    for who in everybody() {
        let place = Place::new(who);
        let bare = place.make_directory("bare");
        for path in ["dev", "proc", "sys"] {
            fs::create_dir_all(bare.join(path)).unwrap();
        }
        copy(&place.path("base/bin/inside"), &bare.join("inside"));
        place.give(&bare);
        let mut spec = place.spec(&["/inside"]);
        spec.root = Root::ReadOnlyOverlay { lowers: vec![bare] };
        place.run(&spec).succeeded();
    }
}

#[test]
fn mount_points_are_made_in_memory_of_the_sandbox_and_nowhere_else() {
    for who in everybody() {
        let place = Place::new(who);
        place.make_file("shared/file", "x");
        let directory = place.path("shared");
        let file = directory.join("file");
        let flags = MountFlags::default();
        let tmpfs = |target: &str| Mount {
            target: target.into(),
            kind: MountKind::Tmpfs {
                size: None,
                mode: 0o755,
                flags,
            },
        };
        let mut spec = place.shell("cat /work/a/b/file /work/c/one /dev/extra/file");
        spec.mounts = vec![
            tmpfs("/work"),
            bind(&directory, "/work/a/b", flags),
            bind(&file, "/work/c/one", flags),
            bind(&directory, "/dev/extra", flags),
        ];
        assert_eq!(place.run(&spec).succeeded().stdout, "xxx", "{who:?}");

        // A directory of the host in memory, bound: it stays as it is.
        let host = tempfile::Builder::new().tempdir_in("/dev/shm").unwrap();
        place.give(host.path());
        for binds in [vec![], vec![tmpfs("/work")]] {
            let mut spec = place.spec(&["true"]);
            spec.mounts = binds;
            spec.mounts.push(bind(host.path(), "/tmp", flags));
            spec.mounts.push(bind(&directory, "/tmp/new", flags));
            place
                .run(&spec)
                .failed_at("Mounts", "/tmp/new: the mount target does not exist");
        }
        assert_eq!(
            host.path().read_dir().unwrap().count(),
            0,
            "{who:?}: a file was made on the host"
        );
    }
}
