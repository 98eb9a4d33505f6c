//! The first process of a container that somebody else looks after.

use super::state::ProcessName;
use rbuild_sandbox::signals::{Disposition, Signal, disposition};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use std::os::fd::{AsFd, OwnedFd};

impl ProcessName {
    /// The name of the process that has this number now.
    #[must_use]
    pub fn of(pid: i32) -> Option<Self> {
        begun(pid).map(|begun| Self { pid, begun })
    }

    /// The process, if it is there still.
    #[must_use]
    pub fn open(self) -> Option<NamedProcess> {
        let pid = Pid::from_raw(self.pid)?;
        let pidfd = pidfd_open(pid, PidfdFlags::empty()).ok()?;
        // Looked at behind the descriptor: a number that was given to another process has another beginning.
        (begun(self.pid)? == self.begun).then_some(NamedProcess { pid: self.pid, pidfd })
    }
}

/// A process that is what it was, or has ended.
#[derive(Debug)]
pub struct NamedProcess {
    pid: i32,
    pidfd: OwnedFd,
}

impl NamedProcess {
    /// Its number.
    #[must_use]
    pub fn pid(&self) -> i32 {
        self.pid
    }

    /// What names it.
    #[must_use]
    pub fn pidfd(&self) -> std::os::fd::BorrowedFd<'_> {
        self.pidfd.as_fd()
    }

    /// What names it, for good.
    #[must_use]
    pub fn into_pidfd(self) -> OwnedFd {
        self.pidfd
    }

    /// What it does about a signal.
    #[must_use]
    pub fn disposition(&self, signal: Signal) -> Option<Disposition> {
        disposition(self.pid, signal as i32)
    }

    /// Sends a signal. To one that has ended there is nothing to send.
    ///
    /// # Errors
    /// The kernel's refusal.
    pub fn send(&self, signal: i32) -> Result<(), Errno> {
        rbuild_sandbox::signals::send(self.pidfd.as_fd(), signal)
    }

    /// Waits for its end, at most so many milliseconds; `false`: it goes on.
    #[must_use]
    pub fn ends_within(&self, milliseconds: Option<u64>) -> bool {
        rbuild_sandbox::signals::ends_within(self.pidfd.as_fd(), milliseconds)
    }
}

/// When a process began: the 22nd field of `/proc/PID/stat`.
#[expect(clippy::disallowed_methods, reason = "a file of the kernel")]
fn begun(pid: i32) -> Option<u64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The second field is a name, which may have anything in it.
    let (_, fields) = stat.rsplit_once(')')?;
    fields.split_whitespace().nth(19)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_known_again_and_another_is_not_taken_for_it() {
        let mut child = std::process::Command::new("sleep").arg("100").spawn().unwrap();
        let name = ProcessName::of(child.id() as i32).unwrap();
        let process = name.open().unwrap();
        assert!(!process.ends_within(Some(0)));
        let other = ProcessName {
            begun: name.begun + 1,
            ..name
        };
        assert!(other.open().is_none());
        process.send(9).unwrap();
        assert!(process.ends_within(None));
        child.wait().unwrap();
        assert!(name.open().is_none());
        process.send(9).unwrap();
    }
}
