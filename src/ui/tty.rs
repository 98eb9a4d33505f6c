//! Progress on a terminal: what runs stands at the bottom with its last output, drawn again a dozen times a second;
//! finished steps scroll up as one line each.
//!
//! A build that finds everything in the cache draws nothing but its summary and starts no thread: the lines of cached
//! steps are held back until a step really starts, and a running step gets its line when it has run for a while.

mod frame;

use super::amount::duration;
use super::canvas::{Canvas, Screen};
use super::lines::{Tail, clean};
use super::printer::{Display, ShownStep};
use super::style::{Sign, Style};
use super::summary::{Counts, Summary};
use crate::interrupt;
use crate::standard_error::StandardError;
use frame::{Running, WINDOW, finished_line, frame};
use rbuild_build::observer::WorkEvent;
use rbuild_solver::{EventKind, Stream};
use std::collections::BTreeMap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// Between two drawings.
const TICK: Duration = Duration::from_millis(80);
/// So late a drawing means that the whole process was stopped (Ctrl-Z), and that a shell has written meanwhile.
const STOPPED: Duration = Duration::from_secs(2);
/// As much of an unfinished line is looked at.
const LAST_LINE: usize = 4096;

pub(super) struct Tty {
    shared: Arc<Shared>,
    ticker: Option<JoinHandle<()>>,
}

struct Shared {
    board: Mutex<Board>,
    changed: Condvar,
}

/// What is to be seen.
struct Board {
    style: Style,
    canvas: Canvas,
    began: Instant,
    /// Finished steps that are counted, of how many.
    done: usize,
    total: usize,
    /// Something runs, or has run: nothing is held back any more.
    is_cold: bool,
    held: Vec<String>,
    running: BTreeMap<usize, Running>,
    closed: bool,
}

impl Tty {
    pub(super) fn on_stderr(style: Style, steps: usize) -> Self {
        Self::new(style, steps, StandardError::default())
    }

    /// For so many steps.
    pub(super) fn new(style: Style, steps: usize, screen: impl Screen + 'static) -> Self {
        let board = Board {
            style,
            canvas: Canvas::new(screen),
            began: Instant::now(),
            done: 0,
            total: steps,
            is_cold: false,
            held: Vec::new(),
            running: BTreeMap::new(),
            closed: false,
        };
        Self {
            shared: Arc::new(Shared {
                board: Mutex::new(board),
                changed: Condvar::new(),
            }),
            ticker: None,
        }
    }

    fn start_ticker(&mut self) {
        if self.ticker.is_none() {
            let shared = Arc::clone(&self.shared);
            // Without a thread the lines stand still, which is no reason to fail.
            self.ticker = thread::Builder::new()
                .name("progress".to_owned())
                .spawn(move || shared.tick())
                .ok();
        }
        self.shared.changed.notify_all();
    }
}

impl Shared {
    fn board(&self) -> MutexGuard<'_, Board> {
        self.board.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tick(&self) {
        let mut board = self.board();
        let mut drawn: Option<Instant> = None;
        while !board.closed {
            board = if board.running.is_empty() {
                drawn = None;
                self.changed.wait(board).unwrap_or_else(PoisonError::into_inner)
            } else {
                let now = Instant::now();
                if drawn.is_some_and(|drawn| now.saturating_duration_since(drawn) > STOPPED) {
                    board.canvas.forget();
                }
                drawn = Some(now);
                let lines = board.frame(now);
                board.canvas.draw(&lines);
                let tick = self.changed.wait_timeout(board, TICK);
                tick.unwrap_or_else(PoisonError::into_inner).0
            };
        }
    }
}

impl Board {
    fn frame(&self, now: Instant) -> Vec<String> {
        let took = duration(now.saturating_duration_since(self.began));
        let last = if interrupt::requested() {
            format!("{took}, stopping; Ctrl-C again ends at once")
        } else {
            format!("{took}, {} of {} steps done", self.done, self.total)
        };
        frame(&self.style, self.running.values(), now, &last, self.canvas.room())
    }

