//! Mounts an overlay inside a user namespace.
//!
//! Layers are named by descriptor (`/proc/self/fd/N`): that has no length limit (a string of `fsconfig(2)` has 255
//! bytes), needs no escaping, reports a missing layer by name, and keeps host paths out of `/proc/mounts`.

use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, Mode, OFlags};
use rustix::io::Errno;
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, MountFlags, OpenTreeFlags, fsconfig_create, fsconfig_set_flag,
    fsconfig_set_string, fsmount, fsopen, mount, open_tree,
};

/// What an overlay is made of. Host paths.
pub(crate) struct Layers<'a> {
    /// Read-only layers, the top one first.
    pub(crate) lowers: &'a [PathBuf],
    /// Upper and work directory, on one file system.
    pub(crate) upper: Option<(&'a Path, &'a Path)>,
    /// Whether syncs are left out.
    pub(crate) volatile: bool,
}

/// An overlay that could not be mounted: the error and the directory it happened at.
pub(crate) type OverlayError = (Errno, Option<PathBuf>);

/// The longest option string of `mount(2)`: a page with its final NUL.
const MAX_OPTIONS: usize = 4095;

impl Layers<'_> {
    /// Mounts the overlay without attaching it anywhere. `scratch` is a writable directory on a mount of this mount
    /// namespace; only the fallback for kernels before 6.5 uses it, and leaves an empty directory there.
    pub(crate) fn mount(
        &self,
        attributes: MountAttrFlags,
        scratch: BorrowedFd<'_>,
    ) -> Result<OwnedFd, OverlayError> {
        match self.mount_new(attributes)? {
            Some(mount) => Ok(mount),
            None => {
                let opened = self.open()?;
                let mounted = opened.mount_old(self.volatile, attributes, scratch);
                mounted.map_err(|errno| (errno, None))
            }
        }
    }

    /// Through `fsopen(2)`, one `lowerdir+` per layer; `None` on kernels that may not know it (before 6.5). One directory
    /// is open at a time: there may be more than the caller may have descriptors.
    fn mount_new(&self, attributes: MountAttrFlags) -> Result<Option<OwnedFd>, OverlayError> {
        let fail = |errno| (errno, self.upper.map(|(upper, _)| upper.to_owned()));
        let fs = fsopen("overlay", FsOpenFlags::FSOPEN_CLOEXEC).map_err(fail)?;
        fsconfig_set_string(&fs, "source", "overlay").map_err(fail)?;
        fsconfig_set_flag(&fs, "userxattr").map_err(fail)?;
        let set = |key: &str, path: &Path| {
            let dir = open(path)?;
            Ok::<_, OverlayError>(fsconfig_set_string(&fs, key, name(&dir)))
        };
        for (index, lower) in self.lowers.iter().enumerate() {
            match set("lowerdir+", lower)? {
                Err(Errno::INVAL) if index == 0 => return Ok(None),
                other => other.map_err(fail)?,
            }
        }
        if let Some((upper, work)) = self.upper {
            set("upperdir", upper)?.map_err(fail)?;
            set("workdir", work)?.map_err(fail)?;
        }
        if self.volatile {
            fsconfig_set_flag(&fs, "volatile").map_err(fail)?;
        }
        match fsconfig_create(&fs) {
            // Before 6.5 the kernel gathers options as they come, and overlay reads them only here.
            Err(Errno::INVAL) => return Ok(None),
            other => other.map_err(fail)?,
        }
        let mount = fsmount(&fs, FsMountFlags::FSMOUNT_CLOEXEC, attributes);
        mount.map(Some).map_err(fail)
    }

    fn open(&self) -> Result<Opened, OverlayError> {
        let both = |(upper, work)| Ok((open(upper)?, open(work)?));
        Ok(Opened {
            lowers: self
                .lowers
                .iter()
                .map(|lower| open(lower))
                .collect::<Result<_, _>>()?,
            upper: self.upper.map(both).transpose()?,
        })
    }
}

fn open(path: &Path) -> Result<OwnedFd, OverlayError> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    rustix::fs::openat(CWD, path, flags, Mode::empty()).map_err(|errno| (errno, Some(path.to_owned())))
}

/// The layers as descriptors.
struct Opened {
    lowers: Vec<OwnedFd>,
    upper: Option<(OwnedFd, OwnedFd)>,
}

fn name(fd: &OwnedFd) -> String {
    format!("/proc/self/fd/{}", fd.as_raw_fd())
}

