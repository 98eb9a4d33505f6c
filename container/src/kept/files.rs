//! The fifos of a container, through which the process that looks after it is told something. Both are in a directory that
//! its owner alone can enter.

use rustix::fs::{CWD, FileType, Mode, OFlags, mknodat, open};
use rustix::io::Errno;
use std::fs::File;
use std::io::Write;
use std::os::fd::OwnedFd;
use std::path::Path;

/// To the process that looks after it.
pub(crate) const CONTROL: &str = "control";
/// To the standard input of its command.
pub(crate) const STDIN: &str = "stdin";

/// What the process that looks after a container can be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Word {
    /// Look at the files again.
    Look,
    /// The terminal has this size: rows, columns.
    Resize(u16, u16),
    /// There is no more input.
    EndOfInput,
}

impl Word {
    fn text(self) -> String {
        match self {
            Word::Look => "look\n".to_owned(),
            Word::Resize(rows, columns) => format!("resize {rows} {columns}\n"),
            Word::EndOfInput => "end\n".to_owned(),
        }
    }

    pub(crate) fn parse(line: &str) -> Option<Self> {
        let mut words = line.split(' ');
        Some(match words.next()? {
            "look" => Word::Look,
            "end" => Word::EndOfInput,
            "resize" => Word::Resize(words.next()?.parse().ok()?, words.next()?.parse().ok()?),
            _ => return None,
        })
    }
}

/// Makes a fifo for the owner alone.
pub(crate) fn make(path: &Path) -> Result<(), Errno> {
    mknodat(CWD, path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0)
}

/// Opens a fifo to read from it, and never to meet its end.
#[expect(clippy::disallowed_methods, reason = "a file of the store")]
pub(crate) fn receive(path: &Path) -> Result<OwnedFd, Errno> {
    open(
        path,
        OFlags::RDWR | OFlags::NONBLOCK | OFlags::CLOEXEC | OFlags::NOFOLLOW,
        Mode::empty(),
    )
}

/// Tells the process that looks after the container in this directory. If there is none, nothing has to be told.
pub(crate) fn tell(dir: &Path, word: Word) {
    if let Ok(Some(mut fifo)) = send(&dir.join(CONTROL)) {
        // As short as it is, it goes as a whole or not at all; a full fifo has a reader that will look anyway.
        let _ = fifo.write_all(word.text().as_bytes());
    }
}

/// Opens a fifo to write to it; `None`: nobody reads.
#[expect(clippy::disallowed_methods, reason = "a file of the store")]
pub(crate) fn send(path: &Path) -> Result<Option<File>, Errno> {
    let flags = OFlags::WRONLY | OFlags::NONBLOCK | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    match open(path, flags, Mode::empty()) {
        Ok(fd) => Ok(Some(fd.into())),
        Err(Errno::NXIO | Errno::NOENT) => Ok(None),
        Err(errno) => Err(errno),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_understood() {
        for word in [Word::Look, Word::Resize(24, 300), Word::EndOfInput] {
            assert_eq!(Word::parse(word.text().trim_end()), Some(word));
        }
        for wrong in ["", "resize", "resize 1", "resize 1 x", "kill"] {
            assert_eq!(Word::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_fifo_that_nobody_reads_takes_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(CONTROL);
        make(&path).unwrap();
        assert!(send(&path).unwrap().is_none());
        tell(dir.path(), Word::Look);
        let reader = receive(&path).unwrap();
        tell(dir.path(), Word::Look);
        let mut bytes = [0; 16];
        let read = rustix::io::read(&reader, &mut bytes).unwrap();
        assert_eq!(&bytes[..read], b"look\n");
        assert_eq!(rustix::io::read(&reader, &mut bytes), Err(Errno::AGAIN));
    }
}
