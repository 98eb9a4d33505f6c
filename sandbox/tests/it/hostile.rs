//! Images and commands that want out: one test for each lesson of other builders' and runtimes' security holes that
//! touches the sandbox.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use rbuild_sandbox::{Capability, Mount, MountFlags, MountKind, Network, Root};
use rustix::io::Errno;

use crate::mounts::bind;
use crate::note;
use crate::support::{Canary, Place, Who, everybody};

/// CVE-2019-5736: the builder's own program must not be reachable through `/proc`.
#[test]
fn the_builder_cannot_be_overwritten_through_proc() {
    for who in everybody() {
        let place = Place::new(who);
        let before = fs::read(place.path("driver")).unwrap();
        let spec = place.shell(
            "readlink /proc/1/exe; readlink /proc/self/exe; for f in /proc/[0-9]*/exe; do (echo x > $f) 2>/dev/null && echo wrote; done; true",
        );
        let shown = place.run(&spec).succeeded().stdout;
        assert_eq!(shown, "/bin/busybox\n/bin/busybox\n", "{who:?}");
        assert_eq!(fs::read(place.path("driver")).unwrap(), before);
    }
}

/// An ELF file of 64 bits with one program header, that of its loader.
fn elf_with_loader(loader: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0; 120];
    bytes[..5].copy_from_slice(b"\x7fELF\x02");
    bytes[32..40].copy_from_slice(&64_u64.to_ne_bytes());
    bytes[54..56].copy_from_slice(&56_u16.to_ne_bytes());
    bytes[56..58].copy_from_slice(&1_u16.to_ne_bytes());
    bytes[64..68].copy_from_slice(&3_u32.to_ne_bytes());
    bytes[72..80].copy_from_slice(&120_u64.to_ne_bytes());
    bytes[96..104].copy_from_slice(&(loader.len() as u64).to_ne_bytes());
    bytes.extend(loader);
    bytes
}

/// CVE-2019-5736, the way in: a program or interpreter that is `/proc/self/exe`.
#[test]
fn a_program_that_is_the_builder_is_refused() {
    for who in everybody() {
        let place = Place::new(who);
        let base = place.path("base");
        symlink("/proc/self/exe", base.join("work/exe")).unwrap();
        symlink("exe", base.join("work/exe2")).unwrap();
        fs::write(base.join("work/script"), "#!/proc/self/exe\n").unwrap();
        fs::write(base.join("work/script2"), "#! /work/script\n").unwrap();
        fs::write(base.join("work/elf"), elf_with_loader(b"/proc/self/exe\0")).unwrap();
        for name in ["script", "script2", "elf"] {
            fs::set_permissions(base.join("work").join(name), fs::Permissions::from_mode(0o755)).unwrap();
        }
        place.give(&base);
        for program in [
            "/proc/self/exe",
            "/proc/1/exe",
            "/work/exe",
            "/work/exe2",
            "/work/script",
            "/work/script2",
            "/work/elf",
        ] {
            let outcome = place.run(&place.spec(&[program]));
            outcome.failed_at("Program", "magic link");
            assert_eq!(outcome.docker_code, Some(126));
        }
        let mut spec = place.spec(&["exe"]);
        spec.env = vec!["PATH=/proc/self:/bin".into()];
        place.run(&spec).failed_at("Program", "magic link");
    }
}

/// CVE-2024-21626: a working directory behind a descriptor that leaked.
#[test]
fn the_working_directory_cannot_be_a_descriptor() {
    for who in everybody() {
        let place = Place::new(who);
        for number in 0..20 {
            symlink(
                format!("/proc/self/fd/{number}"),
                place.path("base/work").join(number.to_string()),
            )
            .unwrap();
        }
        place.give(&place.path("base"));
        for number in 0..20 {
            for cwd in [
                format!("/proc/self/fd/{number}"),
                format!("/work/{number}"),
                format!("/dev/fd/{number}/.."),
            ] {
                let mut spec = place.spec(&["ls", "-a", "."]);
                spec.cwd = cwd.clone().into();
                let outcome = place.run(&spec);
                assert_eq!(
                    outcome.step.as_deref(),
                    Some("WorkingDirectory"),
                    "{who:?} {cwd}: {outcome:?}"
                );
            }
        }
    }
}

/// CVE-2023-27561: `/proc`, `/sys` or `/dev` of the image is a symlink, so the masks would lie elsewhere.
#[test]
fn special_directories_that_are_symlinks_are_refused() {
    for who in everybody() {
        for (name, step) in [("proc", "Proc"), ("sys", "Sys"), ("dev", "Dev")] {
            let place = Place::new(who);
            let special = place.path("base").join(name);
            fs::remove_dir(&special).unwrap();
            symlink("tmp", &special).unwrap();
            place.give(&place.path("base"));
            place.run(&place.spec(&["true"])).failed_at(step, "symlink");
            fs::remove_file(&special).unwrap();
            fs::write(&special, "").unwrap();
            place.give(&place.path("base"));
            place.run(&place.spec(&["true"])).failed_at(step, "no directory");
        }
    }
}

