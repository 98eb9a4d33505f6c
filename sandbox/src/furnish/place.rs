//! One thing in a root: put in the place of what was there, and taken out again.

use std::ffi::{OsStr, OsString};
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use rustix::fs::{AtFlags, CWD, Mode, OFlags, RawDir, Timespec, Timestamps};
use rustix::io::Errno;

use super::Room;
use crate::init::tree;

/// Something that stands in a root, and what stood there before.
#[derive(Debug)]
pub(super) struct Placed {
    /// The directory that it is in. The command may move that, but not take it out of our hand.
    dir: OwnedFd,
    name: OsString,
    inode: Inode,
    /// Out of the command's sight.
    aside: OwnedFd,
    /// Tells its names in `aside` from those of others.
    serial: usize,
    /// Whether something stood there, which is in `aside` now.
    had_one: bool,
    lender: Option<Lender>,
}

/// Device and number.
type Inode = (u64, u64);

/// From where a directory was lent.
#[derive(Debug)]
struct Lender {
    dir: OwnedFd,
    name: OsString,
    /// The directory itself, wherever it is.
    lent: OwnedFd,
}

impl Placed {
    /// Puts what was made in the room's `aside` under the name of a number at a path of its root.
    pub(super) fn put(room: &Room, target: &Path, serial: usize) -> Result<Self, Errno> {
        let made = OsString::from(serial.to_string());
        Self::take_place(room, target, serial, (&room.aside, &made), None)
    }

    /// Moves a directory of the host there, for as long as the command runs. It is nobody else's meanwhile.
    pub(super) fn lend(room: &Room, target: &Path, serial: usize, source: &Path) -> Result<Self, Errno> {
        let (Some(above), Some(name)) = (source.parent(), source.file_name()) else {
            return Err(Errno::INVAL);
        };
        let dir = directory(CWD, above)?;
        let lent = directory(&dir, Path::new(name))?;
        let from = rustix::io::fcntl_dupfd_cloexec(&dir, 0)?;
        let name = name.to_owned();
        let lender = Lender {
            dir,
            name: name.clone(),
            lent,
        };
        Self::take_place(room, target, serial, (&from, &name), Some(lender))
    }

    fn take_place(
        room: &Room,
        target: &Path,
        serial: usize,
        (from, made): (&OwnedFd, &OsStr),
        lender: Option<Lender>,
    ) -> Result<Self, Errno> {
        let (Some(above), Some(name)) = (target.parent(), target.file_name()) else {
            return Err(Errno::INVAL);
        };
        let place = tree::place(&room.root, above, OFlags::DIRECTORY)?;
        let dir = directory(&place, Path::new("."))?;
        let new = rustix::fs::statat(from, made, AtFlags::SYMLINK_NOFOLLOW)?;
        let time = modified(&dir)?;
        let had_one = match rustix::fs::statat(&dir, name, AtFlags::SYMLINK_NOFOLLOW) {
            Err(Errno::NOENT) => false,
            Err(errno) => return Err(errno),
            // As a mount would refuse it.
            Ok(old) if is_directory(&old) && !is_directory(&new) => return Err(Errno::ISDIR),
            Ok(old) if !is_directory(&old) && is_directory(&new) => return Err(Errno::NOTDIR),
            Ok(_) => {
                rustix::fs::renameat(&dir, name, &room.aside, before(serial))?;
                true
            }
        };
        let placed = Self {
            inode: (new.st_dev, new.st_ino),
            name: name.to_owned(),
            aside: rustix::io::fcntl_dupfd_cloexec(&room.aside, 0)?,
            serial,
            had_one,
            lender,
            dir,
        };
        if let Err(errno) = rustix::fs::renameat(from, made, &placed.dir, name) {
            placed.put_back();
            return Err(errno);
        }
        // As if nothing had been made: a command may look at the time.
        set_modified(&placed.dir, time)?;
        Ok(placed)
    }

    /// Takes it out, and puts back what was there. The directory keeps the time that the command left it with. What fails
    /// because the command has taken the directory itself away needs nothing more.
    pub(super) fn put_back(self) {
        let time = modified(&self.dir);
        let found = rustix::fs::statat(&self.dir, &self.name, AtFlags::SYMLINK_NOFOLLOW);
        let is_there = found
            .as_ref()
            .is_ok_and(|found| (found.st_dev, found.st_ino) == self.inode);
        match &self.lender {
            Some(lender) if is_there => {
                let _ = rustix::fs::renameat(&self.dir, &self.name, &lender.dir, &lender.name);
            }
            Some(lender) => lender.look_for_it(self.inode),
            None => {}
        }
        // Ours, or what the command put there instead: what is written to a mount does not stay either.
        let _ = rustix::fs::renameat(
            &self.dir,
            &self.name,
            &self.aside,
            format!("{}.gone", self.serial),
        );
        if self.had_one {
            let _ = rustix::fs::renameat(&self.aside, before(self.serial), &self.dir, &self.name);
        }
        if let Ok(time) = time {
            let _ = set_modified(&self.dir, time);
        }
    }
}

impl Lender {
    /// The command has moved it: it goes home from wherever it is.
    fn look_for_it(&self, inode: Inode) {
        let Ok(above) = directory(&self.lent, Path::new("..")) else {
            return;
        };
        let mut buffer = [const { MaybeUninit::<u8>::uninit() }; 8 * 1024];
        let mut names = RawDir::new(&above, &mut buffer);
        while let Some(Ok(entry)) = names.next() {
            let name = OsStr::from_bytes(entry.file_name().to_bytes());
            let is_it = rustix::fs::statat(&above, name, AtFlags::SYMLINK_NOFOLLOW)
                .is_ok_and(|found| (found.st_dev, found.st_ino) == inode);
            if is_it && name != "." {
                let _ = rustix::fs::renameat(&above, name, &self.dir, &self.name);
                return;
            }
        }
    }
}

fn before(serial: usize) -> String {
    format!("{serial}.before")
}

fn directory(at: impl std::os::fd::AsFd, path: &Path) -> Result<OwnedFd, Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    rustix::fs::openat(at, path, flags, Mode::empty())
}

fn is_directory(stat: &rustix::fs::Stat) -> bool {
    rustix::fs::FileType::from_raw_mode(stat.st_mode).is_dir()
}

fn modified(dir: &OwnedFd) -> Result<Timespec, Errno> {
    rustix::fs::fstat(dir).map(|stat| Timespec {
        tv_sec: stat.st_mtime,
        tv_nsec: stat.st_mtime_nsec as _,
    })
}

fn set_modified(dir: &OwnedFd, time: Timespec) -> Result<(), Errno> {
    let times = Timestamps {
        last_access: time,
        last_modification: time,
    };
    rustix::fs::futimens(dir, &times)
}
