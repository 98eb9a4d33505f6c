//! Entering the namespaces of a command that runs, for another one beside it.
//!
//! Nothing of our executable can be had from within (CVE-2019-5736): the process that enters is not in the pid namespace, and
//! its children, which are, cannot be looked into until they have executed something else. None of them is dumpable, and
//! their memory belongs to the user namespace of whoever started us, so no capability from within helps.

use std::os::fd::{BorrowedFd, OwnedFd};
use std::os::unix::fs::MetadataExt;

use rustix::io::Errno;
use rustix::process::{DumpableBehavior, set_dumpable_behavior};
use rustix::thread::{ThreadNameSpaceType, move_into_thread_name_spaces};

use crate::cgroup;
use crate::signals;
use crate::wire;

/// What becomes of a command when whoever asked for it ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It ends too.
    EndsWithUs,
    /// It lives on.
    LivesOn,
}

/// Enters all namespaces of a process; of its pid namespace the children of this one will be.
pub(crate) fn enter(target: BorrowedFd<'_>, groups: &[OwnedFd]) -> Result<(), Errno> {
    let has_own_network = has_own_network(target)?;
    set_dumpable_behavior(DumpableBehavior::NotDumpable)?;
    if !groups.is_empty() {
        // While their files can be named.
        cgroup::join(groups, false)?;
    }
    let mut all = ThreadNameSpaceType::USER
        | ThreadNameSpaceType::MOUNT
        | ThreadNameSpaceType::PROCESS_ID
        | ThreadNameSpaceType::INTER_PROCESS_COMMUNICATION
        | ThreadNameSpaceType::HOST_NAME_AND_NIS_DOMAIN_NAME
        | ThreadNameSpaceType::CONTROL_GROUP;
    if has_own_network {
        all |= ThreadNameSpaceType::NETWORK;
    }
    move_into_thread_name_spaces(target, all)?;
    // The ids that it has there: its own are nobody's, or another's.
    let root = (rustix::process::Uid::ROOT, rustix::process::Gid::ROOT);
    rustix::thread::set_thread_res_gid(root.1, root.1, root.1)?;
    rustix::thread::set_thread_res_uid(root.0, root.0, root.0)?;
    set_dumpable_behavior(DumpableBehavior::NotDumpable)
}

/// Whether it has another network than we have. That of the host an ordinary user may not enter, not even from itself.
fn has_own_network(target: BorrowedFd<'_>) -> Result<bool, Errno> {
    let pid = signals::pid_of(target).ok_or(Errno::SRCH)?;
    let network = |process: &str| {
        let file = std::fs::metadata(format!("/proc/{process}/ns/net"));
        let file = file.map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::IO))?;
        Ok::<_, Errno>((file.dev(), file.ino()))
    };
    Ok(network(&pid.to_string())? != network("self")?)
}

/// Tells whoever has forked us how that went.
pub(crate) fn tell(control: BorrowedFd<'_>, entered: Result<(), Errno>) -> Result<(), Errno> {
    let errno = entered.err().map_or(0, Errno::raw_os_error);
    wire::send(control, &errno.to_le_bytes(), &[])
}

/// What [`tell`] has told.
pub(crate) fn told(control: BorrowedFd<'_>) -> Result<(), Errno> {
    let (bytes, _) = wire::receive(control)?;
    match <[u8; 4]>::try_from(bytes).map(i32::from_le_bytes) {
        Ok(0) => Ok(()),
        Ok(errno) => Err(Errno::from_raw_os_error(errno)),
        // It was killed.
        Err(_) => Err(Errno::PIPE),
    }
}
