//! The root file system: from the host's tree to the container's.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{AtFlags, CWD, Mode, OFlags, StatxFlags, statx};
use rustix::mount::{MountAttrFlags, MountPropagationFlags, UnmountFlags};

use super::{Init, Outcome, tree};
use crate::overlay::Layers;
use crate::spawn_error::{Phase, SpawnError};
use crate::spec::Root;

/// No mount made from here on reaches the host, and none of the host's reaches us.
pub(super) fn propagation(_: &mut Init) -> Outcome {
    rustix::mount::mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC)
        .map_err(|errno| SpawnError::new(Phase::Propagation, errno))
}

/// A memory file system over the old root. It holds the place where the new root is attached, and the content of
/// generated files and secrets; ramfs, because its pages are never swapped out.
pub(super) fn staging(init: &mut Init) -> Outcome {
    let fail = |errno| SpawnError::new(Phase::Staging, errno);
    let staging = tree::new_fs("ramfs", &[("mode", "700")], tree::NO_SUID_DEV_EXEC).map_err(fail)?;
    let old_root = rustix::fs::open(
        "/",
        OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC,
        Mode::empty(),
    )
    .map_err(fail)?;
    tree::attach(&staging, old_root.as_fd()).map_err(fail)?;
    rustix::fs::mkdirat(&staging, "root", Mode::RWXU).map_err(fail)?;
    init.staging = Some(staging);
    Ok(())
}

/// Copies the mount of the host that becomes the root, if one does; before the staging area lies on the host's root.
pub(super) fn root_of_host(init: &mut Init) -> Outcome {
    let (path, attributes) = match &init.spec.root {
        Root::Directory(path) => (path, MountAttrFlags::empty()),
        // An overlay without an upper directory needs two layers; one is its own overlay.
        Root::ReadOnlyOverlay { lowers } if lowers.len() == 1 => {
            (&lowers[0], MountAttrFlags::MOUNT_ATTR_RDONLY)
        }
        Root::Overlay { .. } | Root::ReadOnlyOverlay { .. } => return Ok(()),
    };
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let copy = rustix::fs::openat(CWD, path, flags, Mode::empty())
        .and_then(|directory| tree::clone_mount(directory.as_fd(), true))
        .and_then(|copy| tree::restrict(&copy, true, attributes).map(|()| copy))
        .map_err(|errno| SpawnError::new(Phase::Root, errno).at(path))?;
    init.root = Some(copy);
    Ok(())
}

/// Mounts the root and attaches it in the staging area.
pub(super) fn root(init: &mut Init) -> Outcome {
    let fail = |errno| SpawnError::new(Phase::Root, errno);
    let staging = init
        .staging
        .as_ref()
        .ok_or_else(|| SpawnError::words(Phase::Root, "no staging area"))?;
    let overlay = |layers: Layers, attributes| {
        layers
            .mount(attributes, staging.as_fd())
            .map_err(|(errno, path)| match path {
                Some(path) => fail(errno).at(path),
                None => fail(errno),
            })
    };
    let root = match (init.root.take(), &init.spec.root) {
        (Some(copy), _) => copy,
        (
            None,
            Root::Overlay {
                lowers,
                upper,
                work,
                volatile,
            },
        ) => {
            let layers = Layers {
                lowers,
                upper: Some((upper, work)),
                volatile: *volatile,
            };
            overlay(layers, MountAttrFlags::empty())?
        }
        (None, Root::ReadOnlyOverlay { lowers }) => overlay(
            Layers {
                lowers,
                upper: None,
                volatile: false,
            },
            MountAttrFlags::MOUNT_ATTR_RDONLY,
        )?,
        (None, Root::Directory(path)) => return Err(fail(rustix::io::Errno::NOENT).at(path)),
    };
    let place = tree::place(staging, "root", OFlags::DIRECTORY).map_err(fail)?;
    tree::attach(&root, place.as_fd()).map_err(fail)?;
    init.root = Some(root);
    Ok(())
}

/// The new root becomes the root; the old one is detached with everything on it.
pub(super) fn pivot(init: &mut Init) -> Outcome {
    let fail = |errno| SpawnError::new(Phase::Pivot, errno);
    let root = init
        .root
        .take()
        .ok_or_else(|| SpawnError::words(Phase::Pivot, "no root"))?;
    if init.spec.read_only {
        tree::restrict(&root, false, MountAttrFlags::MOUNT_ATTR_RDONLY).map_err(fail)?;
    }
    rustix::process::fchdir(&root).map_err(fail)?;
    // pivot_root(2), notes: with both names "." the old root comes to lie on top of the new one; on top of that still
    // lies the staging area. `unmount` takes the topmost.
    rustix::process::pivot_root(".", ".").map_err(fail)?;
    for _covering in ["staging area", "old root"] {
        rustix::mount::unmount(".", UnmountFlags::DETACH).map_err(fail)?;
    }
    rustix::process::chdir("/").map_err(fail)?;
    check_nothing_covers(&root)?;
    init.staging = None;
    init.dev = None;
    init.devpts = None;
    Ok(())
}

/// Makes sure that the new root is the topmost mount at the root: `..` of the root crosses into what covers it.
fn check_nothing_covers(root: &OwnedFd) -> Outcome {
    let fail = |errno| SpawnError::new(Phase::Pivot, errno);
    let mount_of = |directory: BorrowedFd<'_>, path: &str| {
        statx(directory, path, AtFlags::EMPTY_PATH, StatxFlags::MNT_ID)
            .map(|stat| stat.stx_mnt_id)
            .map_err(fail)
    };
    let ours = mount_of(root.as_fd(), "")?;
    if mount_of(CWD, "/..")? != ours || mount_of(CWD, "/")? != ours {
        return Err(SpawnError::words(Phase::Pivot, "the old root is still there"));
    }
    Ok(())
}
