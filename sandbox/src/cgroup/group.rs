//! [`Group`]: the group of one command, from its making to its removal.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::{AtFlags, FlockOperation, Mode, OFlags};
use rustix::io::Errno;

use super::PREFIX;
use super::controller::Controller;
use super::delegation::{Base, Delegation, inherit_cpuset};
use super::error::LimitError;
use super::setting::{Setting, settings};
use super::statistics::{self, Statistics};
use crate::limits::{Limits, NumberList};
use crate::sys::{self, Cloned};

const DIRECTORY: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);
/// `CGROUP2_SUPER_MAGIC` of linux/magic.h.
const UNIFIED: u32 = 0x6367_7270;

/// The group of one command, in each hierarchy that it needs. Dropping it removes it.
#[derive(Debug)]
pub struct Group {
    parts: Vec<Part>,
}

#[derive(Debug)]
struct Part {
    dir: PathBuf,
    /// Open and locked: whoever finds the lock free may remove the group.
    opened: OwnedFd,
    unified: bool,
    controllers: Vec<Controller>,
}

impl Group {
    /// Makes a group with these limits, and removes those that nobody needs any more.
    ///
    /// # Errors
    /// The first limit that cannot be had.
    pub fn make(limits: &Limits) -> Result<Self, LimitError> {
        let delegation = Delegation::find(limits)?;
        let mut group = Self { parts: Vec::new() };
        for base in &delegation.bases {
            sweep(&base.dir);
            available(base, limits)?;
            let part = Part::make(base)?;
            part.limit(limits)?;
            group.parts.push(part);
        }
        Ok(group)
    }

    /// Its directories, for [`join`] and `clone3(2)`.
    pub(crate) fn directories(&self) -> Result<Vec<OwnedFd>, Errno> {
        let copies = self
            .parts
            .iter()
            .map(|part| rustix::io::fcntl_dupfd_cloexec(&part.opened, 3));
        copies.collect()
    }

    /// What its processes use and have used.
    pub fn statistics(&self) -> Statistics {
        let mut all = Statistics::default();
        for part in &self.parts {
            for controller in &part.controllers {
                statistics::read(&mut all, *controller, &part.dir, part.unified);
            }
        }
        all
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        remove(&self.dir);
    }
}

impl Part {
    fn make(base: &Base) -> Result<Self, LimitError> {
        let us = rustix::process::getpid().as_raw_nonzero();
        let mut number = 0;
        loop {
            let dir = base.dir.join(format!("{PREFIX}{us}-{number}"));
            number += 1;
            match rustix::fs::mkdir(&dir, Mode::from_raw_mode(0o755)) {
                Ok(()) => {}
                Err(Errno::EXIST) => continue,
                Err(errno) => return Err(not_made(base, errno)),
            }
            // Between making and locking another process may have taken it for one that nobody needs.
            if let Some(opened) = lock(&dir) {
                return Ok(Self {
                    dir,
                    opened,
                    unified: base.unified,
                    controllers: base.controllers.iter().copied().collect(),
                });
            }
        }
    }

    fn limit(&self, limits: &Limits) -> Result<(), LimitError> {
        if !self.unified && self.controllers.contains(&Controller::Cpuset) {
            inherit_cpuset(&self.dir)?;
        }
        let all = settings(limits, self.unified)?;
        let ours = all
            .iter()
            .filter(|setting| self.controllers.contains(&setting.controller));
        for setting in ours {
            self.set(setting)?;
        }
        Ok(())
    }

    fn set(&self, setting: &Setting) -> Result<(), LimitError> {
        for (name, value) in &setting.choices {
            match write(self.opened.as_fd(), name, value) {
                Ok(()) => return Ok(()),
                Err(Errno::NOENT) => {}
                Err(errno) => {
                    return Err(LimitError::Refused {
                        file: self.dir.join(name),
                        value: value.clone(),
                        errno: errno.raw_os_error(),
                    });
                }
            }
        }
        if setting.is_optional {
            return Ok(());
        }
        let names: Vec<&str> = setting.choices.iter().map(|(name, _)| *name).collect();
        Err(LimitError::NoSuchFile {
            limited: setting.controller.limited(),
            file: names.join(" and no "),
        })
    }
}

fn not_made(base: &Base, errno: Errno) -> LimitError {
    match base.controllers.first() {
        Some(controller) => LimitError::not_ours(*controller, &base.dir, errno, base.unified),
        None => LimitError::errno("making a group in", &base.dir, errno),
    }
}

/// A group of version 2 takes any number, and then uses what is there.
fn available(base: &Base, limits: &Limits) -> Result<(), LimitError> {
    if !base.controllers.contains(&Controller::Cpuset) {
        return Ok(());
    }
    let lists = [
        (
            "processor",
            &limits.cpus,
            "cpuset.cpus.effective",
            "cpuset.effective_cpus",
        ),
        (
            "memory node",
            &limits.memory_nodes,
            "cpuset.mems.effective",
            "cpuset.effective_mems",
        ),
    ];
    for (what, list, unified, legacy) in lists {
        let Some(list) = list else { continue };
        let file = base.dir.join(if base.unified { unified } else { legacy });
        let Ok(text) = std::fs::read_to_string(file) else {
            continue;
        };
        let there = NumberList::parse(text.trim());
        if let Some(number) = there.as_ref().and_then(|there| list.first_not_in(there)) {
            return Err(LimitError::NotAvailable {
                what,
                number,
                available: text.trim().to_owned(),
            });
        }
    }
    Ok(())
}