/// CVE-2025-31133, CVE-2025-52565: what the image has in `/dev` plays no part.
#[test]
fn devices_of_the_image_are_not_used() {
    for who in everybody() {
        let place = Place::new(who);
        let canary = Canary::new(&place);
        for name in ["null", "console", "ptmx", "pts", "tty"] {
            symlink(canary.path(), place.path("base/dev").join(name)).unwrap();
        }
        place.give(&place.path("base"));
        let script = "echo overwritten > /dev/null; stat -c %t:%T /dev/null; echo x > /dev/console; cat /proc/keys /proc/interrupts";
        let ended = place.run_with(&place.shell(script), serde_json::json!({ "pty": [24, 80] }));
        assert!(ended.stdout.starts_with("1:3"), "{ended:?}");
        canary.check();
    }
}

/// CVE-2024-1753, CVE-2024-23651: a mount source that is a symlink out of its root.
#[test]
fn mount_sources_stay_inside_their_root() {
    for who in everybody() {
        let place = Place::new(who);
        let canary = Canary::new(&place);
        let stage = place.make_directory("stage");
        fs::write(stage.join("file"), "of the stage").unwrap();
        fs::create_dir_all(stage.join("etc")).unwrap();
        fs::write(stage.join("etc/own"), "").unwrap();
        symlink("/", stage.join("absolute")).unwrap();
        symlink("../../../../../..", stage.join("relative")).unwrap();
        symlink("/proc/self/root", stage.join("magic")).unwrap();
        place.give(&stage);
        let mount = |source: String| Mount {
            target: "/work".into(),
            kind: MountKind::Bind {
                source: source.into(),
                source_root: Some(stage.clone()),
                recursive: true,
                lent: false,
                flags: MountFlags::default(),
            },
        };
        for source in ["/absolute", "relative", "/", "..", "absolute/relative"] {
            let mut spec = place.shell("cat /work/file; ls /work/etc");
            spec.mounts = vec![mount(source.to_owned())];
            assert_eq!(
                place.run(&spec).succeeded().stdout,
                "of the stageown\n",
                "{who:?} {source}"
            );
        }
        for source in [
            "magic".to_owned(),
            format!("absolute{}", canary.path().display()),
            "proc/self/fd/3".to_owned(),
        ] {
            let mut spec = place.spec(&["true"]);
            spec.mounts = vec![mount(source)];
            place.run(&spec).failed_at("Mounts", "source does not exist");
        }
        canary.check();
    }
}

/// CVE-2021-30465: a mount target that is, or becomes, a symlink.
#[test]
fn mount_targets_do_not_follow_symlinks() {
    for who in everybody() {
        let place = Place::new(who);
        let canary = Canary::new(&place);
        let volume = place.make_directory("volume");
        symlink("/proc", volume.join("target")).unwrap();
        symlink(canary.path().parent().unwrap(), volume.join("out")).unwrap();
        fs::create_dir(place.path("base/mnt")).unwrap();
        place.give(&volume);
        place.give(&place.path("base"));
        let payload = place.make_directory("payload");
        for target in ["/mnt/target", "/mnt/target/sys", "/mnt/out"] {
            let mut spec = place.spec(&["true"]);
            spec.mounts = vec![
                bind(&volume, "/mnt", MountFlags::default()),
                bind(&payload, target, MountFlags::default()),
            ];
            place.run(&spec).failed_at("Mounts", "is a symlink");
        }
        canary.check();
    }
}

/// CVE-2021-30465, the race: another container swaps a directory of a shared volume with a symlink all the time.
#[test]
fn mount_targets_cannot_be_swapped_under_us() {
    for who in everybody() {
        let place = Place::new(who);
        let canary = Canary::new(&place);
        let volume = place.make_directory("volume");
        fs::create_dir(volume.join("dir")).unwrap();
        fs::create_dir(place.path("base/mnt")).unwrap();
        place.give(&volume);
        place.give(&place.path("base"));
        place.make_file("payload/planted", "x");
        let outside = canary.path().parent().unwrap().display().to_string();
        let mut swapper = place.shell(&format!(
            "cd /mnt; ln -s {outside} evil; n=0; while [ $n -lt 400 ]; do /bin/busybox mv dir real; /bin/busybox mv evil dir; \
             /bin/busybox mv dir evil; /bin/busybox mv real dir; n=$((n+1)); done"
        ));
        swapper.mounts = vec![bind(&volume, "/mnt", MountFlags::default())];
        let victim = || {
            let mut spec = place
                .shell("[ -e /mnt/dir/planted ] && echo planted; grep -c canary /proc/self/mountinfo; true");
            spec.argv[2] = "/bin/busybox grep -c /canary /proc/self/mountinfo; true".into();
            spec.mounts = vec![
                bind(&volume, "/mnt", MountFlags::default()),
                bind(&place.path("payload"), "/mnt/dir", MountFlags::default()),
            ];
            spec
        };
        let mut runs = vec![crate::support::run_of(&swapper, serde_json::json!({}))];
        runs.extend((0..40).map(|_| crate::support::run_of(&victim(), serde_json::json!({}))));
        let answer = place.task(&serde_json::json!({ "AtOnce": runs }));
        for ended in answer.as_array().unwrap()[1..]
            .iter()
            .map(crate::support::outcome)
        {
            match ended.code {
                Some(0) => assert_eq!(ended.stdout, "0\n", "{who:?}: mounted outside"),
                _ => assert_eq!(ended.step.as_deref(), Some("Mounts"), "{ended:?}"),
            }
        }
        canary.check();
    }
}

