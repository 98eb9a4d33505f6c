//! What a step sees: namespaces, identity, `/proc`, `/sys`, `/dev`, descriptors, environment.

use rbuild_sandbox::{Capability, Credentials, Network, Resource, Rlimit, Root};
use serde_json::{Value, json};

use crate::support::{Place, everybody, upper};

#[test]
fn every_namespace_is_a_new_one() {
    for who in everybody() {
        let place = Place::new(who);
        for network in [Network::Host, Network::None] {
            let seen = place.look(|spec| spec.network = network);
            for name in ["cgroup", "ipc", "mnt", "net", "pid", "user", "uts"] {
                let ours = std::fs::read_link(format!("/proc/self/ns/{name}")).unwrap();
                let same = seen["namespaces"][name] == ours.to_str().unwrap();
                let shared = name == "net" && network == Network::Host;
                assert_eq!(same, shared, "{who:?} {name}");
            }
        }
    }
}

#[test]
fn the_command_is_the_only_process() {
    for who in everybody() {
        let seen = Place::new(who).look(|_| {});
        assert_eq!(seen["pid"], 1);
        assert_eq!(seen["sid"], 1);
        assert_eq!(seen["processes"], json!(["1"]));
        assert_eq!(seen["exe"], "/bin/inside", "the builder's own program shows");
    }
}

const FOURTEEN: &str = "00000000a80425fb";
const NOTHING: &str = "0000000000000000";

#[test]
fn root_holds_the_fourteen_capabilities() {
    for who in everybody() {
        let status = &Place::new(who).look(|_| {})["status"];
        for set in ["CapPrm", "CapEff", "CapBnd"] {
            assert_eq!(status[set], FOURTEEN, "{who:?} {set}");
        }
        for set in ["CapInh", "CapAmb"] {
            assert_eq!(status[set], NOTHING, "{who:?} {set}");
        }
        assert_eq!(status["NoNewPrivs"], "0");
        assert_eq!(status["Seccomp"], "2");
    }
}

#[test]
fn another_user_holds_no_capability_but_keeps_the_bounding_set() {
    for who in everybody() {
        let seen = Place::new(who).look(|spec| {
            spec.user = Credentials {
                uid: 1000,
                gid: 1001,
                groups: vec![5, 65_534],
            };
        });
        let status = &seen["status"];
        for set in ["CapPrm", "CapEff", "CapInh", "CapAmb"] {
            assert_eq!(status[set], NOTHING, "{who:?} {set}");
        }
        assert_eq!(status["CapBnd"], FOURTEEN);
        assert_eq!(status["Uid"], "1000\t1000\t1000\t1000");
        assert_eq!(status["Gid"], "1001\t1001\t1001\t1001");
        assert_eq!(status["Groups"], "5 1001 65534");
    }
}

#[test]
fn the_groups_are_the_primary_one_and_those_that_were_asked_for() {
    for who in everybody() {
        let place = Place::new(who);
        assert_eq!(place.look(|_| {})["status"]["Groups"], "0", "none of the caller");
        for (gid, groups, expected) in [(7, vec![], "7"), (7, vec![9, 7, 0], "0 7 9")] {
            let seen = place.look(|spec| {
                spec.user = Credentials {
                    uid: 1000,
                    gid,
                    groups: groups.clone(),
                };
            });
            assert_eq!(seen["status"]["Groups"], expected, "{who:?} {gid} {groups:?}");
        }
    }
}

#[test]
fn capabilities_can_be_added_and_taken() {
    for who in everybody() {
        let place = Place::new(who);
        let with = |capabilities: &[Capability]| {
            place.look(|spec| spec.capabilities = capabilities.to_vec())["status"]["CapEff"].clone()
        };
        assert_eq!(with(&[]), NOTHING);
        assert_eq!(
            with(&[Capability::Chown, Capability::SysAdmin]),
            "0000000000200001"
        );
    }
}

