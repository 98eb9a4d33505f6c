//! What a process has from whoever started it, and what of that is changed at once.

use std::sync::OnceLock;

use rustix::fs::Mode;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit, umask};

use crate::sys;

/// The caller's limit for core dumps, which commands get back.
static CORE: OnceLock<Rlimit> = OnceLock::new();

/// The caller's limit for open files, which commands get back: one that uses select(2) must have no more.
static FILES: OnceLock<Rlimit> = OnceLock::new();

/// Call it first of all, before any thread exists.
///
/// - A umask that takes the owner's own bits would make directories that this process cannot enter itself. What it takes
///   from others is heeded.
/// - A file that grows beyond a limit (`ulimit -f`) is an error of the write, not the end of the process.
/// - There are no core dumps: secrets are in memory. Not even through a pipe to a collector, for which the kernel takes
///   a limit of 0 for "any size", but 1 for "none" (`core(5)`).
/// - As many files may be open as the system allows.
pub fn settle() {
    const USUAL: Mode = Mode::WGRP.union(Mode::WOTH);
    let mask = umask(USUAL);
    if mask != USUAL {
        umask(mask.difference(Mode::RWXU));
    }
    sys::ignore_signal(libc::SIGXFSZ);
    let limit = getrlimit(Resource::Core);
    let none = Rlimit {
        current: Some(limit.maximum.map_or(1, |most| most.min(1))),
        ..limit
    };
    // A soft limit can always be lowered. Where it cannot all the same, nothing else is worse.
    if setrlimit(Resource::Core, none).is_ok() {
        let _ = CORE.set(limit);
    }
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        ..limit
    };
    if limit.current != limit.maximum && setrlimit(Resource::Nofile, raised).is_ok() {
        let _ = FILES.set(limit);
    }
}

/// Gives a command the limits that the caller had.
pub(crate) fn restore_limits() {
    for (resource, limit) in [(Resource::Core, &CORE), (Resource::Nofile, &FILES)] {
        if let Some(limit) = limit.get() {
            let _ = setrlimit(resource, *limit);
        }
    }
}