/// CVE-2023-28642, CVE-2025-52881: nothing may cover the masks of `/proc`.
#[test]
fn nothing_is_mounted_over_proc() {
    for who in everybody() {
        let place = Place::new(who);
        let payload = place.make_directory("payload");
        for target in ["/proc", "/proc/sys", "/proc/1/fd", "/"] {
            let mut spec = place.spec(&["true"]);
            spec.mounts = vec![bind(&payload, target, MountFlags::default())];
            place
                .run(&spec)
                .failed_at("Validate", "nothing can be mounted on");
        }
    }
}

/// The old root is gone: neither `..`, nor chroot tricks, nor `/proc` lead back to it.
#[test]
fn there_is_no_way_back_to_the_host() {
    for who in everybody() {
        let place = Place::new(who);
        let canary = Canary::new(&place);
        let path = canary.path().display();
        let script = format!(
            "for d in / /.. /../.. /proc/1/root /proc/self/root/.. /proc/1/cwd/..; do cat $d{path} 2>/dev/null; done; \
             mkdir -p /tmp/a; /bin/busybox chroot /tmp/a / 2>/dev/null; \
             ls -a /.. | /bin/busybox tr '\\n' ' '"
        );
        let shown = place.run(&place.shell(&script)).succeeded().stdout;
        assert_eq!(shown, ". .. bin dev etc proc root sys tmp work ", "{who:?}");
        canary.check();
    }
}

/// CVE-2021-3602, and kaniko's design: nothing of the caller's environment or directories is inside.
#[test]
fn the_caller_does_not_show() {
    for who in everybody() {
        let place = Place::new(who);
        let mut spec = place.shell("env; cat /proc/1/environ | /bin/busybox tr '\\0' '\\n'");
        spec.env = vec!["PATH=/bin".into(), "ONLY=this".into()];
        let shown = place.run(&spec).succeeded().stdout;
        for line in shown.lines() {
            let name = line.split('=').next().unwrap();
            // A shell sets PWD and its kind by itself.
            assert!(
                ["PATH", "ONLY", "PWD", "SHLVL", "OLDPWD", "_"].contains(&name),
                "{who:?} {line}"
            );
        }
    }
}

/// A root directory with an image's own tricks gives no way to write to the layers beneath.
#[test]
fn lower_layers_stay_as_they_are() {
    for who in everybody() {
        let place = Place::new(who);
        let script = "echo x > /etc/hosts; chmod 777 /etc /bin/busybox; rm -rf /work; touch -d @1 /tmp; echo x >> /bin/inside; true";
        let before = fs::metadata(place.path("base/bin/inside")).unwrap().len();
        let spec = place.shell(script);
        assert!(matches!(spec.root, Root::Overlay { .. }));
        place.run(&spec).succeeded();
        assert_eq!(fs::read_to_string(place.path("base/etc/hosts")).unwrap(), "");
        assert_eq!(fs::metadata(place.path("base/bin/inside")).unwrap().len(), before);
        assert!(place.path("base/work/dir").is_dir());
    }
}

