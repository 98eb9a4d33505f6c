//! Which times that a command left were set, and which only say that it made the file.
//!
//! The kernel gives what a command writes the time at which it does so. That time says when a step ran and nothing of
//! what it made. A time outside of the step's own was given: by `touch -d`, by a program that unpacks an archive, or by
//! one that took it along from a file that it copied or renamed. It is worth what it was worth where it came from.

use std::cell::OnceCell;
use std::collections::{HashMap, HashSet};
use std::time::Duration;

use crate::LayerError;
use crate::hash::FileHash;
use crate::listing::{Entry, EntryKind, Metadata, Timestamp};
use crate::tree::TreeLayer;

/// Programs keep whole seconds, zip archives every other one, and a time that a program asks for is a tick ahead of
/// the one that the kernel gives: so much beside the step's own time is still its own.
const SLACK: Duration = Duration::from_secs(2);

/// Programs that copy a time keep its nanoseconds, micro- or milliseconds, or the second alone.
const PRECISIONS: [u32; 4] = [1, 1_000, 1_000_000, 1_000_000_000];

/// When a command ran, by the clock that its files have their times from. Nanoseconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    first: i128,
    last: i128,
}

impl Window {
    /// From the clock's time before and after, and how long it took by one that nobody sets. Where the clock was set
    /// meanwhile, both what it showed before and what it showed after is in it.
    pub fn new(before: Timestamp, after: Timestamp, elapsed: Duration) -> Self {
        let (before, after) = (nanos(before), nanos(after));
        let [elapsed, slack] =
            [elapsed, SLACK].map(|time| i128::try_from(time.as_nanos()).unwrap_or(i128::MAX >> 1));
        Window {
            first: before.min(after - elapsed) - slack,
            last: after.max(before + elapsed) + slack,
        }
    }

    fn contains(self, time: Timestamp) -> bool {
        (self.first..=self.last).contains(&nanos(time))
    }
}

fn nanos(time: Timestamp) -> i128 {
    i128::from(time.secs) * 1_000_000_000 + i128::from(time.nanos)
}

/// What a file is beside its time, without reading it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Shape {
    File(u64),
    Dir,
    Symlink(Vec<u8>),
    Other,
}

/// The times that were not set in what a command could read.
#[derive(Debug, Default)]
struct Undated {
    /// Those with a fraction of a second, and cut to what programs keep of it. Nobody has one of these but from there.
    fractions: HashSet<Timestamp>,
    /// Whole seconds can be anybody's: with the shape and, for files, the contents of those that had them.
    seconds: HashMap<(Timestamp, Shape), HashSet<FileHash>>,
}

impl Undated {
    fn add(&mut self, entry: &Entry) {
        let (shape, hash) = match &entry.kind {
            EntryKind::File { size, hash } => (Shape::File(*size), Some(*hash)),
            EntryKind::Dir { .. } => (Shape::Dir, None),
            EntryKind::Symlink { target } => (Shape::Symlink(target.clone()), None),
            EntryKind::Fifo | EntryKind::CharDevice { .. } | EntryKind::BlockDevice { .. } => {
                (Shape::Other, None)
            }
            // The file that it is another name of is in the same listing.
            EntryKind::Hardlink { .. } | EntryKind::Whiteout => return,
        };
        if entry.meta.dated {
            return;
        }
        let time = entry.meta.mtime;
        if time.nanos == 0 {
            self.seconds.entry((time, shape)).or_default().extend(hash);
            return;
        }
        for unit in PRECISIONS {
            let nanos = time.nanos / unit * unit;
            self.fractions.insert(Timestamp { nanos, ..time });
        }
    }

    /// Whether what has this time and shape has it from one of these.
    fn gave(
        &self,
        time: Timestamp,
        shape: Shape,
        hash: &mut dyn FnMut() -> Result<FileHash, LayerError>,
    ) -> Result<bool, LayerError> {
        if self.fractions.contains(&time) {
            return Ok(true);
        }
        let is_file = matches!(shape, Shape::File(_));
        match self.seconds.get(&(time, shape)) {
            None => Ok(false),
            Some(_) if !is_file => Ok(true),
            Some(contents) => Ok(contents.contains(&hash()?)),
        }
    }
}

/// Judges times.
#[derive(Debug)]
pub struct Dates {
    window: Window,
    readable: Vec<TreeLayer>,
    undated: OnceCell<Undated>,
}

impl Dates {
    /// Of a command that ran then, and could read these layers. Those in which every time was set may be left out. They
    /// are read only if there is a time to explain.
    pub fn new(window: Window, readable: Vec<TreeLayer>) -> Self {
        Dates {
            window,
            readable,
            undated: OnceCell::new(),
        }
    }

    /// Whether the time of something new or changed was set. `old` is what the command found at its path, `hash` tells
    /// the content of a file.
    pub(crate) fn is_set(
        &self,
        time: Timestamp,
        shape: Shape,
        old: Option<&Metadata>,
        hash: &mut dyn FnMut() -> Result<FileHash, LayerError>,
    ) -> Result<bool, LayerError> {
        if let Some(old) = old
            && old.mtime == time
        {
            return Ok(old.dated);
        }
        if self.window.contains(time) {
            return Ok(false);
        }
        Ok(!self.undated()?.gave(time, shape, hash)?)
    }

    fn undated(&self) -> Result<&Undated, LayerError> {
        if let Some(undated) = self.undated.get() {
            return Ok(undated);
        }
        let mut found = Undated::default();
        for layer in &self.readable {
            layer.each_entry(&mut |entry| found.add(entry))?;
        }
        Ok(self.undated.get_or_init(|| found))
    }
}

#[cfg(test)]
mod tests;
