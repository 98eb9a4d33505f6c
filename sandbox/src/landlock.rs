//! Sockets of the host that have a name but no file: `unix(7)`, "abstract". They belong to a network, so that a command
//! on the host's network finds all of them, whatever its root is and whoever listens there (CVE-2020-15257). Landlock
//! (`landlock(7)`) can close a process and its children off from those that were made outside; Linux 6.12.

//!
//! Where a command has no namespaces, the same keeps its hands off processes that are not its own, and off files outside
//! of its root, whatever descriptor or directory it may have found.

use std::os::fd::BorrowedFd;

use rustix::io::Errno;

use crate::sys;

/// The first version of the kernel's interface that knows scopes.
const FIRST_WITH_SCOPES: u32 = 6;
/// `LANDLOCK_SCOPE_ABSTRACT_UNIX_SOCKET` and `LANDLOCK_SCOPE_SIGNAL` of linux/landlock.h.
const ABSTRACT_UNIX_SOCKET: u64 = 1;
const SIGNAL: u64 = 2;

/// Whether the kernel can do it.
pub(crate) fn has_scopes() -> bool {
    // An error is a kernel without Landlock, or with it switched off, or a filter of system calls around us.
    sys::landlock_version().is_ok_and(|version| version >= FIRST_WITH_SCOPES)
}

/// Closes this process off, and all that it will start. Among themselves they use such sockets as ever. Needs
/// `CAP_SYS_ADMIN` in the user namespace, or `no_new_privs`.
pub(crate) fn leave_abstract_sockets() -> Result<(), Errno> {
    sys::landlock_restrict(ABSTRACT_UNIX_SOCKET, 0, None)
}

/// The same, and no signal reaches a process outside either.
pub(crate) fn leave_processes() -> Result<(), Errno> {
    sys::landlock_restrict(ABSTRACT_UNIX_SOCKET | SIGNAL, 0, None)
}

/// Leaves nothing of the host's files but those beneath `root`, and as far as the kernel knows scopes, no process and no
/// abstract socket outside. `false` where the kernel has no Landlock. Needs what [`leave_abstract_sockets`] needs.
pub(crate) fn enclose(root: BorrowedFd<'_>) -> Result<bool, Errno> {
    let Ok(version) = sys::landlock_version() else {
        return Ok(false);
    };
    let scopes = match version >= FIRST_WITH_SCOPES {
        true => ABSTRACT_UNIX_SOCKET | SIGNAL,
        false => 0,
    };
    sys::landlock_restrict(scopes, file_accesses(version), Some(root)).map(|()| true)
}

/// All accesses to files that a version knows: 13 in the first, then moving between directories, cutting off, and
/// commands to devices.
fn file_accesses(version: u32) -> u64 {
    let count = match version {
        0 | 1 => 13,
        2 => 14,
        3 | 4 => 15,
        _ => 16,
    };
    (1 << count) - 1
}
