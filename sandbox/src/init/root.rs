//! The root file system: from the host's tree to the container's.

use std::os::fd::AsFd;

use rustix::fs::{CWD, Mode, OFlags};
use rustix::mount::{MountAttrFlags, MountPropagationFlags, UnmountFlags};

use super::{Init, Outcome, tree};
use crate::overlay::Layers;
use crate::spec::Root;
use crate::step::{SpawnError, Step};

/// No mount made from here on reaches the host, and none of the host's reaches us.
pub(super) fn propagation(_: &mut Init) -> Outcome {
    rustix::mount::mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC)
        .map_err(|errno| SpawnError::new(Step::Propagation, errno))
}

/// A memory file system over the old root. It holds the place where the new root is attached, and the content of
/// generated files and secrets; ramfs, because its pages are never swapped out.
pub(super) fn staging(init: &mut Init) -> Outcome {
    let fail = |errno| SpawnError::new(Step::Staging, errno);
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

/// Mounts the root and attaches it in the staging area.
pub(super) fn root(init: &mut Init) -> Outcome {
    let fail = |errno| SpawnError::new(Step::Root, errno);
    let staging = init
        .staging
        .as_ref()
        .ok_or_else(|| SpawnError::words(Step::Root, "no staging area"))?;
    let none = MountAttrFlags::empty();
    let bind = |path: &std::path::Path| {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        rustix::fs::openat(CWD, path, flags, Mode::empty())
            .and_then(|directory| tree::clone_mount(directory.as_fd(), true))
            .map_err(|errno| fail(errno).at(path))
    };
    let overlay = |layers: Layers, attributes| {
        layers
            .mount(attributes, staging.as_fd())
            .map_err(|(errno, path)| match path {
                Some(path) => fail(errno).at(path),
                None => fail(errno),
            })
    };
    let root = match &init.spec.root {
        Root::Overlay {
            lowers,
            upper,
            work,
            volatile,
        } => overlay(
            Layers {
                lowers,
                upper: Some((upper, work)),
                volatile: *volatile,
            },
            none,
        )?,
        // An overlay without an upper directory needs two layers; one is its own overlay.
        Root::ReadOnlyOverlay { lowers } if lowers.len() == 1 => {
            let root = bind(&lowers[0])?;
            tree::restrict(&root, true, MountAttrFlags::MOUNT_ATTR_RDONLY).map_err(fail)?;
            root
        }
        Root::ReadOnlyOverlay { lowers } => overlay(
            Layers {
                lowers,
                upper: None,
                volatile: false,
            },
            MountAttrFlags::MOUNT_ATTR_RDONLY,
        )?,
        Root::Directory(path) => bind(path)?,
    };
    let place = tree::place(staging, "root", OFlags::DIRECTORY).map_err(fail)?;
    tree::attach(&root, place.as_fd()).map_err(fail)?;
    init.root = Some(root);
    Ok(())
}

/// The new root becomes the root; the old one is detached with everything on it.
pub(super) fn pivot(init: &mut Init) -> Outcome {
    let fail = |errno| SpawnError::new(Step::Pivot, errno);
    let root = init
        .root
        .take()
        .ok_or_else(|| SpawnError::words(Step::Pivot, "no root"))?;
    if init.spec.read_only {
        tree::restrict(&root, false, MountAttrFlags::MOUNT_ATTR_RDONLY).map_err(fail)?;
    }
    rustix::process::fchdir(&root).map_err(fail)?;
    // pivot_root(2), notes: with both names "." the old root comes to lie on top of the new one.
    rustix::process::pivot_root(".", ".").map_err(fail)?;
    rustix::mount::unmount(".", UnmountFlags::DETACH).map_err(fail)?;
    rustix::process::chdir("/").map_err(fail)?;
    init.staging = None;
    init.dev = None;
    init.devpts = None;
    Ok(())
}
