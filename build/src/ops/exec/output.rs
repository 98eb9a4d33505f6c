//! What a command prints: to the log whole, to the display, and its last lines for the report.

use crate::ops::OpError;
use rbuild_solver::{RunContext, Stream};
use rustix::event::{PollFd, PollFlags, poll};
use std::collections::VecDeque;
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;

/// How many of the last lines a failure shows.
const TAIL_LINES: usize = 20;
/// Longest line kept for the tail, in bytes.
const TAIL_LINE: usize = 4096;

/// Reads both pipes until they end: to the log, to the display, and the last lines for the report.
pub(super) fn carry(
    out: OwnedFd,
    err: OwnedFd,
    context: &RunContext<'_>,
    log: &mut File,
) -> Result<Vec<String>, OpError> {
    let mut pipes = [
        (Some(File::from(out)), Stream::Out),
        (Some(File::from(err)), Stream::Err),
    ];
    let mut tail = Tail::default();
    let mut buffer = vec![0; 32 * 1024];
    // The command must not block because our disk is full: its output is still read and shown.
    let mut log_error = None;
    while pipes.iter().any(|(pipe, _)| pipe.is_some()) {
        let mut fds: Vec<PollFd<'_>> = pipes
            .iter()
            .filter_map(|(pipe, _)| pipe.as_ref())
            .map(|pipe| PollFd::new(pipe, PollFlags::IN))
            .collect();
        match poll(&mut fds, None) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(errno) => return Err(OpError::io("waiting for the command's output", errno.into())),
        }
        let mut ready: VecDeque<bool> = fds.iter().map(|fd| !fd.revents().is_empty()).collect();
        for (pipe, stream) in &mut pipes {
            let Some(file) = pipe else { continue };
            if ready.pop_front() != Some(true) {
                continue;
            }
            match file.read(&mut buffer) {
                Ok(0) => *pipe = None,
                Ok(read) => {
                    let bytes = &buffer[..read];
                    if log_error.is_none()
                        && let Err(error) = log.write_all(bytes)
                    {
                        log_error = Some(error);
                    }
                    tail.push(bytes);
                    context.log(*stream, bytes);
                }
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => return Err(OpError::io("reading the command's output", error)),
            }
        }
    }
    match log_error {
        Some(error) => Err(OpError::io("writing the step's log", error)),
        None => Ok(tail.finish()),
    }
}

/// The last lines of a stream of bytes.
#[derive(Default)]
struct Tail {
    lines: VecDeque<Vec<u8>>,
    open: bool,
}

impl Tail {
    fn push(&mut self, bytes: &[u8]) {
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            if !self.open {
                if self.lines.len() == TAIL_LINES {
                    self.lines.pop_front();
                }
                self.lines.push_back(Vec::new());
            }
            self.open = !piece.ends_with(b"\n");
            if let Some(line) = self.lines.back_mut() {
                let room = TAIL_LINE.saturating_sub(line.len());
                line.extend_from_slice(&piece[..piece.len().min(room)]);
            }
        }
    }

    fn finish(self) -> Vec<String> {
        self.lines
            .into_iter()
            .map(|line| {
                String::from_utf8_lossy(&line)
                    .trim_end_matches(['\n', '\r'])
                    .to_owned()
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tail_keeps_the_last_lines() {
        let mut tail = Tail::default();
        for n in 0..30 {
            tail.push(format!("line {n}\n").as_bytes());
        }
        tail.push(b"no end");
        tail.push(b" yet");
        let lines = tail.finish();
        assert_eq!(lines.len(), TAIL_LINES);
        assert_eq!(lines[0], "line 11");
        assert_eq!(lines[TAIL_LINES - 1], "no end yet");
    }

    #[test]
    fn a_long_line_is_cut_for_the_tail() {
        let mut tail = Tail::default();
        tail.push(&vec![b'x'; 3 * TAIL_LINE]);
        assert_eq!(tail.finish()[0].len(), TAIL_LINE);
    }
}