#[test]
fn an_unmapped_user_or_group_is_refused_by_name() {
    for who in everybody() {
        let place = Place::new(who);
        let mut spec = place.spec(&["true"]);
        spec.user.uid = u32::MAX - 1;
        let outcome = place.run(&spec);
        // The identity map of root has every id.
        if who != crate::support::Who::Root {
            outcome.failed_at("Identity", "user 4294967294: this id is outside the range");
        }
        for (gid, groups) in [(u32::MAX - 1, vec![]), (5, vec![6, u32::MAX - 1])] {
            let mut spec = place.spec(&["true"]);
            spec.user.gid = gid;
            spec.user.groups = groups;
            let outcome = place.run(&spec);
            if who != crate::support::Who::Root {
                outcome.failed_at("Identity", "group 4294967294: this id is outside the range");
            }
        }
    }
}

#[test]
fn set_user_id_programs_work_unless_forbidden() {
    for who in everybody() {
        let place = Place::new(who);
        let prepare = place.shell("cp /bin/inside /tmp/inside && chmod 4755 /tmp/inside");
        place.run(&prepare).succeeded();
        for (forbidden, expected) in [(false, "1000\t0\t0\t0"), (true, "1000\t1000\t1000\t1000")] {
            let seen = place.look(|spec| {
                let Root::Overlay { lowers, .. } = &mut spec.root else {
                    unreachable!()
                };
                lowers.insert(0, upper(&prepare).to_owned());
                spec.argv[0] = "/tmp/inside".into();
                spec.user = Credentials {
                    uid: 1000,
                    gid: 1000,
                    groups: vec![],
                };
                spec.no_new_privs = forbidden;
            });
            assert_eq!(seen["status"]["Uid"], expected, "{who:?}");
        }
    }
}

#[test]
fn only_the_three_streams_are_open() {
    for who in everybody() {
        let place = Place::new(who);
        for stream in [false, true] {
            let seen = place.look(|spec| spec.seccomp = stream);
            let open: Vec<&String> = seen["descriptors"].as_object().unwrap().keys().collect();
            assert_eq!(open, ["0", "1", "2"], "{who:?}");
        }
    }
}

#[test]
fn the_environment_is_complete_and_exact() {
    for who in everybody() {
        let seen = Place::new(who).look(|spec| spec.env = vec!["PATH=/bin".into(), "A=b=c".into()]);
        assert_eq!(seen["environment"], json!({ "A": "b=c", "PATH": "/bin" }));
    }
}

#[test]
fn arguments_need_not_be_text() {
    use std::os::unix::ffi::OsStringExt;
    for who in everybody() {
        let odd = vec![0xff, b'"', 0x80, b'\n'];
        let seen = Place::new(who).look(|spec| spec.argv.push(std::ffi::OsString::from_vec(odd.clone())));
        assert_eq!(seen["arguments"][1], json!(odd));
    }
}

#[test]
fn cwd_umask_hostname_and_limits_are_as_asked() {
    for who in everybody() {
        let seen = Place::new(who).look(|spec| {
            spec.cwd = "/work/dir".into();
            spec.umask = 0o027;
            spec.hostname = "buildhost".into();
            spec.rlimits = vec![Rlimit {
                resource: Resource::Nofile,
                soft: 100,
                hard: u64::MAX,
            }];
        });
        assert_eq!(seen["cwd"], "/work/dir");
        assert_eq!(seen["status"]["Umask"], "0027");
        assert_eq!(seen["hostname"], "buildhost");
        assert_eq!(seen["nofile"][0], 100);
        assert_ne!(
            seen["nofile"][1],
            Value::Null,
            "the hard limit was raised above the caller's"
        );
    }
}

#[test]
fn signals_are_at_their_defaults() {
    for who in everybody() {
        let seen = Place::new(who).look(|_| {});
        // The program inside is one of Rust's, which ignores SIGPIPE (bit 12) by itself.
        assert_eq!(seen["status"]["SigIgn"], "0000000000001000", "{who:?}");
        assert_eq!(seen["status"]["SigBlk"], NOTHING);
    }
}

#[test]
fn proc_tells_nothing_of_the_host() {
    for who in everybody() {
        let place = Place::new(who);
        for network in [Network::Host, Network::None] {
            let seen = place.look(|spec| spec.network = network);
            for (path, size) in seen["masked"].as_object().unwrap() {
                assert_eq!(size, 0, "{who:?} {network:?} {path}");
            }
        }
        let writes = place.run(&place.shell(
            "for f in /proc/sys/kernel/hostname /proc/sys/kernel/core_pattern /proc/sysrq-trigger /proc/irq/0/smp_affinity \
             /proc/fs/x /proc/bus/x; do (echo x > $f) 2>/dev/null && echo wrote $f; done; echo end",
        ));
        assert_eq!(writes.succeeded().stdout, "end\n", "{who:?}");
    }
}

