//! What a command needs of its root where nothing can be mounted: it is put into the directory before the command starts,
//! and taken out when its last process is gone. So the directory is then what the command has left of it, as beneath mounts.
//!
//! What stood in a place is moved out of the command's sight meanwhile, beside its root, and comes back as it was. What the
//! command writes to `/dev`, `/etc/hosts` or a directory in memory is thrown away, and what it writes to a cache stays
//! in the cache. Nothing is hidden that a mount would hide: a file of the host is copied, never linked.

mod made;
mod place;

use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, Mode, OFlags};
use rustix::io::Errno;

use crate::spawn_error::{Phase, SpawnError};
use crate::spec::{Mount, MountKind, Network, Root, SandboxSpec};
use place::Placed;

/// What was put into a root. Without [`Furnished::put_back`] it stays there.
#[derive(Debug)]
pub(crate) struct Furnished {
    /// In the order in which it was put there.
    placed: Vec<Placed>,
}

/// Where a root is furnished.
struct Room {
    root: OwnedFd,
    /// A directory beside it, on the same file system.
    aside: OwnedFd,
}

impl Furnished {
    /// Nothing: for a root in which things are mounted.
    pub(crate) fn nothing() -> Self {
        Self { placed: Vec::new() }
    }

    /// Furnishes the root of a spec.
    ///
    /// # Errors
    /// What the spec asks for and cannot be had without a mount, or what could not be made.
    pub(crate) fn of(spec: &SandboxSpec) -> Result<Self, SpawnError> {
        refuse(spec)?;
        let room = Room::open(&spec.root)?;
        let mut furnished = Self::nothing();
        match furnished.all(spec, &room) {
            Ok(()) => Ok(furnished),
            Err(error) => {
                furnished.put_back();
                Err(error)
            }
        }
    }

    fn all(&mut self, spec: &SandboxSpec, room: &Room) -> Result<(), SpawnError> {
        for (target, phase, make) in made::OF_EVERY_ROOT {
            let fail = |errno| SpawnError::new(phase, errno).at(target);
            let serial = self.placed.len();
            make(&room.aside, serial).map_err(|errno| match errno {
                Errno::ACCESS => {
                    fail(errno).because("the file system of the store allows no devices (`nodev`)")
                }
                Errno::PERM => fail(errno).because("this container may make no devices (`CAP_MKNOD`)"),
                _ => fail(errno),
            })?;
            let placed = Placed::put(room, Path::new(target), serial).map_err(fail)?;
            self.placed.push(placed);
        }
        spec.mounts.iter().try_for_each(|mount| self.mount(mount, room))
    }

    fn mount(&mut self, mount: &Mount, room: &Room) -> Result<(), SpawnError> {
        let fail = |errno| SpawnError::new(Phase::Mounts, errno).at(&mount.target);
        let serial = self.placed.len();
        made::parents_in_dev(room, &mount.target).map_err(fail)?;
        let placed = match &mount.kind {
            MountKind::Bind {
                source,
                source_root: None,
                lent: true,
                ..
            } => Placed::lend(room, &mount.target, serial, source).map_err(fail)?,
            MountKind::Bind {
                source, source_root, ..
            } => {
                made::copy_of_file(&room.aside, serial, source, source_root.as_deref())
                    .map_err(|errno| unlike_a_file(mount, source, errno))?;
                Placed::put(room, &mount.target, serial).map_err(fail)?
            }
            MountKind::ReadOnlyFile { content } => {
                made::file(&room.aside, serial, content.bytes()).map_err(fail)?;
                Placed::put(room, &mount.target, serial).map_err(fail)?
            }
            MountKind::Tmpfs { mode, .. } => {
                made::directory(&room.aside, serial, *mode).map_err(fail)?;
                Placed::put(room, &mount.target, serial).map_err(fail)?
            }
            MountKind::SecretFile { .. } | MountKind::OverlayBind { .. } => return Err(unmountable(mount)),
        };
        self.placed.push(placed);
        Ok(())
    }

    /// Takes all out again, the last first. The command's processes are gone.
    pub(crate) fn put_back(&mut self) {
        while let Some(placed) = self.placed.pop() {
            placed.put_back();
        }
    }
}

impl Room {
    fn open(root: &Root) -> Result<Self, SpawnError> {
        let Root::Directory(root) = root else {
            return Err(SpawnError::words(
                Phase::Root,
                "an overlay cannot be mounted here",
            ));
        };
        let beside = beside(root);
        let open = |path: &Path| {
            let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            rustix::fs::openat(CWD, path, flags, Mode::empty())
                .map_err(|errno| SpawnError::new(Phase::Root, errno).at(path))
        };
        match rustix::fs::mkdir(&beside, Mode::RWXU) {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(errno) => return Err(SpawnError::new(Phase::Root, errno).at(beside)),
        }
        Ok(Self {
            root: open(root)?,
            aside: open(&beside)?,
        })
    }
}

/// Where what must be out of the command's sight is kept: beside its root, whose owner takes both away.
fn beside(root: &Path) -> PathBuf {
    root.with_extension("beside")
}

/// What cannot be done at all. Each is refused, never left out.
fn refuse(spec: &SandboxSpec) -> Result<(), SpawnError> {
    let words = |phase, reason: &str| Err(SpawnError::words(phase, reason));
    match spec.network {
        Network::Host => {}
        Network::None | Network::Private => {
            return words(
                Phase::Loopback,
                "a network of its own takes a network namespace, which this host does not allow",
            );
        }
    }
    if spec.read_only {
        return words(
            Phase::Root,
            "a read-only root takes a mount, which this host does not allow",
        );
    }
    if spec.may_mount() {
        return words(
            Phase::Capabilities,
            "a privileged command takes a user namespace, which this host does not allow",
        );
    }
    Ok(())
}

fn unmountable(mount: &Mount) -> SpawnError {
    let error = SpawnError::words(Phase::Mounts, "").at(&mount.target);
    error.because(match mount.kind {
        MountKind::SecretFile { .. } => {
            "a secret would have to be written to the disk, since nothing can be mounted here; it can be given as a variable: \
             `--mount=type=secret,id=…,env=NAME`"
        }
        _ => "nothing can be mounted here",
    })
}

fn unlike_a_file(mount: &Mount, source: &Path, errno: Errno) -> SpawnError {
    let error = SpawnError::new(Phase::Mounts, errno).at(&mount.target);
    match errno {
        Errno::ISDIR => error.because(format!(
            "nothing can be mounted here, and {} cannot be copied for it",
            source.display()
        )),
        Errno::NODEV => error.because("nothing can be mounted here, so no device either"),
        Errno::NOENT => error.because(format!("{} does not exist", source.display())),
        _ => error,
    }
}

#[cfg(test)]
mod tests;
