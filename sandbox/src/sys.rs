//! The system calls that neither `rustix` nor `nix` offers safely: all the `unsafe` of the project.
//!
//! Every function is small, takes and returns owned types, and leaves no way to break memory safety from outside.
//! `clone_process` is the one with a demand on its caller: one thread only, which it checks itself.
#![allow(unsafe_code)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::ffi::{CStr, c_void};
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::io::Errno;

/// The system's memory, for a program that ends where it gets none: with a message and a code, and without asking for
/// more, as the runtime of the language may while it says so.
#[derive(Debug)]
pub struct MemoryOrEnd {
    /// What is said on standard error: at most as much as fits into a pipe that has room (`PIPE_BUF`).
    pub words: &'static str,
    /// The exit code.
    pub code: i32,
}

impl MemoryOrEnd {
    /// Ends the process: nothing is cleaned up, nothing flushed, nobody waited for.
    pub fn end(&self) -> ! {
        let stderr = rustix::stdio::stderr();
        let mut room = [PollFd::new(&stderr, PollFlags::OUT)];
        // Nobody may be reading.
        if rustix::event::poll(&mut room, Some(&Timespec::default())) == Ok(1) {
            let _ = rustix::io::write(stderr, self.words.as_bytes());
        }
        exit_now(self.code)
    }

    fn given(&self, memory: *mut u8) -> *mut u8 {
        match memory.is_null() {
            true => self.end(),
            false => memory,
        }
    }
}

// SAFETY: all memory is the system allocator's, which is asked for what was asked for here, and gets back what it gave.
unsafe impl GlobalAlloc for MemoryOrEnd {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's promise is the one that is asked for.
        self.given(unsafe { System.alloc(layout) })
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as above.
        self.given(unsafe { System.alloc_zeroed(layout) })
    }

    unsafe fn realloc(&self, old: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: as above.
        self.given(unsafe { System.realloc(old, layout, size) })
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        // SAFETY: as above.
        unsafe { System.dealloc(memory, layout) }
    }
}

/// What `clone_process` returned into.
pub(crate) enum Cloned {
    /// The new process.
    Child,
    /// The process that called.
    Parent(Process),
}

/// A child process that has not been waited for.
pub(crate) struct Process {
    /// Its process id in the caller's pid namespace; safe to wait for, since nobody else reaps it.
    pub(crate) pid: i32,
    /// Names the process whatever becomes of the number.
    pub(crate) pidfd: OwnedFd,
}

/// How a process ended.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ended {
    /// Status as `wait(2)` gives it.
    pub(crate) status: i32,
    /// Peak resident size of the largest process of the tree, in bytes.
    pub(crate) max_rss: u64,
    /// User and system time of the process and the descendants that it waited for.
    pub(crate) cpu: Duration,
}

fn check(result: libc::c_long) -> Result<libc::c_long, Errno> {
    if result == -1 {
        Err(Errno::from_io_error(&io::Error::last_os_error()).unwrap_or(Errno::IO))
    } else {
        Ok(result)
    }
}

/// Whether the calling process has exactly one thread. A thread that was just joined may still be leaving, so this
/// looks again for some milliseconds before it says no.
pub(crate) fn is_single_threaded() -> bool {
    for _ in 0..50 {
        // Without /proc there is no telling; every caller also documents its demand.
        let threads = std::fs::read_dir("/proc/self/task").map_or(1, Iterator::count);
        if threads == 1 {
            return true;
        }
        std::thread::sleep(Duration::from_micros(200));
    }
    false
}

/// Creates a child process with copy-on-write memory, in the new namespaces that `flags` names. The child continues
/// behind the call. `EBUSY` when the process has more than one thread.
pub(crate) fn fork_single_threaded(flags: i32) -> Result<Cloned, Errno> {
    if is_single_threaded() {
        clone_process(flags)
    } else {
        Err(Errno::BUSY)
    }
}

/// As `fork_single_threaded` without looking; for a process that was itself forked with one thread and makes none.
pub(crate) fn clone_process(flags: i32) -> Result<Cloned, Errno> {
    let mut pidfd: libc::c_int = -1;
    let flags = libc::c_long::from(flags | libc::CLONE_PIDFD | libc::SIGCHLD);
    let none = std::ptr::null_mut::<c_void>();
    // SAFETY: without CLONE_VM and with a null stack this is fork(2): the child gets a copy of the address space and
    // of this thread. No other thread exists, so no lock can be held forever in the child. CLONE_PIDFD makes the
    // kernel store one int behind the third argument, which outlives the call. The last two arguments, whose order
    // differs between architectures, are both null and unused by these flags.
    let pid = check(unsafe { libc::syscall(libc::SYS_clone, flags, none, &raw mut pidfd, none, none) })?;
    if pid == 0 {
        return Ok(Cloned::Child);
    }
    // SAFETY: in the parent the kernel has stored a new descriptor that nobody else owns.
    let pidfd = unsafe { OwnedFd::from_raw_fd(pidfd) };
    Ok(Cloned::Parent(Process {
        pid: pid as i32,
        pidfd,
    }))
}

