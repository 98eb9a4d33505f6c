//! [`Outlet`]: a stream whose reader cannot keep us from ending.
//!
//! Who writes to a pipe or terminal that nobody reads waits for ever, and no signal that is watched ends that.

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{FileType, Mode, OFlags};
use rustix::io::Errno;
use std::io::{self, Write};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

/// How often somebody who waits looks whether all is over.
pub(crate) const TICK: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 50_000_000,
};
/// What fits into a pipe that has room at all (`PIPE_BUF`).
const PIECE: usize = 4096;

/// A stream to which is written as long as it is read, or all is not over.
pub struct Outlet<F> {
    to: F,
    way: Way,
    is_over: Box<dyn Fn() -> bool + Send>,
}

/// How to write without waiting.
enum Way {
    /// A file does not let wait.
    Itself,
    /// The same pipe or terminal, opened again: what is set there holds for nobody else who has the stream.
    Again(OwnedFd),
    /// A socket, or what may not be opened again: pieces that mostly find room.
    Pieces,
}

impl<F: AsFd> Outlet<F> {
    /// Writes to `to`; `is_over` says when waiting for its reader makes no sense any more.
    pub fn new(to: F, is_over: impl Fn() -> bool + Send + 'static) -> Self {
        let way = way(&to);
        let is_over = Box::new(is_over);
        Self { to, way, is_over }
    }

    fn wait(&self) -> io::Result<()> {
        loop {
            let is_over = (self.is_over)();
            // Much may still be about to be written: each piece of it must not wait anew.
            let patience = if is_over { Timespec::default() } else { TICK };
            let ready = poll(&mut [PollFd::new(&self.to, PollFlags::OUT)], Some(&patience));
            match ready {
                Ok(0) | Err(Errno::INTR) if is_over => {
                    // Not of the kind `Interrupted`, which writers take as a reason to try again.
                    return Err(io::Error::other("interrupted: nobody reads"));
                }
                Ok(0) | Err(Errno::INTR) => {}
                Ok(_) => return Ok(()),
                Err(errno) => return Err(errno.into()),
            }
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "a descriptor of our own")]
fn way(to: &impl AsFd) -> Way {
    let kind = rustix::fs::fstat(to).map(|stat| FileType::from_raw_mode(stat.st_mode));
    if !matches!(kind, Ok(FileType::Fifo | FileType::CharacterDevice)) {
        return match kind {
            Ok(FileType::RegularFile | FileType::BlockDevice) => Way::Itself,
            _ => Way::Pieces,
        };
    }
    let path = format!("/proc/self/fd/{}", to.as_fd().as_raw_fd());
    let flags = OFlags::WRONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    rustix::fs::open(path, flags, Mode::empty()).map_or(Way::Pieces, Way::Again)
}

impl<F: AsFd> Write for Outlet<F> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &self.way {
            Way::Itself => Ok(rustix::io::retry_on_intr(|| rustix::io::write(&self.to, bytes))?),
            Way::Again(again) => loop {
                match rustix::io::write(again, bytes) {
                    Err(Errno::AGAIN | Errno::INTR) => self.wait()?,
                    written => return Ok(written?),
                }
            },
            Way::Pieces => {
                self.wait()?;
                let piece = &bytes[..bytes.len().min(PIECE)];
                Ok(rustix::io::retry_on_intr(|| rustix::io::write(&self.to, piece))?)
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::File;
    use std::io::Read;
    use std::os::unix::net::UnixStream;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};

    /// Writes more than anything holds; the end comes when nobody has read for a while.
    fn ends_although_nobody_reads(to: impl AsFd + Send + 'static) {
        let over = Arc::new(AtomicBool::new(false));
        let is_over = Arc::clone(&over);
        let writer = std::thread::spawn(move || {
            let mut outlet = Outlet::new(to, move || is_over.load(Ordering::Relaxed));
            outlet.write_all(&vec![b'x'; 8 << 20])
        });
        std::thread::sleep(std::time::Duration::from_millis(200));
        assert!(!writer.is_finished());
        over.store(true, Ordering::Relaxed);
        assert!(writer.join().unwrap().is_err());
    }

    #[test]
    fn a_pipe_a_socket_and_a_terminal_that_nobody_reads() {
        let (reader, pipe) = rustix::pipe::pipe().unwrap();
        ends_although_nobody_reads(pipe);
        drop(reader);
        let (reader, socket) = UnixStream::pair().unwrap();
        ends_although_nobody_reads(socket);
        drop(reader);
        let flags = rustix::pty::OpenptFlags::RDWR | rustix::pty::OpenptFlags::NOCTTY;
        let outer = rustix::pty::openpt(flags).unwrap();
        rustix::pty::unlockpt(&outer).unwrap();
        let name = rustix::pty::ptsname(&outer, Vec::new()).unwrap();
        ends_although_nobody_reads(File::options().write(true).open(name.to_str().unwrap()).unwrap());
    }

    #[test]
    fn all_arrives_in_order_also_after_the_end_was_asked_for() {
        let (reader, pipe) = rustix::pipe::pipe().unwrap();
        let text: Vec<u8> = (0..1 << 20).map(|at: u32| at.to_le_bytes()[1]).collect();
        let expected = text.clone();
        let writer = std::thread::spawn(move || Outlet::new(pipe, || false).write_all(&text));
        let mut read = Vec::new();
        File::from(reader).read_to_end(&mut read).unwrap();
        writer.join().unwrap().unwrap();
        assert!(read == expected);

        let (reader, pipe) = rustix::pipe::pipe().unwrap();
        Outlet::new(pipe, || true).write_all(b"last words").unwrap();
        let mut read = String::new();
        File::from(reader).read_to_string(&mut read).unwrap();
        assert_eq!(read, "last words");
    }

    #[test]
    fn a_file_is_written_on_where_it_stands() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("file");
        let mut file = File::create(&path).unwrap();
        file.write_all(b"one ").unwrap();
        Outlet::new(file.try_clone().unwrap(), || false)
            .write_all(b"two ")
            .unwrap();
        file.write_all(b"three").unwrap();
        assert_eq!(std::fs::read_to_string(path).unwrap(), "one two three");
    }
}
