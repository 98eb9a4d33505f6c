//! Error numbers that say nothing about what was attempted: the machine, or a limit, has no more of something.

/// What to do about a start of a process or thread, or any other attempt, that failed with this error number
/// (`errno(3)`). `None`: it is about what was attempted.
pub fn shortage(errno: i32) -> Option<&'static str> {
    match errno {
        // Of clone(2), fork(2), execve(2) and pthread_create(3) alone. Who does not start anything may get it too, to
        // mean "not yet"; that is not told to anybody.
        libc::EAGAIN => Some(
            "no more processes and threads may be started: raise `ulimit -u`, or the limit of the container or unit \
             (`--pids-limit`, `TasksMax=`)",
        ),
        libc::ENOMEM => {
            Some("there is not enough memory: free some, or raise the limit of the container or unit")
        }
        libc::EMFILE => Some("too many files are open: raise `ulimit -n`"),
        libc::ENFILE => Some("too many files are open on this host: sudo sysctl -w fs.file-max=…"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_about_the_attempt_is_no_shortage() {
        for errno in [libc::EPERM, libc::ENOENT, libc::ENOSPC, libc::EINVAL, 0] {
            assert_eq!(shortage(errno), None);
        }
        assert!(shortage(libc::EAGAIN).unwrap().contains("ulimit -u"));
    }
}
