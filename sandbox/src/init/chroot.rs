//! A directory as the root, without a mount: what a process can give up by itself stands in for namespaces.

use rustix::fs::{Mode, OFlags};

use super::{Init, Outcome};
use crate::landlock;
use crate::spawn_error::{Phase, SpawnError};
use crate::spec::Root;

/// The directory becomes the root. Who may call chroot(2) can leave it again; the command may not.
pub(super) fn root(init: &mut Init) -> Outcome {
    let Root::Directory(path) = &init.spec.root else {
        return Err(SpawnError::words(
            Phase::Root,
            "an overlay cannot be mounted here",
        ));
    };
    let fail = |errno| SpawnError::new(Phase::Root, errno).at(path);
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let root = rustix::fs::open(path, flags, Mode::empty()).map_err(fail)?;
    rustix::process::fchdir(&root).map_err(fail)?;
    rustix::process::chroot(".").map_err(fail)?;
    rustix::process::chdir("/").map_err(fail)
}

/// Leaves no file to the command but those of its root, and no process but its own.
pub(super) fn files(_: &mut Init) -> Outcome {
    let fail = |errno| SpawnError::new(Phase::Files, errno);
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let root = rustix::fs::open("/", flags, Mode::empty()).map_err(fail)?;
    // A kernel without Landlock leaves it at the root directory: `rbuild doctor` says so.
    landlock::enclose(std::os::fd::AsFd::as_fd(&root))
        .map_err(fail)
        .map(drop)
}