impl Opened {
    /// Through `mount(2)`, whose options hold about 200 layers.
    fn mount_old(
        &self,
        volatile: bool,
        attributes: MountAttrFlags,
        scratch: BorrowedFd<'_>,
    ) -> Result<OwnedFd, Errno> {
        let lowers: Vec<String> = self.lowers.iter().map(name).collect();
        let mut options = format!("userxattr,lowerdir={}", lowers.join(":"));
        if let Some((upper, work)) = &self.upper {
            options.push_str(&format!(",upperdir={},workdir={}", name(upper), name(work)));
        }
        if volatile {
            options.push_str(",volatile");
        }
        if options.len() > MAX_OPTIONS {
            return Err(Errno::TOOBIG);
        }
        let place = format!("overlay-{}", self.lowers.first().map_or(0, AsRawFd::as_raw_fd));
        rustix::fs::mkdirat(scratch, &place, Mode::RWXU)?;
        let target = format!("/proc/self/fd/{}/{place}", scratch.as_raw_fd());
        let options = std::ffi::CString::new(options).map_err(|_| Errno::INVAL)?;
        mount(
            "overlay",
            target,
            "overlay",
            MountFlags::empty(),
            options.as_c_str(),
        )?;
        let clone = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC;
        let tree = open_tree(scratch, &place, clone)?;
        crate::sys::mount_setattr(std::os::fd::AsFd::as_fd(&tree), false, attributes.bits(), false)?;
        Ok(tree)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::{exit_now, fork_with_threads, wait};
    use crate::{IdMapping, enter};
    use nix::sched::{CloneFlags, unshare};
    use std::os::fd::AsFd;

    /// Runs in a child with a user and a mount namespace of its own; the number of the error is its exit code.
    fn in_namespace(attempt: impl FnOnce() -> Result<(), Errno>) -> i32 {
        match fork_with_threads().unwrap() {
            None => {
                let entered = IdMapping::for_host(&crate::Caller::default())
                    .ok()
                    .and_then(|mapping| enter(&mapping).ok());
                let usable = entered.is_some() && unshare(CloneFlags::CLONE_NEWNS).is_ok();
                let private =
                    rustix::mount::MountPropagationFlags::PRIVATE | rustix::mount::MountPropagationFlags::REC;
                exit_now(match (usable, rustix::mount::mount_change("/", private)) {
                    (true, Ok(())) => attempt().err().map_or(0, Errno::raw_os_error),
                    _ => 200,
                })
            }
            Some(child) => libc::WEXITSTATUS(wait(child).unwrap().status),
        }
    }

    #[test]
    fn kernels_without_lowerdir_plus_get_the_same_overlay() {
        let place = tempfile::tempdir().unwrap();
        for name in ["one/", "two", "upper", "work", "scratch"] {
            std::fs::create_dir(place.path().join(name)).unwrap();
        }
        std::fs::write(place.path().join("one/which"), "one").unwrap();
        std::fs::write(place.path().join("two/which"), "two").unwrap();
        let code = in_namespace(|| {
            let path = |name: &str| place.path().join(name);
            let lowers = [path("one"), path("two")];
            let (upper, work) = (path("upper"), path("work"));
            let layers = Layers {
                lowers: &lowers,
                upper: Some((&upper, &work)),
                volatile: true,
            };
            let scratch = rustix::fs::open(
                path("scratch"),
                OFlags::DIRECTORY | OFlags::CLOEXEC,
                Mode::empty(),
            )?;
            let opened = layers.open().map_err(|(errno, _)| errno)?;
            let mounted = opened.mount_old(true, MountAttrFlags::empty(), scratch.as_fd())?;
            let file = rustix::fs::openat(&mounted, "which", OFlags::RDWR | OFlags::TRUNC, Mode::empty())?;
            rustix::io::write(&file, b"changed").map(|_| ())
        });
        assert_eq!(code, 0, "errno, or 200 when this host has no namespaces for us");
        assert_eq!(
            std::fs::read_to_string(place.path().join("upper/which")).unwrap(),
            "changed"
        );
        assert_eq!(
            std::fs::read_to_string(place.path().join("one/which")).unwrap(),
            "one"
        );
    }

    #[test]
    fn too_many_layers_for_the_old_way_are_refused() {
        let directory = rustix::fs::open("/", OFlags::PATH | OFlags::DIRECTORY, Mode::empty()).unwrap();
        let lowers = (0..300).map(|_| directory.try_clone().unwrap()).collect();
        let opened = Opened { lowers, upper: None };
        let result = opened.mount_old(false, MountAttrFlags::empty(), directory.as_fd());
        assert_eq!(result.unwrap_err(), Errno::TOOBIG);
    }
}