/// CVE-2022-0492 and its kind: a command with every capability and without a filter. The mounts that it was given stay
/// as they are, and nothing leads to a second view of the host's settings; what it makes itself is its own.
#[test]
fn mounts_of_a_step_that_may_mount_are_locked() {
    for who in everybody() {
        let place = Place::new(who);
        let canary = Canary::new(&place);
        let attempts = |capabilities: Vec<Capability>| -> BTreeMap<String, i32> {
            let mut spec = place.spec(&["inside", "escape", "/work/dir"]);
            let read_only = MountFlags {
                read_only: true,
                ..MountFlags::default()
            };
            spec.mounts = vec![bind(canary.path().parent().unwrap(), "/work/dir", read_only)];
            spec.seccomp = false;
            spec.capabilities = capabilities;
            serde_json::from_str(&place.run(&spec).succeeded().stdout).expect("answers")
        };
        let answers = attempts(Capability::all().collect());
        for (what, errno) in &answers {
            let expected = match what.as_str() {
                "unmount that" | "unmount the tmpfs" => None,
                "make a cgroup namespace" | "make one in a user namespace" => Some(Errno::NOSPC),
                "mount a cgroup hierarchy" | "mount an old cgroup hierarchy" | "mount its /proc" => {
                    Some(Errno::PERM)
                }
                // Permissions come first: only root's step has the uid of the settings.
                what if what.starts_with("write ") && *errno == Errno::ACCESS.raw_os_error() => {
                    assert!(who != Who::Root && what != "write into the bind", "{what}");
                    Some(Errno::ACCESS)
                }
                what if what.starts_with("write ") => Some(Errno::ROFS),
                what if what.starts_with("remount ") => Some(Errno::PERM),
                what if what.starts_with("move ") || what.starts_with("unmount ") => Some(Errno::INVAL),
                what if what.ends_with(" without its masks") => Some(Errno::INVAL),
                _ => None,
            };
            assert_eq!(*errno, expected.map_or(0, Errno::raw_os_error), "{who:?}: {what}");
        }
        assert!(answers.len() > 25, "{answers:?}");
        // Capabilities come with a user namespace, which nothing but the filter forbids.
        let answers = attempts(Capability::DEFAULT.to_vec());
        assert_eq!(
            answers["make one in a user namespace"],
            Errno::NOSPC.raw_os_error()
        );
        canary.check();
    }
}

/// Whether `pasta` and its device are there for somebody.
fn can_be_private(who: Who) -> bool {
    use std::os::unix::fs::PermissionsExt;
    let device = std::fs::metadata("/dev/net/tun").map_or(0, |of| of.permissions().mode());
    let is_installed = ["/usr/bin/pasta", "/bin/pasta"]
        .iter()
        .any(|path| Path::new(path).exists());
    is_installed && (who == Who::Root || device & 0o006 == 0o006)
}

/// CVE-2020-15257: a daemon of the host that listens on an abstract socket. A step on the host's network cannot reach
/// it, and uses sockets of its own as ever.
#[test]
fn abstract_sockets_of_the_host_are_out_of_reach() {
    use std::os::linux::net::SocketAddrExt;
    use std::os::unix::net::{SocketAddr, UnixDatagram, UnixListener, UnixStream};

    let report = rbuild_sandbox::probe::probe(None, &rbuild_sandbox::Caller::default());
    let scope = report
        .checks
        .iter()
        .find(|check| check.name == "abstract sockets")
        .unwrap();
    if !scope.ok {
        eprintln!("skipped: this kernel has no Landlock scopes");
        return;
    }
    let name = format!("rbuild-test-{}", std::process::id());
    let address = |name: &str| SocketAddr::from_abstract_name(name).unwrap();
    let _stream = UnixListener::bind_addr(&address(&name)).unwrap();
    let datagrams = UnixDatagram::bind_addr(&address(&format!("{name}-datagram"))).unwrap();
    datagrams.set_nonblocking(true).unwrap();
    UnixStream::connect_addr(&address(&name)).expect("the host itself can");
    for who in everybody() {
        let place = Place::new(who);
        for (network, seccomp, uid, errno) in [
            (Network::Host, true, 0, Errno::PERM),
            (Network::Host, true, 1000, Errno::PERM),
            (Network::Host, false, 0, Errno::PERM),
            (Network::None, true, 0, Errno::CONNREFUSED),
            (Network::Private, true, 0, Errno::CONNREFUSED),
            (Network::Private, false, 0, Errno::CONNREFUSED),
        ] {
            if network == Network::Private && !can_be_private(who) {
                let reason = format!("{who:?} can have no network that leads out");
                note::because_of_host("abstract_sockets_of_the_host_are_out_of_reach", &reason);
                continue;
            }
            let answer = |words: &[&str]| -> [i32; 2] {
                let mut spec = place.spec(words);
                spec.network = network;
                spec.seccomp = seccomp;
                (spec.user.uid, spec.user.gid) = (uid, uid);
                serde_json::from_str(&place.run(&spec).succeeded().stdout).expect("an answer")
            };
            let refused = [errno.raw_os_error(); 2];
            assert_eq!(
                answer(&["inside", "connect", &name]),
                refused,
                "{who:?} {network:?}"
            );
            let own = format!("{name}-own");
            assert_eq!(answer(&["inside", "serve", &own]), [0, 0], "{who:?} {network:?}");
        }
        assert!(datagrams.recv(&mut [0; 8]).is_err(), "a datagram has arrived");
    }
}