fn write(dir: BorrowedFd<'_>, name: &str, value: &str) -> Result<(), Errno> {
    let file = rustix::fs::openat(dir, name, OFlags::WRONLY | OFlags::CLOEXEC, Mode::empty())?;
    rustix::io::retry_on_intr(|| rustix::io::write(&file, value.as_bytes())).map(drop)
}

/// Puts this process into groups, and gives it a view of cgroups that begins there. `entered`: it is in the one of version 2
/// already.
pub(crate) fn join(groups: &[OwnedFd], entered: bool) -> Result<(), Errno> {
    for group in groups {
        if !(entered && is_unified(group.as_fd())) {
            write(group.as_fd(), "cgroup.procs", "0")?;
        }
    }
    nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWCGROUP)
        .map_err(|errno| Errno::from_raw_os_error(errno as i32))
}

/// The group of version 2, which `clone3(2)` starts a process in.
fn unified(groups: &[OwnedFd]) -> Option<BorrowedFd<'_>> {
    groups.iter().map(AsFd::as_fd).find(|group| is_unified(*group))
}

/// Clones; the flag says that it happened into the group of version 2, which spares the kernel a move. Where that
/// is not possible, the child moves itself, and says what goes wrong.
pub(crate) fn clone(flags: i32, groups: &[OwnedFd]) -> (Result<Cloned, Errno>, bool) {
    if let Some(group) = unified(groups)
        && let Ok(cloned) = sys::clone_process_into(flags, group)
    {
        return (Ok(cloned), true);
    }
    (sys::clone_process(flags), false)
}

fn is_unified(group: BorrowedFd<'_>) -> bool {
    rustix::fs::fstatfs(group).is_ok_and(|stat| stat.f_type as u32 == UNIFIED)
}

/// Whether this is the directory of a command's group.
pub(super) fn is_ours(dir: &Path) -> bool {
    dir.file_name()
        .and_then(|name| name.to_str())
        .is_some_and(is_name)
}

/// Opens the directory of a group that another process holds.
pub(super) fn open(dir: &Path) -> Result<OwnedFd, LimitError> {
    rustix::fs::open(dir, DIRECTORY, Mode::empty()).map_err(|errno| LimitError::errno("opening", dir, errno))
}

/// Opens and locks a group that is there, and that nobody else has locked.
fn lock(dir: &Path) -> Option<OwnedFd> {
    let opened = rustix::fs::open(dir, DIRECTORY, Mode::empty()).ok()?;
    rustix::fs::flock(&opened, FlockOperation::NonBlockingLockExclusive).ok()?;
    let there = rustix::fs::statat(rustix::fs::CWD, dir, AtFlags::SYMLINK_NOFOLLOW).ok()?;
    (there.st_ino == rustix::fs::fstat(&opened).ok()?.st_ino).then_some(opened)
}

/// Removes the groups of owners that are gone. One with processes stays: the kernel sees to that.
fn sweep(base: &Path) {
    for entry in std::fs::read_dir(base).into_iter().flatten().flatten() {
        let is_ours = entry.file_name().to_str().is_some_and(is_name);
        if is_ours && lock(&entry.path()).is_some() {
            remove(&entry.path());
        }
    }
}

/// Whether we call groups so: other names that begin alike are somebody else's.
fn is_name(name: &str) -> bool {
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let parts = name.strip_prefix(PREFIX).and_then(|rest| rest.split_once('-'));
    parts.is_some_and(|(process, number)| is_number(process) && is_number(number))
}

/// Removes a group and those that were made in it. Its processes are gone, but the kernel may still be busy with the last.
fn remove(dir: &Path) {
    for _ in 0..20 {
        for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                remove(&entry.path());
            }
        }
        match rustix::fs::rmdir(dir) {
            Err(Errno::BUSY) => std::thread::sleep(Duration::from_micros(500)),
            _ => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_groups_of_ours_are_swept() {
        let dir = tempfile::tempdir().unwrap();
        let names = [
            "rbuild-12-0",
            "rbuild-34-1",
            "rbuild-ci-1",
            "rbuild-12",
            "rbuild-1-2-3",
            "other",
        ];
        for name in names {
            std::fs::create_dir(dir.path().join(name)).unwrap();
        }
        let held = lock(&dir.path().join("rbuild-34-1")).unwrap();
        sweep(dir.path());
        let left = |name: &&str| dir.path().join(name).exists();
        assert_eq!(names.iter().copied().filter(left).collect::<Vec<_>>(), names[1..]);
        drop(held);
        sweep(dir.path());
        assert!(!dir.path().join("rbuild-34-1").exists());
    }
}
