//! Error numbers that say nothing about what was attempted: the machine, or a limit, has no more of something.

use serde::{Deserialize, Serialize};

/// What there is no more of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Shortage {
    /// Processes and threads that may be started.
    Processes,
    /// Memory.
    Memory,
    /// Files that the process may have open.
    OpenFiles,
    /// Files that may be open on this host.
    OpenFilesOfHost,
}

impl Shortage {
    /// Why a start of a process or thread, or any other attempt, failed with this error number (`errno(3)`). `None`: it is
    /// about what was attempted.
    pub fn of(errno: i32) -> Option<Shortage> {
        match errno {
            // Of clone(2), fork(2), execve(2) and pthread_create(3) alone. Who does not start anything may get it too, to
            // mean "not yet"; that is not told to anybody.
            libc::EAGAIN => Some(Shortage::Processes),
            libc::ENOMEM => Some(Shortage::Memory),
            libc::EMFILE => Some(Shortage::OpenFiles),
            libc::ENFILE => Some(Shortage::OpenFilesOfHost),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_about_the_attempt_is_no_shortage() {
        for errno in [libc::EPERM, libc::ENOENT, libc::ENOSPC, libc::EINVAL, 0] {
            assert_eq!(Shortage::of(errno), None);
        }
        assert_eq!(Shortage::of(libc::EAGAIN), Some(Shortage::Processes));
    }
}
