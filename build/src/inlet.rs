//! [`Inlet`]: a stream whose writer cannot keep us from ending.
//!
//! Who reads from a pipe or terminal to which nobody writes waits for ever, and no signal that is watched ends that.

use crate::outlet::TICK;
use crate::stop::Stop;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use std::io::{self, Read};
use std::os::fd::AsFd;

/// A stream that is read as long as the build is not stopped. It needs no thread: there may be none yet.
pub(crate) struct Inlet<'a, F> {
    from: F,
    stop: &'a Stop,
}

impl<'a, F: AsFd> Inlet<'a, F> {
    /// Reads from `from`, without a buffer.
    pub(crate) fn new(from: F, stop: &'a Stop) -> Self {
        Self { from, stop }
    }
}

impl<F: AsFd> Read for Inlet<'_, F> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            // Not of the kind `Interrupted`, which readers take as a reason to try again.
            if self.stop.is_stopped() {
                return Err(io::Error::other("interrupted"));
            }
            match poll(&mut [PollFd::new(&self.from, PollFlags::IN)], Some(&TICK)) {
                Ok(0) | Err(Errno::INTR) => {}
                Ok(_) => {
                    return Ok(rustix::io::retry_on_intr(|| {
                        rustix::io::read(&self.from, &mut *buffer)
                    })?);
                }
                Err(errno) => return Err(errno.into()),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn ends_although_nobody_writes() {
        let (reader, writer) = io::pipe().unwrap();
        let stop = Stop::new();
        let reading = stop.clone();
        let thread = std::thread::spawn(move || {
            let mut read = Vec::new();
            let result = Inlet::new(reader, &reading).read_to_end(&mut read);
            (read, result.map_err(|error| error.kind()))
        });
        (&writer).write_all(b"some").unwrap();
        std::thread::sleep(std::time::Duration::from_millis(100));
        assert!(!thread.is_finished());
        stop.stop();
        assert_eq!(
            thread.join().unwrap(),
            (b"some".to_vec(), Err(io::ErrorKind::Other))
        );
        drop(writer);
    }

    #[test]
    fn all_of_a_pipe_and_of_a_file_arrives() {
        let (reader, mut writer) = io::pipe().unwrap();
        writer.write_all(b"all of it").unwrap();
        drop(writer);
        let text = io::read_to_string(Inlet::new(reader, &Stop::new())).unwrap();
        assert_eq!(text, "all of it");
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(b"of a file").unwrap();
        io::Seek::rewind(&mut file).unwrap();
        let text = io::read_to_string(Inlet::new(file, &Stop::new())).unwrap();
        assert_eq!(text, "of a file");
    }
}