/// Whatever file of `/proc` this kernel has that is not of a process: what may be written by its owner, and root's step
/// has the uid of that owner, is read-only, unless the kernel asks for a capability of the host too.
#[test]
fn no_setting_of_the_host_can_be_opened_for_writing() {
    const GUARDED: [&str; 4] = [
        "/proc/mtrr",
        "/proc/pressure/cpu",
        "/proc/pressure/io",
        "/proc/pressure/memory",
    ];
    for who in everybody() {
        let place = Place::new(who);
        let outcome = place.run(&place.shell(
            "for entry in /proc/*; do case $entry in /proc/[0-9]*|/proc/self|/proc/thread-self) continue;; esac; \
             /bin/busybox find $entry -type f -perm /222; done | \
             while read -r file; do echo tried; (: >> $file) 2>/dev/null && echo $file; done",
        ));
        let shown = outcome.stdout;
        assert!(
            shown.lines().filter(|line| *line == "tried").count() > 500,
            "{who:?}"
        );
        for line in shown.lines() {
            assert!(
                line == "tried" || GUARDED.contains(&line),
                "{who:?}: {line} can be written"
            );
        }
    }
}

/// Mount point → options, of the mounts inside.
fn mounts(seen: &Value) -> Vec<(String, String, String)> {
    seen["mountinfo"]
        .as_str()
        .unwrap()
        .lines()
        .map(|line| {
            let fields: Vec<&str> = line.split(' ').collect();
            let kind = fields.iter().position(|field| *field == "-").unwrap();
            (
                fields[4].to_owned(),
                fields[5].to_owned(),
                fields[6..=kind + 1].join(" "),
            )
        })
        .collect()
}

#[test]
fn mounts_have_their_flags_and_are_private() {
    for who in everybody() {
        let place = Place::new(who);
        for network in [Network::Host, Network::None] {
            let seen = place.look(|spec| spec.network = network);
            let mounts = mounts(&seen);
            for (point, _, rest) in &mounts {
                assert!(
                    !rest.contains("shared:") && !rest.contains("master:"),
                    "{who:?} {point} {rest}"
                );
            }
            let options = |wanted: &str| {
                let found = mounts.iter().rev().find(|(point, ..)| point == wanted);
                found
                    .unwrap_or_else(|| panic!("{wanted} is not mounted"))
                    .1
                    .clone()
            };
            for (point, flags) in [
                ("/proc", ["rw", "nosuid", "nodev", "noexec"].as_slice()),
                ("/proc/sys", &["ro", "nosuid", "nodev", "noexec"]),
                ("/sys", &["ro", "nosuid", "nodev", "noexec"]),
                ("/sys/fs/cgroup", &["ro", "nosuid", "nodev", "noexec"]),
                ("/dev", &["rw", "nosuid"]),
                ("/dev/pts", &["rw", "nosuid", "noexec"]),
                ("/dev/shm", &["rw", "nosuid", "nodev", "noexec"]),
                ("/dev/mqueue", &["rw", "nosuid", "nodev", "noexec"]),
            ] {
                let options = options(point);
                let options: Vec<&str> = options.split(',').collect();
                for flag in flags {
                    assert!(
                        options.contains(flag),
                        "{who:?} {point} lacks {flag}: {options:?}"
                    );
                }
            }
            assert!(options("/").starts_with("rw"));
            assert_eq!(
                mounts.iter().filter(|(point, ..)| point == "/").count(),
                1,
                "the old root is there"
            );
            let text = seen["mountinfo"].as_str().unwrap();
            let host = place.path("").to_string_lossy().trim_end_matches('/').to_owned();
            assert!(
                !text.contains(&host),
                "{who:?}: a path of the host shows in {text}"
            );
        }
    }
}

