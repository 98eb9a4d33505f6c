//! What the filter answers to each system call.
//!
//! - A listed call is allowed, some of them only with certain arguments.
//! - Any other call up to the newest one of the table is refused with `EPERM`: mounting, modules, clocks, keys,
//!   `bpf`, `perf_event_open`, `userfaultfd`, `io_uring_*`, `kexec_*`, `setns` and so on.
//! - A call newer than the table gives `ENOSYS`, so that programs fall back to what older kernels have. The same
//!   for x32, whose numbers lie there.
//! - `clone3` gives `ENOSYS`: its flags lie in memory where a filter cannot see them, and libraries fall back to
//!   `clone`.
//! - A process of any other architecture is killed.

use super::table::{CALLS, NEWEST};

/// A system call's name and its numbers, in the order of [`Architecture`].
pub(super) struct Call {
    pub(super) name: &'static str,
    pub(super) numbers: [u32; 4],
}

/// The architectures that the table covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Architecture {
    X86_64 = 0,
    I386 = 1,
    Aarch64 = 2,
    Arm = 3,
}

impl Architecture {
    /// `AUDIT_ARCH_*` of `linux/audit.h`.
    pub(super) fn audit(self) -> u32 {
        match self {
            Architecture::X86_64 => 0xc000_003e,
            Architecture::I386 => 0x4000_0003,
            Architecture::Aarch64 => 0xc000_00b7,
            Architecture::Arm => 0x4000_0028,
        }
    }
}

/// What is answered to a system call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Allow,
    /// Not executed; the caller sees this error number.
    Errno(u32),
    /// Depends on the low 32 bits of an argument. The kernel reads the tested arguments as 32-bit values, so higher
    /// bits must not count.
    Argument(Rule),
}

