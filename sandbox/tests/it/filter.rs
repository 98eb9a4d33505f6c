//! The system call filter, as a process inside meets it.

use rbuild_sandbox::{Credentials, Root};

use crate::support::{Place, everybody};

/// System call number on x86-64, arguments, expected error number.
const REFUSED: &[(&str, i64, &str, i32)] = &[
    ("clone3", 435, "0, 0", libc_enosys()),
    ("unshare CLONE_NEWUSER", 272, "0x10000000", 1),
    ("unshare CLONE_NEWNS", 272, "0x20000", 1),
    ("clone CLONE_NEWUSER", 56, "0x10000011, 0, 0, 0, 0", 1),
    ("setns", 308, "0, 0", 1),
    ("mount", 165, "0, 0, 0, 0, 0", 1),
    ("umount2", 166, "0, 0", 1),
    ("pivot_root", 155, "0, 0", 1),
    ("fsopen", 430, "0, 0", 1),
    ("open_tree", 428, "0, 0, 0", 1),
    ("move_mount", 429, "0, 0, 0, 0, 0", 1),
    ("mount_setattr", 442, "0, 0, 0, 0, 0", 1),
    ("bpf", 321, "0, 0, 0", 1),
    ("perf_event_open", 298, "0, 0, 0, 0, 0", 1),
    ("userfaultfd", 323, "0", 1),
    ("keyctl", 250, "0, 0", 1),
    ("add_key", 248, "0, 0, 0, 0, 0", 1),
    ("request_key", 249, "0, 0, 0, 0", 1),
    ("io_uring_setup", 425, "1, 0", 1),
    ("io_uring_enter", 426, "0, 0, 0, 0, 0, 0", 1),
    ("io_uring_register", 427, "0, 0, 0, 0", 1),
    ("kexec_load", 246, "0, 0, 0, 0", 1),
    ("init_module", 175, "0, 0, 0", 1),
    ("open_by_handle_at", 304, "0, 0, 0", 1),
    ("settimeofday", 164, "0, 0", 1),
    ("syslog", 103, "0, 0, 0", 1),
    ("ioctl TIOCSTI", 16, "0, 0x5412, 0", 1),
    ("ioctl TIOCSTI with high bits", 16, "0, 0x100005412, 0", 1),
    ("ioctl TIOCLINUX", 16, "0, 0x541c, 0", 1),
    ("socket AF_VSOCK", 41, "40, 1, 0", 97),
    ("socket AF_ALG", 41, "38, 5, 0", 97),
    ("personality ADDR_NO_RANDOMIZE", 135, "0x40000", 1),
    ("a call of the future", 5000, "0", libc_enosys()),
    ("getpid of x32", 0x4000_0027, "0", libc_enosys()),
];

const fn libc_enosys() -> i32 {
    38
}

/// Calls that must not be refused: 0 means success, another number is the kernel's own objection.
const ALLOWED: &[(&str, i64, &str, i32)] = &[
    ("getpid", 39, "0", 0),
    ("unshare CLONE_FS", 272, "0x200", 0),
    ("personality query", 135, "0xffffffff", 0),
    ("ioctl TCGETS on a pipe", 16, "1, 0x5401, 0", 25),
    ("socket AF_UNIX", 41, "1, 1, 0", 0),
    ("ptrace of nobody", 101, "16, 999999, 0, 0", 3),
    ("chroot of nothing", 161, "0", 14),
];

#[test]
fn the_table_holds_from_within() {
    if !cfg!(target_arch = "x86_64") {
        eprintln!("skipped: the numbers of this test are those of x86-64");
        return;
    }
    // perl-base is essential in Debian; its `syscall` needs no compiler and no unsafe code here.
    if !std::path::Path::new("/usr/bin/perl").exists() {
        assert!(
            !std::path::Path::new("/etc/debian_version").exists(),
            "Debian without perl"
        );
        eprintln!("skipped: this host has no perl");
        return;
    }
    let mut script = String::new();
    for (_, number, arguments, _) in REFUSED.iter().chain(ALLOWED) {
        script.push_str(&format!(
            "$! = 0; $r = syscall({number}, {arguments}); print $r == -1 ? $!+0 : 0, \"\\n\";\n"
        ));
    }
    for who in everybody() {
        let place = Place::new(who);
        for uid in [0, 1000] {
            let mut spec = place.spec(&["/usr/bin/perl", "-e", &script]);
            // The host's own files, for perl.
            spec.root = Root::ReadOnlyOverlay {
                lowers: vec!["/".into()],
            };
            spec.user = Credentials {
                uid,
                gid: uid,
                groups: vec![],
            };
            let outcome = place.run(&spec).succeeded();
            let got: Vec<i32> = outcome.stdout.lines().map(|line| line.parse().unwrap()).collect();
            assert_eq!(got.len(), REFUSED.len() + ALLOWED.len(), "{who:?} {outcome:?}");
            for ((name, _, _, expected), got) in REFUSED.iter().chain(ALLOWED).zip(got) {
                // chroot(2) of another user is refused by its missing capability.
                if uid != 0 && name.starts_with("chroot") {
                    continue;
                }
                assert_eq!(got, *expected, "{who:?} uid {uid}: {name}");
            }
        }
    }
}

#[test]
fn without_the_filter_there_is_none() {
    for who in everybody() {
        let seen = Place::new(who).look(|spec| spec.seccomp = false);
        assert_eq!(seen["status"]["Seccomp"], "0");
    }
}
