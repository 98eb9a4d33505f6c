//! Writing. What does not fit on the disk is lost, and the log says how much; the command does not notice.

use super::{CURRENT, LogOptions, Stream, older};
use crate::time::{Time, rfc3339};
use std::fs::File;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// Writes the log of a container.
#[derive(Debug)]
pub struct LogWriter {
    dir: PathBuf,
    options: LogOptions,
    file: Option<File>,
    size: u64,
    /// Bytes of output since the last that found room.
    lost: u64,
    text: Vec<u8>,
}

impl LogWriter {
    /// Goes on with the log in this directory.
    #[must_use]
    pub fn new(dir: &Path, options: LogOptions) -> Self {
        Self {
            dir: dir.to_owned(),
            options,
            file: None,
            size: 0,
            lost: 0,
            text: Vec::new(),
        }
    }

    /// Adds what was printed.
    pub fn write(&mut self, stream: Stream, printed: &[u8], now: Time) {
        if self.options.files == 0 || printed.is_empty() {
            return;
        }
        let time = rfc3339(now);
        self.text.clear();
        if self.lost > 0 {
            let said = format!("[rbuild: {} bytes found no room here]\n", self.lost);
            line(&mut self.text, &time, Stream::Stderr, said.as_bytes());
        }
        for part in printed.split_inclusive(|byte| *byte == b'\n') {
            line(&mut self.text, &time, stream, part);
        }
        match self.put() {
            Some(()) => self.lost = 0,
            None => self.lost = self.lost.saturating_add(printed.len() as u64),
        }
    }

    fn put(&mut self) -> Option<()> {
        if self.options.bytes > 0 && self.size >= self.options.bytes {
            self.rotate();
        }
        let file = match &mut self.file {
            Some(file) => file,
            None => {
                let file = open(&self.dir.join(CURRENT))?;
                self.size = file.metadata().ok()?.len();
                self.file.insert(file)
            }
        };
        if file.write_all(&self.text).is_err() {
            // Half a line would spoil the next one.
            let _ = file.set_len(self.size);
            return None;
        }
        self.size += self.text.len() as u64;
        Some(())
    }

    /// Moves each file one further; the last one goes.
    #[expect(clippy::disallowed_methods, reason = "files of the store")]
    fn rotate(&mut self) {
        let kept = self.options.files.max(1) - 1;
        let path = |number: u32| match number {
            0 => self.dir.join(CURRENT),
            _ => self.dir.join(older(number)),
        };
        if kept == 0 {
            let _ = std::fs::remove_file(path(0));
        }
        for number in (0..kept).rev() {
            let _ = std::fs::rename(path(number), path(number + 1));
        }
        self.file = None;
        self.size = 0;
    }
}

fn line(text: &mut Vec<u8>, time: &str, stream: Stream, part: &[u8]) {
    let tag = if part.ends_with(b"\n") { 'F' } else { 'P' };
    text.extend_from_slice(format!("{time} {} {tag} ", stream.name()).as_bytes());
    text.extend_from_slice(part);
    if tag == 'P' {
        text.push(b'\n');
    }
}

#[expect(clippy::disallowed_methods, reason = "a file of the store")]
fn open(path: &Path) -> Option<File> {
    let mut options = File::options();
    options.append(true).create(true).mode(0o600).open(path).ok()
}