    /// From now on steps run: what was held back is shown.
    fn go_cold(&mut self) {
        if !self.is_cold {
            self.is_cold = true;
            let held = std::mem::take(&mut self.held);
            if !held.is_empty() {
                self.canvas.print(&held.join("\n"), &[]);
            }
        }
    }

    fn print(&mut self, text: &str) {
        let lines = self.frame(Instant::now());
        self.canvas.print(text, &lines);
    }

    /// A step is over: its line is taken away, and one is left behind.
    fn settle(&mut self, step: &ShownStep, sign: Sign, word: Option<&str>) {
        self.done += usize::from(step.counted);
        let running = self.running.remove(&step.number);
        let since = running.map(|running| running.since.elapsed());
        let word = word.map_or_else(|| duration(since.unwrap_or_default()), str::to_owned);
        let columns = self.canvas.room().columns;
        let line = finished_line(&self.style, sign, &word, &step.title, columns);
        if self.is_cold {
            self.print(&line);
        } else {
            self.held.push(line);
        }
    }

    fn close(&mut self) {
        self.running.clear();
        self.canvas.clear();
        self.closed = true;
    }
}

impl Display for Tty {
    fn event(&mut self, step: &ShownStep, event: &WorkEvent) {
        let mut board = self.shared.board();
        if board.closed {
            return;
        }
        match &event.kind {
            EventKind::Started => {
                board.go_cold();
                let running = Running {
                    title: step.title.clone(),
                    since: Instant::now(),
                    output: Tail::keeping(WINDOW),
                    partial: Vec::new(),
                    transfer: None,
                };
                board.running.insert(step.number, running);
                drop(board);
                self.start_ticker();
            }
            EventKind::Waiting => {
                if let Some(running) = board.running.get_mut(&step.number) {
                    running
                        .output
                        .push(b"waiting for another build that runs this step");
                }
            }
            EventKind::Progress { done, total, label } => {
                if let Some(running) = board.running.get_mut(&step.number) {
                    running.transfer = Some((*done, *total, clean(label.as_bytes())));
                }
            }
            EventKind::Missed(_) | EventKind::Log { .. } => {}
            EventKind::Cached { .. } => board.settle(step, Sign::Cached, Some("cached")),
            EventKind::Resolved | EventKind::Completed { .. } => board.settle(step, Sign::Done, None),
            EventKind::Cancelled => board.settle(step, Sign::Stopped, Some("halted")),
            EventKind::Failed { .. } => {
                board.go_cold();
                board.settle(step, Sign::Failed, None);
            }
        }
    }

    fn line(&mut self, step: &ShownStep, _: Duration, _: Stream, line: &[u8]) {
        if let Some(running) = self.shared.board().running.get_mut(&step.number) {
            running.partial.clear();
            running.transfer = None;
            if !line.iter().all(u8::is_ascii_whitespace) {
                running.output.push(line);
            }
        }
    }

    fn rest(&mut self, step: &ShownStep, text: &[u8]) {
        if let Some(running) = self.shared.board().running.get_mut(&step.number) {
            running.partial.clear();
            if !text.is_empty() {
                let last = &text[text.len().saturating_sub(LAST_LINE)..];
                running.partial.extend_from_slice(last);
                running.transfer = None;
            }
        }
    }

    fn message(&mut self, text: &str) {
        self.shared.board().print(text.trim_end_matches('\n'));
    }

    fn finish(&mut self, summary: &Summary, counts: Counts) {
        let mut board = self.shared.board();
        board.running.clear();
        let lines = summary.lines(counts, &board.style).join("\n");
        board.canvas.print(&lines, &[]);
    }

    fn close(&mut self) {
        let is_ticker = |ticker: &JoinHandle<()>| ticker.thread().id() == thread::current().id();
        if self.ticker.as_ref().is_some_and(is_ticker) {
            // It panicked while it was drawing, and holds the board.
            return;
        }
        self.shared.board().close();
        self.shared.changed.notify_all();
        if let Some(ticker) = self.ticker.take() {
            let _ = ticker.join();
        }
    }
}

#[cfg(test)]
mod tests;
