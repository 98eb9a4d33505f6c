//! Waiting for signals on a thread of one's own, without a handler: block them before any thread starts, then
//! [`SigSet::wait`]. Passed on from `nix`, which lives in this crate only. And what a process does about a signal.

use std::os::fd::{AsRawFd, BorrowedFd};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

use crate::sys;

pub use nix::sys::signal::{SigSet, Signal};

/// What a process does about a signal: `signal(7)`, "Signal dispositions".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Disposition {
    /// Nothing of its own. The first process of a pid namespace never sees such a signal.
    Default,
    /// It ignores it.
    Ignored,
    /// It has a handler.
    Caught,
}

/// The process id behind a pidfd, in the namespace of `/proc`; `None` when it has ended.
#[must_use]
pub fn pid_of(pidfd: BorrowedFd<'_>) -> Option<i32> {
    let info = std::fs::read_to_string(format!("/proc/self/fdinfo/{}", pidfd.as_raw_fd())).ok()?;
    let pid = info.lines().find_map(|line| line.strip_prefix("Pid:"))?;
    // -1: it has ended; 0: it is in no namespace of ours.
    pid.trim().parse().ok().filter(|pid| *pid > 0)
}

/// What `/proc/PID/status` says about a signal.
#[must_use]
pub fn disposition(pid: i32, signal: i32) -> Option<Disposition> {
    parse(
        &std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?,
        signal,
    )
}

/// Sends a signal by number to the process that a pidfd names. To one that has ended there is nothing to send.
///
/// # Errors
/// The kernel's refusal; `EINVAL` for a number that is no signal.
pub fn send(pidfd: BorrowedFd<'_>, signal: i32) -> Result<(), Errno> {
    match sys::pidfd_send_signal(pidfd, signal) {
        Err(Errno::SRCH) => Ok(()),
        other => other,
    }
}

/// Waits for the end of the process that a pidfd names, at most so many milliseconds; `false`: it goes on.
#[must_use]
pub fn ends_within(pidfd: BorrowedFd<'_>, milliseconds: Option<u64>) -> bool {
    let until = milliseconds.map(|time| Instant::now() + Duration::from_millis(time));
    loop {
        let left = until.map(|until| {
            let left = until.saturating_duration_since(Instant::now());
            Timespec {
                tv_sec: i64::try_from(left.as_secs()).unwrap_or(i64::MAX),
                tv_nsec: left.subsec_nanos().into(),
            }
        });
        match poll(&mut [PollFd::new(&pidfd, PollFlags::IN)], left.as_ref()) {
            Err(Errno::INTR) => {}
            Ok(0) | Err(_) => return false,
            Ok(_) => return true,
        }
    }
}

fn parse(status: &str, signal: i32) -> Option<Disposition> {
    let bit = 1_u64.checked_shl(u32::try_from(signal).ok()?.checked_sub(1)?)?;
    let has = |field: &str| {
        let mask = status.lines().find_map(|line| line.strip_prefix(field))?;
        Some(u64::from_str_radix(mask.trim(), 16).ok()? & bit != 0)
    };
    Some(match (has("SigIgn:")?, has("SigCgt:")?) {
        (true, _) => Disposition::Ignored,
        (_, true) => Disposition::Caught,
        _ => Disposition::Default,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn masks_count_from_one() {
        let status = "Name:\tsh\nSigIgn:\t0000000000000004\nSigCgt:\t0000000000010002\n";
        for (signal, expected) in [
            (1, Disposition::Default),
            (2, Disposition::Caught),
            (3, Disposition::Ignored),
            (17, Disposition::Caught),
            (64, Disposition::Default),
        ] {
            assert_eq!(parse(status, signal), Some(expected), "{signal}");
        }
        assert_eq!(parse(status, 0), None);
        assert_eq!(parse(status, 65), None);
        assert_eq!(parse("Name:\tsh\n", 1), None);
    }

    #[test]
    fn a_pidfd_names_its_process() {
        use std::os::fd::AsFd;
        let me = rustix::process::getpid();
        let pidfd = rustix::process::pidfd_open(me, rustix::process::PidfdFlags::empty()).unwrap();
        assert_eq!(pid_of(pidfd.as_fd()), Some(me.as_raw_nonzero().get()));
        // Rust's runtime ignores SIGPIPE.
        assert_eq!(
            disposition(me.as_raw_nonzero().get(), 13),
            Some(Disposition::Ignored)
        );
    }
}