/// As `clone_process`, in a group of version 2 (`clone3(2)`); `group` is its directory.
pub(crate) fn clone_process_into(flags: i32, group: BorrowedFd<'_>) -> Result<Cloned, Errno> {
    // `libc` gives it a type that it does not fit.
    const CLONE_INTO_CGROUP: u64 = 0x2_0000_0000;
    let mut pidfd: libc::c_int = -1;
    // SAFETY: the struct is plain numbers, for which all zeros is a valid value.
    let mut args: libc::clone_args = unsafe { std::mem::zeroed() };
    args.flags = (flags | libc::CLONE_PIDFD) as u64 | CLONE_INTO_CGROUP;
    args.pidfd = (&raw mut pidfd).expose_provenance() as u64;
    args.exit_signal = libc::SIGCHLD as u64;
    args.cgroup = group.as_raw_fd() as u64;
    // SAFETY: as in `clone_process`: without CLONE_VM and with a null stack this is fork(2). `args` is live and of the size
    // passed; the one pointer in it leads to an int that outlives the call.
    let pid =
        check(unsafe { libc::syscall(libc::SYS_clone3, &raw const args, size_of::<libc::clone_args>()) })?;
    if pid == 0 {
        return Ok(Cloned::Child);
    }
    // SAFETY: in the parent the kernel has stored a new descriptor that nobody else owns.
    let pidfd = unsafe { OwnedFd::from_raw_fd(pidfd) };
    Ok(Cloned::Parent(Process {
        pid: pid as i32,
        pidfd,
    }))
}

/// As `fork_single_threaded` in a process that may have threads. The child must not rely on anything that another
/// thread may have locked; the C library takes care of its own locks. The child's id, and `None` in the child.
pub(crate) fn fork_with_threads() -> Result<Option<i32>, Errno> {
    // SAFETY: the C library holds its locks across the fork, so that the child may allocate. Callers only use code
    // that takes no other lock, and end the child by exit_now.
    let pid = check(unsafe { libc::fork() }.into())? as i32;
    Ok((pid != 0).then_some(pid))
}

/// Waits until a child has ended and reaps it.
pub(crate) fn wait(pid: i32) -> Result<Ended, Errno> {
    let mut status = 0;
    loop {
        // SAFETY: `rusage` is plain numbers, for which all zeros is a valid value.
        let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
        // SAFETY: both pointers lead to live, writable values of the types that wait4(2) fills.
        let result = check(unsafe { libc::wait4(pid, &raw mut status, 0, &raw mut usage) }.into());
        match result {
            Err(Errno::INTR) => continue,
            Err(errno) => return Err(errno),
            Ok(_) => {
                let time = |t: libc::timeval| {
                    Duration::from_secs(t.tv_sec as u64) + Duration::from_micros(t.tv_usec as u64)
                };
                return Ok(Ended {
                    status,
                    max_rss: (usage.ru_maxrss as u64).saturating_mul(1024),
                    cpu: time(usage.ru_utime) + time(usage.ru_stime),
                });
            }
        }
    }
}

/// Ends the process at once, running no destructor and flushing nothing.
pub(crate) fn exit_now(code: i32) -> ! {
    // SAFETY: _exit(2) has no preconditions.
    unsafe { libc::_exit(code) }
}

/// Changes the attributes of a mount (`mount_setattr(2)`, Linux 5.12): `set` are `MOUNT_ATTR_*` to switch on.
pub(crate) fn mount_setattr(
    mount: BorrowedFd<'_>,
    recursive: bool,
    set: u32,
    private: bool,
) -> Result<(), Errno> {
    let attr = libc::mount_attr {
        attr_set: set.into(),
        attr_clr: 0,
        propagation: if private { libc::MS_PRIVATE } else { 0 },
        userns_fd: 0,
    };
    let flags = libc::AT_EMPTY_PATH | if recursive { libc::AT_RECURSIVE } else { 0 };
    // SAFETY: the path is a NUL-terminated constant, `attr` is live and of the size passed.
    check(unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            mount.as_raw_fd(),
            c"".as_ptr(),
            flags,
            &raw const attr,
            size_of::<libc::mount_attr>(),
        )
    })?;
    Ok(())
}

/// Marks every descriptor from `first` on to be closed by exec.
pub(crate) fn close_on_exec_from(first: u32) -> Result<(), Errno> {
    // SAFETY: close_range(2) takes no pointers, and with this flag it closes nothing now.
    check(unsafe { libc::syscall(libc::SYS_close_range, first, u32::MAX, libc::CLOSE_RANGE_CLOEXEC) })?;
    Ok(())
}

