//! Sockets of the host that have a name but no file: `unix(7)`, "abstract". They belong to a network, so that a command
//! on the host's network finds all of them, whatever its root is and whoever listens there (CVE-2020-15257). Landlock
//! (`landlock(7)`) can close a process and its children off from those that were made outside; Linux 6.12.

use rustix::io::Errno;

use crate::sys;

/// The first version of the kernel's interface that knows scopes.
const FIRST_WITH_SCOPES: u32 = 6;
/// `LANDLOCK_SCOPE_ABSTRACT_UNIX_SOCKET` of linux/landlock.h.
const ABSTRACT_UNIX_SOCKET: u64 = 1;

/// Whether the kernel can do it.
pub(crate) fn has_scopes() -> bool {
    // An error is a kernel without Landlock, or with it switched off, or a filter of system calls around us.
    sys::landlock_version().is_ok_and(|version| version >= FIRST_WITH_SCOPES)
}

/// Closes this process off, and all that it will start. Among themselves they use such sockets as ever. Needs
/// `CAP_SYS_ADMIN` in the user namespace, or `no_new_privs`.
pub(crate) fn leave_abstract_sockets() -> Result<(), Errno> {
    sys::landlock_restrict(ABSTRACT_UNIX_SOCKET)
}
