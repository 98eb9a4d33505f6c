//! Descriptors 0, 1 and 2, from the caller or from a terminal of the container.

use std::os::fd::OwnedFd;

use rustix::fs::{FileType, Gid, OFlags, Uid};
use rustix::pty::OpenptFlags;
use rustix::termios::Winsize;

use super::{Init, Outcome, dev, tree};
use crate::spawn_error::{Phase, SpawnError};
use crate::wire::{Reply, Streams};

/// Connects streams that were given.
pub(super) fn streams(init: &mut Init) -> Outcome {
    let fail = |errno| SpawnError::new(Phase::Streams, errno);
    if !matches!(init.streams, Some(Streams::Given(_))) {
        return Ok(());
    }
    let Some(Streams::Given(given)) = init.streams.take() else {
        return Ok(());
    };
    for stream in &given {
        let stat = rustix::fs::fstat(stream).map_err(fail)?;
        // Opening /dev/stdout opens the pipe again, with a permission check. Files and terminals of the caller keep
        // their owner.
        if FileType::from_raw_mode(stat.st_mode) == FileType::Fifo && init.spec.user.uid != 0 {
            // An id that is not mapped is reported by the step that takes it on.
            let _ = rustix::fs::fchown(stream, Some(Uid::from_raw(init.spec.user.uid)), None);
        }
    }
    connect([&given[0], &given[1], &given[2]]).map_err(fail)
}

/// Makes a terminal in the container's own devpts, sends its outer side to the caller, and makes its inner side the
/// controlling terminal and `/dev/console`.
pub(super) fn terminal(init: &mut Init) -> Outcome {
    let fail = |errno| SpawnError::new(Phase::Terminal, errno);
    let Some(Streams::Pty { rows, columns }) = init.streams else {
        return Ok(());
    };
    let (Some(dev), Some(devpts)) = (&init.dev, &init.devpts) else {
        return Err(SpawnError::words(Phase::Terminal, "no /dev"));
    };
    let (outer, inner) = open(init, devpts, rows, columns)?;
    // CVE-2025-52565: the console is bound in our own /dev, from our own devpts, and verified to be this terminal.
    let number = |file: &OwnedFd| rustix::fs::fstat(file).map(|stat| stat.st_rdev);
    let name = rustix::fs::minor(number(&inner).map_err(fail)?).to_string();
    let console = tree::place(devpts, name.as_str(), OFlags::empty()).map_err(fail)?;
    if number(&console).map_err(fail)? != number(&inner).map_err(fail)? {
        return Err(SpawnError::words(
            Phase::Terminal,
            "the terminal has changed its name",
        ));
    }
    dev::bind_file(dev, "console", &console).map_err(|errno| fail(errno).at("/dev/console"))?;
    hand_over(init, outer, &inner).map_err(fail)
}

/// The same in a container that there is: nothing is bound there.
pub(super) fn inside(init: &mut Init) -> Outcome {
    let Some(Streams::Pty { rows, columns }) = init.streams else {
        return Ok(());
    };
    let fail = |errno| SpawnError::new(Phase::Terminal, errno).at("/dev/pts");
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let devpts = rustix::fs::open("/dev/pts", flags, rustix::fs::Mode::empty()).map_err(fail)?;
    // Whoever may mount there could have put another directory in its place.
    if rustix::fs::fstatfs(&devpts).map_err(fail)?.f_type != DEVPTS {
        return Err(SpawnError::words(Phase::Terminal, "/dev/pts has no terminals"));
    }
    let (outer, inner) = open(init, &devpts, rows, columns)?;
    hand_over(init, outer, &inner).map_err(fail)
}

/// `DEVPTS_SUPER_MAGIC` of linux/magic.h.
const DEVPTS: rustix::fs::FsWord = 0x1cd1;

/// A new terminal of a devpts: its outer and its inner side.
fn open(init: &Init, devpts: &OwnedFd, rows: u16, columns: u16) -> Result<(OwnedFd, OwnedFd), SpawnError> {
    let fail = |errno| SpawnError::new(Phase::Terminal, errno);
    let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
    let outer = rustix::fs::openat(devpts, "ptmx", flags, rustix::fs::Mode::empty()).map_err(fail)?;
    let inner = inner_side(init, &outer, (rows, columns)).map_err(fail)?;
    Ok((outer, inner))
}

/// The same where there is no devpts of the container's own: a terminal of the host's.
pub(super) fn of_host(init: &mut Init) -> Outcome {
    let fail = |errno| SpawnError::new(Phase::Terminal, errno);
    let Some(Streams::Pty { rows, columns }) = init.streams else {
        return Ok(());
    };
    let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
    let outer = rustix::fs::open("/dev/ptmx", flags, rustix::fs::Mode::empty()).map_err(fail)?;
    let inner = inner_side(init, &outer, (rows, columns)).map_err(fail)?;
    hand_over(init, outer, &inner).map_err(fail)
}

/// The side of a terminal that a command uses.
fn inner_side(
    init: &Init,
    outer: &OwnedFd,
    (rows, columns): (u16, u16),
) -> Result<OwnedFd, rustix::io::Errno> {
    rustix::pty::unlockpt(outer)?;
    let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
    let inner = rustix::pty::ioctl_tiocgptpeer(outer, flags)?;
    let size = Winsize {
        ws_row: rows,
        ws_col: columns,
        ws_xpixel: 0,
        ws_ypixel: 0,
    };
    rustix::termios::tcsetwinsize(&inner, size)?;
    // The group is devpts' choice.
    rustix::fs::fchown(&inner, Some(Uid::from_raw(init.spec.user.uid)), None::<Gid>)?;
    Ok(inner)
}

/// Sends the outer side to the caller, and makes the inner one the controlling terminal.
fn hand_over(init: &Init, outer: OwnedFd, inner: &OwnedFd) -> Result<(), rustix::io::Errno> {
    Reply::Pty(outer).send(std::os::fd::AsFd::as_fd(&init.reply))?;
    rustix::process::ioctl_tiocsctty(inner)?;
    connect([inner, inner, inner])
}

fn connect([stdin, stdout, stderr]: [&OwnedFd; 3]) -> Result<(), rustix::io::Errno> {
    rustix::stdio::dup2_stdin(stdin)?;
    rustix::stdio::dup2_stdout(stdout)?;
    rustix::stdio::dup2_stderr(stderr)
}
