//! Reading, from the oldest file on, and on while it is written.

use super::{CURRENT, Stream, older};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::inotify;
use std::fs::File;
use std::io::{self, BufRead, BufReader, ErrorKind};
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Longer lines of the log than any that is written end the reading of it.
const LONGEST: usize = 1 << 20;

/// How long to wait where the kernel gives no more watches.
const BLIND: Duration = Duration::from_millis(100);

/// A line of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// When, as [`rfc3339`](crate::time::rfc3339) writes it.
    pub time: String,
    /// To which stream.
    pub stream: Stream,
    /// What; with its line end, if it ends here.
    pub text: Vec<u8>,
}

impl Line {
    /// Whether the text ends here.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.text.ends_with(b"\n")
    }

    fn parse(line: &[u8]) -> Option<Self> {
        let mut parts = line.splitn(4, |byte| *byte == b' ');
        let mut word = || std::str::from_utf8(parts.next()?).ok();
        let (time, stream, tag) = (word()?.to_owned(), word()?, word()?);
        let stream = match stream {
            "stdout" => Stream::Stdout,
            "stderr" => Stream::Stderr,
            _ => return None,
        };
        let mut text = parts.next()?.to_vec();
        if tag == "P" {
            text.pop();
        }
        Some(Self { time, stream, text })
    }
}

/// Reads the log of a container.
#[derive(Debug)]
pub struct LogReader {
    dir: PathBuf,
    file: Option<BufReader<File>>,
    /// The beginning of a line whose end is not written yet.
    half: Vec<u8>,
    /// Texts that are left out: the first so many that begin.
    skip: u64,
    /// Texts that have begun.
    begun: u64,
    /// Which one each stream is in, and whether that goes on.
    texts: [(u64, bool); 2],
    /// Tells of changes in the directory.
    watch: Option<OwnedFd>,
}

impl LogReader {
    /// From the beginning, or so that the last `tail` texts are read.
    ///
    /// # Errors
    /// The log cannot be read.
    pub fn open(dir: &Path, tail: Option<u64>) -> io::Result<Self> {
        let start = || {
            Ok::<_, io::Error>(Self {
                dir: dir.to_owned(),
                file: oldest(dir)?,
                half: Vec::new(),
                skip: 0,
                begun: 0,
                texts: [(0, false); 2],
                watch: None,
            })
        };
        let mut reader = start()?;
        let Some(tail) = tail else { return Ok(reader) };
        while reader.next()?.is_some() {}
        let skip = reader.begun.saturating_sub(tail);
        Ok(Self { skip, ..start()? })
    }

    /// The next line; `None`: there is none yet.
    ///
    /// # Errors
    /// The log cannot be read.
    #[expect(clippy::should_implement_trait, reason = "it goes on after None")]
    pub fn next(&mut self) -> io::Result<Option<Line>> {
        loop {
            let Some(line) = self.read()? else { return Ok(None) };
            let Some(line) = Line::parse(&line) else { continue };
            if self.text_of(&line) > self.skip {
                return Ok(Some(line));
            }
        }
    }

    /// Which text a line is of. Those of the two streams may be mixed.
    fn text_of(&mut self, line: &Line) -> u64 {
        let (text, goes_on) = &mut self.texts[line.stream as usize];
        if !*goes_on {
            self.begun += 1;
            *text = self.begun;
        }
        *goes_on = !line.is_whole();
        *text
    }

    /// Waits until something may have been written, or has become of the container; at most so long.
    pub fn wait(&mut self, time: Duration) {
        let Some(watch) = self.watch() else {
            return std::thread::sleep(time.min(BLIND));
        };
        let limit = Timespec {
            tv_sec: i64::try_from(time.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: time.subsec_nanos().into(),
        };
        if poll(&mut [PollFd::new(watch, PollFlags::IN)], Some(&limit)).is_ok_and(|ready| ready > 0) {
            // What has changed is seen by reading; here it is only taken away.
            let mut events = [0; 4096];
            while rustix::io::read(watch, &mut events).is_ok_and(|read| read == events.len()) {}
        }
    }

    /// To be called before the log is read to its end, so that nothing is missed between that and a wait.
    pub fn watch(&mut self) -> Option<&OwnedFd> {
        if self.watch.is_none() {
            let made = inotify::init(inotify::CreateFlags::CLOEXEC | inotify::CreateFlags::NONBLOCK).ok()?;
            let events = inotify::WatchFlags::MODIFY
                | inotify::WatchFlags::CREATE
                | inotify::WatchFlags::MOVE
                | inotify::WatchFlags::DELETE_SELF
                | inotify::WatchFlags::MOVE_SELF;
            inotify::add_watch(&made, &self.dir, events).ok()?;
            self.watch = Some(made);
        }
        self.watch.as_ref()
    }

    fn read(&mut self) -> io::Result<Option<Vec<u8>>> {
        loop {
            if self.file.is_none() {
                self.file = oldest(&self.dir)?;
            }
            let Some(file) = &mut self.file else {
                return Ok(None);
            };
            file.read_until(b'\n', &mut self.half)?;
            if self.half.ends_with(b"\n") {
                return Ok(Some(std::mem::take(&mut self.half)));
            }
            if self.half.len() > LONGEST {
                return Err(io::Error::new(
                    ErrorKind::InvalidData,
                    "a line of it does not end",
                ));
            }
            let Some(next) = next_file(&self.dir, file.get_ref())? else {
                return Ok(None);
            };
            // The last line may have come between the read and the look.
            file.read_until(b'\n', &mut self.half)?;
            if self.half.ends_with(b"\n") {
                continue;
            }
            self.half.clear();
            self.file = Some(next);
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "a file of the store")]
fn open(path: &Path) -> io::Result<Option<File>> {
    match File::open(path) {
        Ok(file) => Ok(Some(file)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// The names that there are, the newest first.
fn names(dir: &Path) -> impl Iterator<Item = PathBuf> {
    let current = std::iter::once(dir.join(CURRENT));
    let dir = dir.to_owned();
    current.chain((1..1000).map(move |number| dir.join(older(number))))
}

fn oldest(dir: &Path) -> io::Result<Option<BufReader<File>>> {
    let mut found = None;
    for (at, path) in names(dir).enumerate() {
        match open(&path)? {
            Some(file) => found = Some(file),
            // The newest may be about to be made.
            None if at == 0 => {}
            None => break,
        }
    }
    Ok(found.map(BufReader::new))
}

/// The file that follows this one; `None` when it is the newest.
fn next_file(dir: &Path, file: &File) -> io::Result<Option<BufReader<File>>> {
    let ours = file.metadata()?;
    let mut newer = None;
    for (at, path) in names(dir).enumerate() {
        let Some(file) = open(&path)? else {
            if at == 0 {
                continue;
            }
            // It is gone: what is the oldest follows.
            return oldest(dir);
        };
        let metadata = file.metadata()?;
        if (metadata.dev(), metadata.ino()) == (ours.dev(), ours.ino()) {
            return Ok(newer.map(BufReader::new));
        }
        newer = Some(file);
    }
    Ok(None)
}
