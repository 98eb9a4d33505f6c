//! `rbuild logs`: what a container printed.

use super::{find, told};
use crate::cli::prune::until;
use crate::cli::stored;
use crate::error::Failure;
use clap::Args;
use rbuild_container::kept::{Kept, KeptError};
use rbuild_container::log::{Line, LogReader, Stream};
use rbuild_container::time::{now, rfc3339};
use std::io::{self, BufWriter, ErrorKind, Write};
use std::path::Path;
use std::time::Duration;

/// What was typed.
#[derive(Debug, Args)]
pub struct LogsArgs {
    /// Go on as long as the container lives
    #[arg(short, long)]
    pub follow: bool,

    /// Only the last so many lines; all [default: all]
    #[arg(short = 'n', long, value_name = "LINES")]
    pub tail: Option<String>,

    /// Only from this time on (2024-05-01T12:00:00Z), or since so long ago (10m, 3h)
    #[arg(long, value_name = "TIME")]
    pub since: Option<String>,

    /// Only up to this time
    #[arg(long, value_name = "TIME")]
    pub until: Option<String>,

    /// Put the time before each line
    #[arg(short, long)]
    pub timestamps: bool,

    /// Name or id
    #[arg(value_name = "CONTAINER")]
    pub container: String,
}

/// How long to wait at most for news: who was killed writes none.
const PATIENCE: Duration = Duration::from_millis(500);

/// Prints.
///
/// # Errors
/// There is no such container, or its log cannot be read.
pub fn run(args: &LogsArgs, root: Option<&Path>) -> Result<u8, Failure> {
    let tail = match args.tail.as_deref() {
        None | Some("all" | "-1") => None,
        Some(text) => Some(text.parse::<u64>().map_err(|_| {
            Failure::usage(format!("--tail: `{text}` is neither a number of lines nor `all`"))
        })?),
    };
    let seconds = now() / 1_000_000_000;
    let time = |flag: &str, text: &Option<String>| {
        let time = text.as_deref().map(|text| until(flag, text, seconds));
        time.transpose().map(|time| time.map(rfc3339))
    };
    let (since, until) = (time("--since", &args.since)?, time("--until", &args.until)?);
    let store = stored::readable(root)?;
    let kept = find(store.as_ref(), &args.container)?;
    let mut shown = Shown {
        since,
        until,
        timestamps: args.timestamps,
        middle: [false; 2],
        stdout: BufWriter::with_capacity(1 << 16, io::stdout().lock()),
        stderr: BufWriter::with_capacity(1 << 16, io::stderr().lock()),
    };
    match follow(&kept, tail, args.follow, |line| shown.line(line)) {
        Err(LogError::Show(error)) if error.kind() == ErrorKind::BrokenPipe => Ok(0),
        Err(LogError::Show(error)) => Err(Failure::host(format!("writing to standard output: {error}"))),
        Err(LogError::Read(error)) => Err(Failure::host(format!(
            "reading the log of {}: {error}",
            args.container
        ))),
        Err(LogError::Kept(error)) => Err(told(error)),
        Ok(()) => Ok(0),
    }
}

/// Why a log is not shown.
#[derive(Debug)]
pub enum LogError {
    /// It cannot be read.
    Read(io::Error),
    /// It cannot be written where it is wanted.
    Show(io::Error),
    /// The container cannot be read.
    Kept(KeptError),
}

/// Gives each line to `show`, and on as long as the container lives, if that is wanted. `None` says that there is no
/// further one at the moment.
///
/// # Errors
/// The log cannot be read, or not be shown.
pub fn follow(
    kept: &Kept,
    tail: Option<u64>,
    follow: bool,
    mut show: impl FnMut(Option<&Line>) -> io::Result<bool>,
) -> Result<(), LogError> {
    let mut log = LogReader::open(kept.dir().path(), tail).map_err(LogError::Read)?;
    if follow {
        log.watch();
    }
    let mut is_over = !follow;
    loop {
        while let Some(line) = log.next().map_err(LogError::Read)? {
            if !show(Some(&line)).map_err(LogError::Show)? {
                return Ok(());
            }
        }
        if !show(None).map_err(LogError::Show)? || is_over {
            return Ok(());
        }
        match kept.state() {
            Ok(state) => is_over = !state.status.is_live(),
            Err(KeptError::Gone(_)) => is_over = true,
            Err(error) => return Err(LogError::Kept(error)),
        }
        // Once more to the end: it has written until it was over.
        if !is_over {
            log.wait(PATIENCE);
        }
    }
}

/// What is shown, and where.
struct Shown<O: Write, E: Write> {
    since: Option<String>,
    until: Option<String>,
    timestamps: bool,
    /// Whether the last text of a stream goes on.
    middle: [bool; 2],
    stdout: O,
    stderr: E,
}

impl<O: Write, E: Write> Shown<O, E> {
    /// Whether to go on.
    fn line(&mut self, line: Option<&Line>) -> io::Result<bool> {
        let Some(line) = line else {
            self.stdout.flush()?;
            self.stderr.flush()?;
            return Ok(true);
        };
        if self.since.as_ref().is_some_and(|since| line.time < *since) {
            return Ok(true);
        }
        if self.until.as_ref().is_some_and(|until| line.time > *until) {
            return Ok(false);
        }
        let (at, out): (usize, &mut dyn Write) = match line.stream {
            Stream::Stdout => (0, &mut self.stdout),
            Stream::Stderr => (1, &mut self.stderr),
        };
        if self.timestamps && !self.middle[at] {
            out.write_all(line.time.as_bytes())?;
            out.write_all(b" ")?;
        }
        self.middle[at] = !line.is_whole();
        out.write_all(&line.text)?;
        Ok(true)
    }
}
