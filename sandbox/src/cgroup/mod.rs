//! Groups of processes and what they may use: cgroups(7), version 2, version 1, or both at once.
//!
//! A command with [`Limits`](crate::Limits) gets a group of its own below the one that this process is in, so that it
//! stays within whatever limits we have. Where a limit cannot be had, that is an error before the command starts, which
//! says what is missing ([`LimitError::remedy`]); no limit is ever left out.
//!
//! | module | what lives there |
//! |---|---|
//! | `controller` | the parts of the kernel that limit and count |
//! | `hierarchy` | which trees of groups are mounted, and where a process is in them |
//! | `delegation` | the places where we may make groups, made ready |
//! | `setting` | limits as files and values of each version |
//! | `group` | the group of one command: made, locked, entered, removed |
//! | `statistics` | what the processes of a group use and have used |
//! | `error` | why a limit cannot be had, and what to do |
//!
//! A group is locked (`flock(2)` on its directory) by the process that made it. The kernel gives such a lock back when
//! that process ends, however it ends, so whoever makes a group next knows which ones nobody needs any more.

mod controller;
mod delegation;
mod error;
mod group;
mod hierarchy;
mod setting;
mod statistics;

use std::ffi::OsStr;
use std::os::fd::OwnedFd;
use std::path::Path;

use delegation::Delegation;

pub use error::LimitError;
pub use group::Group;
pub(crate) use group::{clone, join};
pub use statistics::Statistics;

/// What the names of our groups begin with.
const PREFIX: &str = "rbuild-";
/// The group that we move into, since in version 2 a group with processes of its own has no limited ones below it.
const OURS: &str = "rbuild.self";

/// Whether commands with these limits can be started here. It makes ready what they need: with version 2, this process
/// and those beside it move into a group of their own below the one where they are.
///
/// # Errors
/// The first limit that cannot be had.
pub fn check(limits: &crate::Limits) -> Result<(), LimitError> {
    Delegation::find(limits).map(drop)
}

/// The controllers with which commands could be limited here, by name. Nothing is made ready; what a group around ours keeps
/// back shows only to [`check`].
///
/// # Errors
/// Why there are none.
pub fn outlook() -> Result<Vec<&'static str>, LimitError> {
    Delegation::outlook()
}

/// What the processes use that are in the group of this one.
///
/// # Errors
/// The process is gone, or its groups cannot be read.
pub fn statistics_of(pid: i32) -> Result<Statistics, LimitError> {
    hierarchy::Hierarchies::of(Path::new("/proc"), OsStr::new(&pid.to_string()))
        .map(|hierarchies| statistics::of_process(&hierarchies))
}

/// The groups of ours that a process is in, to start another one in them: none where it has no limits.
///
/// # Errors
/// The process is gone, or its groups cannot be opened.
pub fn groups_of(pid: i32) -> Result<Vec<OwnedFd>, LimitError> {
    let found = hierarchy::Hierarchies::of(Path::new("/proc"), OsStr::new(&pid.to_string()))?;
    let all = found.unified.iter().chain(found.legacy.values());
    let mut dirs: Vec<&Path> = all.map(|hierarchy| hierarchy.own.as_path()).collect();
    dirs.sort_unstable();
    // Several parts of version 1 may be one hierarchy.
    dirs.dedup();
    let ours = dirs.into_iter().filter(|dir| group::is_ours(dir));
    ours.map(group::open).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_groups_of_a_process_used_can_be_read() {
        let us = rustix::process::getpid().as_raw_nonzero().get();
        let statistics = statistics_of(us).unwrap();
        // Where nothing is mounted, nothing is counted; what is counted is more than nothing.
        assert!(statistics.cpu.is_none_or(|cpu| !cpu.is_zero()), "{statistics:?}");
        assert!(statistics.pids.is_none_or(|pids| pids > 0), "{statistics:?}");
        assert!(statistics_of(i32::MAX).is_err());
    }
}