/// Closes every descriptor above 2 but `keep`. For a freshly forked process that goes on with these alone.
pub(crate) fn close_all_but(keep: &[BorrowedFd<'_>]) -> Result<(), Errno> {
    let mut keep: Vec<u32> = keep.iter().map(|fd| fd.as_raw_fd() as u32).collect();
    keep.sort_unstable();
    let mut first = 3;
    for kept in keep.iter().map(|kept| Some(*kept)).chain([None]) {
        let last = kept.map_or(u32::MAX, |kept| kept.saturating_sub(1));
        if first <= last {
            // SAFETY: takes no pointers. Owners of the closed descriptors live in frames to which this process never
            // returns (it ends by exit_now), so nothing closes or uses the numbers a second time.
            check(unsafe { libc::syscall(libc::SYS_close_range, first, last, 0) })?;
        }
        first = kept.map_or(first, |kept| first.max(kept + 1));
    }
    Ok(())
}

/// Gives every signal its default action and unblocks all: `exec` keeps ignored and blocked ones. Asks the kernel
/// itself, since the C library hides the two real-time signals that it uses.
pub(crate) fn reset_signals() {
    const SIGNALS: libc::c_int = 64;
    const SET_SIZE: usize = 8;
    // `struct sigaction` of the kernel: handler, flags, restorer, mask. All zeros are SIG_DFL with nothing else.
    let default = [0u64; 4];
    let none = std::ptr::null_mut::<c_void>();
    for signal in 1..=SIGNALS {
        // SAFETY: the kernel reads at most 32 bytes of `default`, which installs no handler, and stores nothing.
        // Failure (SIGKILL, SIGSTOP) changes nothing.
        unsafe { libc::syscall(libc::SYS_rt_sigaction, signal, default.as_ptr(), none, SET_SIZE) };
    }
    let empty = 0u64;
    // SAFETY: the kernel reads eight bytes of `empty` and stores nothing.
    unsafe {
        libc::syscall(
            libc::SYS_rt_sigprocmask,
            libc::SIG_SETMASK,
            &raw const empty,
            none,
            SET_SIZE,
        )
    };
}

/// Ignores a signal, in this process and in the programs that it executes.
pub(crate) fn ignore_signal(signal: libc::c_int) {
    // SAFETY: SIG_IGN is no handler, so no code of ours runs at an odd moment. Failure changes nothing.
    unsafe { libc::signal(signal, libc::SIG_IGN) };
}

/// Has a child do something between fork and exec.
pub(crate) fn before_exec(
    command: &mut Command,
    act: impl FnMut() -> io::Result<()> + Send + Sync + 'static,
) {
    // SAFETY: the acts of `child.rs` make system calls and nothing else: they allocate nothing, and touch no memory that
    // another thread may have left locked.
    unsafe { command.pre_exec(act) };
}

/// Sends a signal by number, which `rustix` cannot name for real-time signals.
pub(crate) fn pidfd_send_signal(pidfd: BorrowedFd<'_>, signal: i32) -> Result<(), Errno> {
    let no_info = std::ptr::null::<c_void>();
    // SAFETY: a null siginfo is allowed and means "as kill(2)".
    check(unsafe { libc::syscall(libc::SYS_pidfd_send_signal, pidfd.as_raw_fd(), signal, no_info, 0) })?;
    Ok(())
}

/// Replaces the session keyring with a new, empty one.
pub(crate) fn join_session_keyring() -> Result<(), Errno> {
    const KEYCTL_JOIN_SESSION_KEYRING: libc::c_long = 1;
    let anonymous = std::ptr::null::<libc::c_char>();
    // SAFETY: a null name asks for an anonymous keyring; no other pointer is passed.
    check(unsafe { libc::syscall(libc::SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, anonymous) })?;
    Ok(())
}

/// Installs a seccomp filter on this thread. Needs `no_new_privs` or `CAP_SYS_ADMIN` in the user namespace.
pub(crate) fn install_filter(program: &[libc::sock_filter]) -> Result<(), Errno> {
    let length = u16::try_from(program.len()).map_err(|_| Errno::TOOBIG)?;
    let program = libc::sock_fprog {
        len: length,
        filter: program.as_ptr().cast_mut(),
    };
    let mode = libc::SECCOMP_SET_MODE_FILTER;
    // Without this flag old kernels switch on a mitigation that slows every program in the filter.
    let flags = libc::SECCOMP_FILTER_FLAG_SPEC_ALLOW;
    // SAFETY: `program` points to `length` instructions that live through the call; the kernel copies and checks
    // them and writes nothing.
    check(unsafe { libc::syscall(libc::SYS_seccomp, mode, flags, &raw const program) })?;
    Ok(())
}

/// The version of the kernel's Landlock.
pub(crate) fn landlock_version() -> Result<u32, Errno> {
    const VERSION: libc::c_long = 1;
    let nothing = std::ptr::null::<c_void>();
    // SAFETY: with this flag the kernel takes a null pointer and the size 0, and stores nothing.
    let version = check(unsafe { libc::syscall(libc::SYS_landlock_create_ruleset, nothing, 0, VERSION) })?;
    Ok(version as u32)
}

/// Puts this thread and its future children into a Landlock domain that has `scopes` (`LANDLOCK_SCOPE_*`), handles no
/// port, and handles the accesses `files` to files (`LANDLOCK_ACCESS_FS_*`): allowed beneath `root`, nowhere else.
pub(crate) fn landlock_restrict(scopes: u64, files: u64, root: Option<BorrowedFd<'_>>) -> Result<(), Errno> {
    // `struct landlock_ruleset_attr`: what is handled of files, of the network, and the scopes. An older kernel takes a
    // longer struct, as long as the fields that it does not know are 0.
    let attr = [files, 0, scopes];
    // SAFETY: `attr` is live, has the three fields of the struct and the size passed; the kernel only reads it.
    let ruleset = check(unsafe {
        libc::syscall(
            libc::SYS_landlock_create_ruleset,
            attr.as_ptr(),
            size_of_val(&attr),
            0,
        )
    })?;
    // SAFETY: the kernel has made a new descriptor that nobody else owns.
    let ruleset = unsafe { OwnedFd::from_raw_fd(ruleset as i32) };
    if let Some(root) = root {
        const PATH_BENEATH: libc::c_int = 1;
        // `struct landlock_path_beneath_attr` is packed: eight bytes of accesses, four of the descriptor.
        let mut rule = [0u8; 12];
        rule[..8].copy_from_slice(&files.to_ne_bytes());
        rule[8..].copy_from_slice(&root.as_raw_fd().to_ne_bytes());
        // SAFETY: `rule` is live and has the layout and size of the struct; the kernel only reads it.
        check(unsafe {
            libc::syscall(
                libc::SYS_landlock_add_rule,
                ruleset.as_raw_fd(),
                PATH_BENEATH,
                rule.as_ptr(),
                0,
            )
        })?;
    }
    // SAFETY: takes no pointers.
    check(unsafe { libc::syscall(libc::SYS_landlock_restrict_self, ruleset.as_raw_fd(), 0) })?;
    Ok(())
}

/// Asks for a read lease on a file and gives it back: the kernel grants one (`F_SETLEASE` of `fcntl(2)`) only where nobody
/// has the file open for writing, or mapped so.
pub(crate) fn try_read_lease(file: BorrowedFd<'_>) -> Result<(), Errno> {
    const F_SETSIG: libc::c_int = 10;
    let file = file.as_raw_fd();
    // Who opens the file for writing in between waits for us, and we are told by a signal. The usual one would end the
    // process; this one does nothing.
    // SAFETY: takes no pointers.
    check(unsafe { libc::fcntl(file, F_SETSIG, libc::SIGURG) }.into())?;
    // SAFETY: takes no pointers.
    check(unsafe { libc::fcntl(file, libc::F_SETLEASE, libc::F_RDLCK) }.into())?;
    // SAFETY: takes no pointers.
    check(unsafe { libc::fcntl(file, libc::F_SETLEASE, libc::F_UNLCK) }.into())?;
    Ok(())
}

/// Switches a network interface on (`netdevice(7)`); `socket` is any socket of the network namespace.
pub(crate) fn interface_up(socket: BorrowedFd<'_>, name: &CStr) -> Result<(), Errno> {
    // SAFETY: `ifreq` is plain old data, for which all zeros is valid.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    let name = name.to_bytes();
    if name.len() >= request.ifr_name.len() {
        return Err(Errno::NAMETOOLONG);
    }
    for (slot, byte) in request.ifr_name.iter_mut().zip(name) {
        *slot = *byte as libc::c_char;
    }
    request.ifr_ifru.ifru_flags = (libc::IFF_UP | libc::IFF_RUNNING) as libc::c_short;
    // SAFETY: SIOCSIFFLAGS reads one `ifreq`, which is live, NUL-terminated in its name and initialised.
    check(unsafe { libc::ioctl(socket.as_raw_fd(), libc::SIOCSIFFLAGS as _, &raw const request) }.into())?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waiting_for_what_is_no_child_is_an_error() {
        assert_eq!(wait(1).unwrap_err(), Errno::CHILD);
    }

    #[test]
    fn a_process_with_threads_is_not_forked() {
        let (send, receive) = std::sync::mpsc::channel::<()>();
        let thread = std::thread::spawn(move || receive.recv());
        let result = fork_single_threaded(0);
        drop(send);
        let _ = thread.join();
        assert!(matches!(result, Err(Errno::BUSY)));
    }
}
