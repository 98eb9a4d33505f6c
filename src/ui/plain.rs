//! Plain progress: whole lines, each with its step's number, in the order in which things happen.
//!
//! ```text
//! #2 [build 2/3] RUN make
//! #2 0.123 gcc -c main.c
//! #2 DONE 0.3s
//! #3 [build 3/3] COPY a b
//! #3 CACHED
//! ```

use super::amount::{bytes, duration};
use super::lines::clean;
use super::printer::{Display, ShownStep};
use super::style::Style;
use super::summary::{Counts, Summary};
use rbuild_build::observer::WorkEvent;
use rbuild_solver::{EventKind, MissReason, Stream};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::io::Write;
use std::time::Duration;

/// How often a transfer of a step is told about while it goes on, and how often the end of one: there may be
/// thousands of small ones.
const BETWEEN_TRANSFERS: Duration = Duration::from_secs(2);
const BETWEEN_ENDS: Duration = Duration::from_millis(100);

pub(super) struct Plain {
    output: Box<dyn Write + Send>,
    style: Style,
    /// Lines that are not written yet. Only whole lines are put here, and they are written at once, so that other
    /// writers to the same place never cut one.
    pending: String,
    /// Something runs: from now on nothing is held back. The warm phase is written in one piece.
    cold: bool,
    announced: BTreeSet<usize>,
    /// When each step's transfers were last told about.
    transfers: BTreeMap<usize, Duration>,
}

impl Plain {
    pub(super) fn new(output: Box<dyn Write + Send>, style: Style) -> Self {
        let (announced, transfers) = (BTreeSet::new(), BTreeMap::new());
        Self {
            output,
            style,
            pending: String::new(),
            cold: false,
            announced,
            transfers,
        }
    }

    fn announce(&mut self, step: &ShownStep) {
        if self.announced.insert(step.number) {
            self.put(step, &step.title);
        }
    }

    fn put(&mut self, step: &ShownStep, text: &str) {
        for line in text.lines() {
            let _ = writeln!(self.pending, "#{} {line}", step.number);
        }
    }

    fn transfer(&mut self, step: &ShownStep, at: Duration, done: u64, total: Option<u64>, label: &str) {
        let pause = if total == Some(done) {
            BETWEEN_ENDS
        } else {
            BETWEEN_TRANSFERS
        };
        if self
            .transfers
            .get(&step.number)
            .is_some_and(|last| at.saturating_sub(*last) < pause)
        {
            return;
        }
        self.transfers.insert(step.number, at);
        let total = total
            .map(|total| format!(" / {}", bytes(total)))
            .unwrap_or_default();
        let text = format!(
            "{} {} {}{total}",
            since(step, at),
            clean(label.as_bytes()),
            bytes(done)
        );
        self.put(step, &text);
    }

    fn flush(&mut self) {
        // A reader that went away must not end the build.
        let _ = self.output.write_all(self.pending.as_bytes());
        let _ = self.output.flush();
        self.pending.clear();
    }
}

fn since(step: &ShownStep, at: Duration) -> String {
    format!("{:.3}", at.saturating_sub(step.started).as_secs_f64())
}

impl Display for Plain {
    fn event(&mut self, step: &ShownStep, event: &WorkEvent) {
        self.announce(step);
        match &event.kind {
            EventKind::Started | EventKind::Log { .. } | EventKind::Missed(MissReason::FirstTime) => {}
            EventKind::Missed(reason) => self.put(step, &format!("not cached: {}", reason.headline())),
            EventKind::Waiting => self.put(step, "waiting for another build that runs this step"),
            EventKind::Progress { done, total, label } => self.transfer(step, event.at, *done, *total, label),
            EventKind::Cached { .. } => self.put(step, "CACHED"),
            EventKind::Resolved => self.put(step, &format!("DONE {}", duration(Duration::ZERO))),
            EventKind::Completed { cost } => self.put(step, &format!("DONE {}", duration(*cost))),
            EventKind::Failed { message } => {
                let message = message
                    .lines()
                    .map(|line| clean(line.as_bytes()))
                    .collect::<Vec<_>>()
                    .join("\n");
                self.put(step, &format!("ERROR: {message}"));
            }
            EventKind::Cancelled => self.put(step, "CANCELED"),
        }
        self.cold |= !matches!(event.kind, EventKind::Cached { .. } | EventKind::Resolved);
        if self.cold {
            self.flush();
        }
    }

    fn line(&mut self, step: &ShownStep, at: Duration, _: Stream, line: &[u8]) {
        let text = format!("{} {}", since(step, at), clean(line));
        let _ = writeln!(self.pending, "#{} {}", step.number, text.trim_end());
    }

    fn rest(&mut self, _: &ShownStep, _: &[u8]) {
        self.flush();
    }

    fn message(&mut self, text: &str) {
        self.pending.push_str(text.trim_end_matches('\n'));
        self.pending.push('\n');
        self.flush();
    }

    fn finish(&mut self, summary: &Summary, counts: Counts) {
        for line in summary.lines(counts, &self.style) {
            let _ = writeln!(self.pending, "{line}");
        }
        self.flush();
    }

    fn close(&mut self) {
        self.flush();
    }
}
