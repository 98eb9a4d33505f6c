//! From a path to a descriptor, without ever leaving the root.
//!
//! Two ways with the same answers: `openat2(2)` where the kernel and the seccomp filter around us allow it, else a walk
//! with `O_PATH`, one name at a time, that reads every symbolic link itself.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{AtFlags, FileType, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;

use crate::path::{components, relative};

/// How paths are resolved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resolver {
    /// By the kernel: `openat2(2)`, Linux 5.6.
    Openat2,
    /// Name by name with `O_PATH`. For sandboxes whose seccomp filter denies `openat2`.
    Walk,
}

/// What a symbolic link in the last place of a path means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LastLink {
    /// It is followed.
    Follow,
    /// It is the answer itself.
    Keep,
}

/// The kernel's own limit (`MAXSYMLINKS`).
const MAX_LINKS: usize = 40;

/// openat2 answers EAGAIN when a rename elsewhere made a `..` unsafe to judge; then it is asked again.
const RETRIES: usize = 32;

impl Resolver {
    /// `openat2` if this process may use it.
    pub(crate) fn probe(root: BorrowedFd<'_>) -> Resolver {
        match rustix::fs::openat2(root, ".", PATH_FLAGS, Mode::empty(), IN_ROOT) {
            // Old kernels do not know it; some seccomp profiles deny it with EPERM.
            Err(Errno::NOSYS | Errno::PERM) => Resolver::Walk,
            _ => Resolver::Openat2,
        }
    }
}

const PATH_FLAGS: OFlags = OFlags::PATH.union(OFlags::CLOEXEC);
const IN_ROOT: ResolveFlags = ResolveFlags::IN_ROOT.union(ResolveFlags::NO_MAGICLINKS);
const NO_LINKS: ResolveFlags = ResolveFlags::BENEATH
    .union(ResolveFlags::NO_SYMLINKS)
    .union(ResolveFlags::NO_MAGICLINKS);

/// Opens `path` as if `root` were `/`: links are followed inside the root, `..` stops at it.
pub(crate) fn open_in_root(
    resolver: Resolver,
    root: BorrowedFd<'_>,
    path: &[u8],
    flags: OFlags,
    last: LastLink,
) -> rustix::io::Result<OwnedFd> {
    if path.contains(&0) {
        return Err(Errno::INVAL);
    }
    let flags = flags
        | OFlags::CLOEXEC
        | if last == LastLink::Keep {
            OFlags::NOFOLLOW
        } else {
            OFlags::empty()
        };
    match resolver {
        Resolver::Openat2 => {
            for _ in 0..RETRIES {
                match rustix::fs::openat2(root, relative(path), flags, Mode::empty(), IN_ROOT) {
                    Err(Errno::AGAIN | Errno::INTR) => {}
                    other => return other,
                }
            }
            Err(Errno::AGAIN)
        }
        Resolver::Walk => walk(root, path, flags, last),
    }
}

/// Opens `path`, which holds no `..`, refusing a symbolic link anywhere in it.
pub(crate) fn open_no_links(
    resolver: Resolver,
    root: BorrowedFd<'_>,
    path: &[u8],
    flags: OFlags,
) -> rustix::io::Result<OwnedFd> {
    let flags = flags | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    match resolver {
        Resolver::Openat2 => rustix::fs::openat2(root, relative(path), flags, Mode::empty(), NO_LINKS),
        Resolver::Walk => {
            let mut names = components(path).peekable();
            let mut at: Option<OwnedFd> = None;
            loop {
                let dir = at.as_ref().map_or(root, AsFd::as_fd);
                let Some(name) = names.next() else {
                    return rustix::fs::openat(dir, ".", flags, Mode::empty());
                };
                if names.peek().is_none() {
                    return rustix::fs::openat(dir, name, flags, Mode::empty());
                }
                let next = PATH_FLAGS | OFlags::NOFOLLOW | OFlags::DIRECTORY;
                at = Some(rustix::fs::openat(dir, name, next, Mode::empty())?);
            }
        }
    }
}

/// The `O_PATH` walk. The directories passed stay open, so that `..` goes back the way it came, whatever is renamed
/// meanwhile.
fn walk(root: BorrowedFd<'_>, path: &[u8], flags: OFlags, last: LastLink) -> rustix::io::Result<OwnedFd> {
    let mut passed: Vec<OwnedFd> = Vec::new();
    let mut names: Vec<Vec<u8>> = components(path).rev().map(<[u8]>::to_vec).collect();
    // A path that ends in `/` or `/.` wants a directory, and then a link in the last place is followed.
    let mut wants_dir = matches!(path.last(), Some(b'/')) || path.ends_with(b"/.");
    let mut links = 0;
    while let Some(name) = names.pop() {
        let dir = passed.last().map_or(root, AsFd::as_fd);
        if name == b".." {
            passed.pop();
            continue;
        }
        let is_last = names.is_empty();
        let stat = rustix::fs::statat(dir, &name, AtFlags::SYMLINK_NOFOLLOW)?;
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::Symlink if is_last && last == LastLink::Keep && !wants_dir => {
                return rustix::fs::openat(dir, &name, flags | OFlags::NOFOLLOW, Mode::empty());
            }
            FileType::Symlink => {
                links += 1;
                if links > MAX_LINKS {
                    return Err(Errno::LOOP);
                }
                let target = rustix::fs::readlinkat(dir, &name, Vec::new())?.into_bytes();
                if target.first() == Some(&b'/') {
                    passed.clear();
                }
                if is_last && (target.last() == Some(&b'/') || target.ends_with(b"/.")) {
                    wants_dir = true;
                }
                names.extend(components(&target).rev().map(<[u8]>::to_vec));
            }
            FileType::Directory => {
                let next = PATH_FLAGS | OFlags::NOFOLLOW | OFlags::DIRECTORY;
                passed.push(rustix::fs::openat(dir, &name, next, Mode::empty())?);
            }
            _ if is_last && !wants_dir => {
                return rustix::fs::openat(dir, &name, flags | OFlags::NOFOLLOW, Mode::empty());
            }
            _ => return Err(Errno::NOTDIR),
        }
    }
    let dir = passed.last().map_or(root, AsFd::as_fd);
    rustix::fs::openat(dir, ".", flags, Mode::empty())
}