#[test]
fn sys_cannot_be_written_and_shows_the_own_network() {
    for who in everybody() {
        let place = Place::new(who);
        let seen = place.look(|spec| spec.network = Network::None);
        assert_eq!(seen["interfaces"], json!(["lo"]));
        let script = "touch /sys/x /sys/fs/cgroup/x 2>/dev/null; mkdir /sys/fs/cgroup/new 2>/dev/null && echo made; \
                      ls /sys/fs/cgroup/new 2>/dev/null; echo end";
        for network in [Network::Host, Network::None] {
            let mut spec = place.shell(script);
            spec.network = network;
            assert_eq!(
                place.run(&spec).succeeded().stdout,
                "end\n",
                "{who:?} {network:?}"
            );
        }
    }
}

#[test]
fn loopback_is_up_in_an_own_network_and_nothing_else_is_there() {
    for who in everybody() {
        let place = Place::new(who);
        let mut spec = place.shell("ip addr show; ip route show");
        spec.network = Network::None;
        let shown = place.run(&spec).succeeded().stdout;
        assert!(
            shown.contains("LOOPBACK,UP") && shown.contains("127.0.0.1/8"),
            "{shown}"
        );
        assert!(!shown.contains("default") && !shown.contains("2: e"), "{shown}");
    }
}

#[test]
fn dev_has_the_usual_devices_and_no_other() {
    for who in everybody() {
        let seen = Place::new(who).look(|_| {});
        let expected = json!({
            "fd": "/proc/self/fd",
            "full": [1, 7],
            "mqueue": "41777",
            "null": [1, 3],
            "ptmx": "pts/ptmx",
            "pts": "40755",
            "random": [1, 8],
            "shm": "41777",
            "stderr": "/proc/self/fd/2",
            "stdin": "/proc/self/fd/0",
            "stdout": "/proc/self/fd/1",
            "tty": [5, 0],
            "urandom": [1, 9],
            "zero": [1, 5],
        });
        assert_eq!(seen["devices"], expected, "{who:?}");
        let pts = mounts(&seen)
            .into_iter()
            .find(|(point, ..)| point == "/dev/pts")
            .unwrap();
        let line = seen["mountinfo"]
            .as_str()
            .unwrap()
            .lines()
            .find(|line| line.contains("/dev/pts"))
            .unwrap();
        assert!(
            line.contains("ptmxmode=666") && line.contains("mode=620"),
            "{pts:?} {line}"
        );
        assert!(line.contains("gid="), "the terminal group is missing: {line}");
    }
}

#[test]
fn devices_work_and_new_ones_cannot_be_made() {
    for who in everybody() {
        let place = Place::new(who);
        let outcome = place.run(&place.shell(
            "echo x > /dev/null && [ $(dd if=/dev/urandom bs=8 count=1 2>/dev/null | wc -c) = 8 ]; \
             /bin/busybox mknod /tmp/disk b 8 0 2>/dev/null && echo made; \
             echo s > /dev/shm/f && cat /dev/shm/f; echo to stderr > /dev/stderr",
        ));
        assert_eq!(outcome.stdout, "s\n", "{who:?} {outcome:?}");
        assert_eq!(
            outcome.stderr,
            "sh: wc: not found\nto stderr\n".trim_start_matches("sh: wc: not found\n")
        );
    }
}

#[test]
fn another_user_can_open_its_own_streams() {
    for who in everybody() {
        let place = Place::new(who);
        let mut spec = place.shell("echo out > /dev/stdout; echo err > /dev/stderr");
        spec.user = Credentials {
            uid: 1000,
            gid: 1000,
            groups: vec![],
        };
        let outcome = place.run(&spec).succeeded();
        assert_eq!(
            (outcome.stdout.as_str(), outcome.stderr.as_str()),
            ("out\n", "err\n"),
            "{who:?}"
        );
    }
}

#[test]
fn the_keyring_is_not_the_callers() {
    for who in everybody() {
        let place = Place::new(who);
        let ours = std::fs::read_to_string("/proc/keys").unwrap_or_default();
        // Masked, so it is only known to show nothing; that keys cannot be had is the filter's test.
        let outcome = place.run(&place.shell("cat /proc/keys")).succeeded();
        assert_eq!(outcome.stdout, "", "{who:?} {ours}");
    }
}