/// A test of one argument.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Rule {
    /// Which argument, from 0.
    pub(super) index: u32,
    pub(super) test: Test,
    /// Answer where the test does not allow the call.
    pub(super) errno: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Test {
    /// Allowed when none of these bits is set.
    NoneOf(u32),
    /// Allowed when it is none of these values.
    Not(&'static [u32]),
    /// Allowed when it is one of these values.
    In(&'static [u32]),
}

const EPERM: u32 = libc::EPERM as u32;
const ENOSYS: u32 = libc::ENOSYS as u32;
const EAFNOSUPPORT: u32 = libc::EAFNOSUPPORT as u32;

/// `CLONE_NEW*` of `linux/sched.h`, without `CLONE_NEWTIME`, whose bit belongs to the exit signal in `clone`.
const NEW_NAMESPACES: u32 = 0x7e02_0000;
const NEW_TIME: u32 = 0x80;
/// Types into, and takes over, a terminal that the caller shares with the host.
const TIOCSTI: u32 = 0x5412;
const TIOCLINUX: u32 = 0x541c;
/// Reaches the kernel's cryptography, and virtual machines next door.
const AF_ALG: u32 = 38;
const AF_VSOCK: u32 = 40;

fn rule(name: &str) -> Verdict {
    let argument = |index, test, errno| Verdict::Argument(Rule { index, test, errno });
    match name {
        "clone" => argument(0, Test::NoneOf(NEW_NAMESPACES), EPERM),
        "unshare" => argument(0, Test::NoneOf(NEW_NAMESPACES | NEW_TIME), EPERM),
        "clone3" => Verdict::Errno(ENOSYS),
        "ioctl" => argument(1, Test::Not(&[TIOCSTI, TIOCLINUX]), EPERM),
        "socket" => argument(0, Test::Not(&[AF_ALG, AF_VSOCK]), EAFNOSUPPORT),
        // PER_LINUX, UNAME26, PER_LINUX32, both, and the question for the current one.
        "personality" => argument(0, Test::In(&[0, 0x2_0000, 0x8, 0x2_0008, 0xffff_ffff]), EPERM),
        _ => Verdict::Allow,
    }
}

/// Verdicts for all numbers from 0 to `u32::MAX`: each holds from its number up to the next one's.
pub(super) fn ranges(architecture: Architecture) -> Vec<(u32, Verdict)> {
    let mut listed: Vec<(u32, Verdict)> = CALLS
        .iter()
        .filter_map(|call| Some((call.number(architecture as usize)?, rule(call.name))))
        .collect();
    listed.sort_by_key(|(number, _)| *number);
    let unlisted = |number| Verdict::Errno(if number <= NEWEST { EPERM } else { ENOSYS });

    let mut ranges: Vec<(u32, Verdict)> = Vec::new();
    let mut push = |number: u32, verdict: Verdict| {
        if ranges.last().is_none_or(|(_, last)| *last != verdict) {
            ranges.push((number, verdict));
        }
    };
    let mut next = 0;
    for (number, verdict) in listed {
        if next < number {
            push(next, unlisted(next));
            if next <= NEWEST && NEWEST + 1 < number {
                push(NEWEST + 1, unlisted(NEWEST + 1));
            }
        }
        push(number, verdict);
        next = number + 1;
    }
    push(next, unlisted(next));
    if next <= NEWEST {
        push(NEWEST + 1, unlisted(NEWEST + 1));
    }
    ranges
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Architecture; 4] = [
        Architecture::X86_64,
        Architecture::I386,
        Architecture::Aarch64,
        Architecture::Arm,
    ];

    fn verdict(architecture: Architecture, number: u32) -> Verdict {
        let ranges = ranges(architecture);
        ranges.iter().rev().find(|(first, _)| *first <= number).unwrap().1
    }

    #[test]
    fn the_table_is_sorted_and_has_no_number_twice() {
        assert!(CALLS.is_sorted_by(|a, b| a.name < b.name));
        for architecture in ALL {
            let mut numbers: Vec<u32> = CALLS
                .iter()
                .filter_map(|call| call.number(architecture as usize))
                .collect();
            let count = numbers.len();
            numbers.sort();
            numbers.dedup();
            assert_eq!(numbers.len(), count, "{architecture:?}");
        }
    }

    #[test]
    fn every_listed_call_gets_its_rule_on_every_architecture() {
        for architecture in ALL {
            for call in CALLS {
                if let Some(number) = call.number(architecture as usize) {
                    assert_eq!(
                        verdict(architecture, number),
                        rule(call.name),
                        "{} {architecture:?}",
                        call.name
                    );
                }
            }
        }
    }

    #[test]
    fn what_is_not_listed_is_refused() {
        let on_x86_64 = |number| verdict(Architecture::X86_64, number as u32);
        for refused in [
            libc::SYS_mount,
            libc::SYS_umount2,
            libc::SYS_pivot_root,
            libc::SYS_setns,
            libc::SYS_bpf,
            libc::SYS_perf_event_open,
            libc::SYS_userfaultfd,
            libc::SYS_keyctl,
            libc::SYS_add_key,
            libc::SYS_request_key,
            libc::SYS_io_uring_setup,
            libc::SYS_io_uring_enter,
            libc::SYS_io_uring_register,
            libc::SYS_kexec_load,
            libc::SYS_kexec_file_load,
            libc::SYS_init_module,
            libc::SYS_open_by_handle_at,
            libc::SYS_fsopen,
            libc::SYS_move_mount,
            libc::SYS_mount_setattr,
            libc::SYS_swapon,
            libc::SYS_reboot,
            libc::SYS_settimeofday,
            libc::SYS_syslog,
        ] {
            if cfg!(target_arch = "x86_64") {
                assert_eq!(on_x86_64(refused), Verdict::Errno(EPERM), "{refused}");
            }
        }
        assert_eq!(on_x86_64(435), Verdict::Errno(ENOSYS));
        assert_eq!(on_x86_64(i64::from(NEWEST) + 1), Verdict::Errno(ENOSYS));
        assert_eq!(on_x86_64(0x4000_0000), Verdict::Errno(ENOSYS), "x32");
        assert_eq!(on_x86_64(0xffff_ffff), Verdict::Errno(ENOSYS));
    }

    #[test]
    fn the_private_calls_of_arm_are_behind_the_newest() {
        assert_eq!(verdict(Architecture::Arm, 0xf0002), Verdict::Allow);
        assert_eq!(verdict(Architecture::Arm, 0xf0003), Verdict::Errno(ENOSYS));
        assert_eq!(verdict(Architecture::Arm, 1000), Verdict::Errno(ENOSYS));
    }
}
