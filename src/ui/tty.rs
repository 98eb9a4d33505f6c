//! Progress on a terminal: a line for each running step, drawn again ten times a second; finished steps scroll up as
//! one line each. indicatif stays in this file.
//!
//! A build that finds everything in the cache draws nothing but its summary and starts no thread: the lines of cached
//! steps are held back until a step really starts, and a running step gets its line when it has run for a while.

mod unpadded;

use super::amount::{bytes, duration};
use super::lines::clean;
use super::look::{Look, Paint, Sign};
use super::printer::{Display, Step};
use super::summary::{Counts, Summary};
use console::{Term, measure_text_width, truncate_str};
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle, TermLike};
use rbuild_solver::{Event, EventKind, Stream};
use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};
use unpadded::Unpadded;

/// A step that is over sooner gets no line while it runs.
const WORTH_A_LINE: Duration = Duration::from_millis(50);
/// Between two drawings.
const TICK: Duration = Duration::from_millis(80);
/// Drawings per second that are let through when many steps change.
const HERTZ: u8 = 12;
/// Width of a bar of bytes.
const BAR: usize = 20;
/// As much of an unfinished line is looked at.
const LAST_LINE: usize = 4096;

pub(super) struct Tty {
    shared: Arc<Shared>,
    ticker: Option<JoinHandle<()>>,
}

struct Shared {
    screen: Mutex<Screen>,
    changed: Condvar,
}

struct Screen {
    look: Look,
    term: Box<dyn TermLike>,
    width: Box<dyn Fn() -> usize + Send>,
    end_line: Box<dyn Fn() -> io::Result<()> + Send>,
    /// What draws on a second handle of the same terminal, from the first start of a step to the close.
    bars: Option<MultiProgress>,
    make_bars: Box<dyn Fn() -> MultiProgress + Send>,
    held: Vec<String>,
    running: BTreeMap<usize, Running>,
    closed: bool,
}

struct Running {
    title: String,
    since: Instant,
    /// The last line of output, raw.
    last: Vec<u8>,
    transfer: Option<(u64, Option<u64>, String)>,
    bar: Option<ProgressBar>,
}

impl Tty {
    pub(super) fn on_stderr(look: Look) -> Self {
        Self::new(look, Term::buffered_stderr())
    }

    pub(super) fn new<T: TermLike + Clone + 'static>(look: Look, term: T) -> Self {
        let term = Unpadded::new(term);
        let (sized, drawn, ended) = (term.clone(), term.clone(), term.clone());
        let screen = Screen {
            look,
            term: Box::new(term),
            width: Box::new(move || usize::from(sized.width())),
            end_line: Box::new(move || ended.end_line()),
            bars: None,
            make_bars: Box::new(move || {
                MultiProgress::with_draw_target(ProgressDrawTarget::term_like_with_hz(
                    Box::new(drawn.clone()),
                    HERTZ,
                ))
            }),
            held: Vec::new(),
            running: BTreeMap::new(),
            closed: false,
        };
        Self {
            shared: Arc::new(Shared {
                screen: Mutex::new(screen),
                changed: Condvar::new(),
            }),
            ticker: None,
        }
    }

    fn start_ticker(&mut self) {
        if self.ticker.is_none() {
            let shared = self.shared.clone();
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
    fn screen(&self) -> MutexGuard<'_, Screen> {
        self.screen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tick(&self) {
        let mut screen = self.screen();
        while !screen.closed {
            screen = if screen.running.is_empty() {
                self.changed.wait(screen).unwrap_or_else(PoisonError::into_inner)
            } else {
                screen.draw(Instant::now());
                self.changed
                    .wait_timeout(screen, TICK)
                    .unwrap_or_else(PoisonError::into_inner)
                    .0
            };
        }
        screen.clear();
    }
}

impl Screen {
    fn draw(&mut self, now: Instant) {
        let (look, width) = (self.look, self.width());
        let Some(bars) = &self.bars else { return };
        for running in self.running.values_mut() {
            let took = now.saturating_duration_since(running.since);
            if took >= WORTH_A_LINE {
                running.draw(bars, took, &look, width);
            }
        }
    }

    /// The columns that may be written to.
    fn width(&self) -> usize {
        match (self.width)() {
            0 => 79,
            columns => columns.max(20),
        }
    }

    /// From now on steps run: what was held back is shown.
    fn go_cold(&mut self) {
        if self.bars.is_none() {
            self.bars = Some((self.make_bars)());
            for line in std::mem::take(&mut self.held) {
                self.print(&line);
            }
        }
    }

    fn print(&self, text: &str) {
        // A terminal that went away must not end the build.
        let _ = match &self.bars {
            Some(bars) => bars.println(text),
            // The terminal is buffered: all lines are one write.
            None => {
                let mut lines = text.lines();
                lines
                    .try_for_each(|line| self.term.write_line(line))
                    .and_then(|()| self.term.flush())
            }
        };
    }

    /// A step is over: its line is taken away, and one is left behind.
    fn settle(&mut self, step: &Step, sign: Sign, word: Option<&str>) {
        let running = self.running.remove(&step.number);
        let since = running.as_ref().map(|running| running.since.elapsed());
        let word = word.map_or_else(|| duration(since.unwrap_or_default()), str::to_owned);
        if let Some(bar) = running.and_then(|running| running.bar) {
            bar.finish_and_clear();
            if let Some(bars) = &self.bars {
                bars.remove(&bar);
            }
        }
        let line = finished_line(&self.look, sign, &word, &step.info.title, self.width());
        if self.bars.is_some() {
            self.print(&line)
        } else {
            self.held.push(line)
        }
    }

    fn clear(&mut self) {
        for (_, running) in std::mem::take(&mut self.running) {
            if let Some(bar) = running.bar {
                bar.finish_and_clear();
            }
        }
        if let Some(bars) = self.bars.take() {
            let _ = bars.clear();
            // What others print begins on a line of its own.
            let _ = (self.end_line)().and_then(|()| self.term.flush());
        }
    }
}

impl Running {
    /// All that changes is in one message, so that a step is drawn once a tick and never by halves.
    fn draw(&mut self, bars: &MultiProgress, took: Duration, look: &Look, width: usize) {
        let frames = look.spinner();
        let frame = frames[(took.as_millis() / TICK.as_millis()) as usize % frames.len()];
        let line = format!("{frame} {}", self.line(took, look, width - 2));
        match &self.bar {
            Some(bar) => bar.set_message(line),
            None => {
                self.bar = Some(bars.add(ProgressBar::no_length().with_style(style()).with_message(line)))
            }
        }
    }

    fn line(&self, took: Duration, look: &Look, width: usize) -> String {
        match &self.transfer {
            Some((done, Some(total), label)) => {
                let amounts = format!(
                    " {} {} / {}",
                    transfer_bar(look, *done, *total),
                    bytes(*done),
                    bytes(*total)
                );
                let room = width.saturating_sub(measure_text_width(&amounts));
                // What is moved is shown where the whole title leaves room for it.
                let fits = 7 + measure_text_width(&self.title) + 3 + measure_text_width(label) <= room;
                running_line(look, took, &self.title, if fits { label } else { "" }, room) + &amounts
            }
            Some((done, None, label)) => running_line(
                look,
                took,
                &self.title,
                &format!("{label} {}", bytes(*done)),
                width,
            ),
            None => {
                let last = clean(&self.last).replace('\t', " ");
                running_line(look, took, &self.title, last.trim(), width)
            }
        }
    }
}

fn style() -> ProgressStyle {
    ProgressStyle::with_template("{msg}").unwrap_or_else(|_| ProgressStyle::default_spinner())
}

/// `━━━━━━╸             `
fn transfer_bar(look: &Look, done: u64, total: u64) -> String {
    let (full, head) = look.bar();
    let cells = (u128::from(done.min(total)) * BAR as u128 / u128::from(total.max(1))) as usize;
    let head = if cells < BAR { head } else { "" };
    let rest = " ".repeat(BAR - cells - head.chars().count());
    format!(
        "{}{rest}",
        look.paint(Paint::Good, &format!("{}{head}", full.repeat(cells)))
    )
}

/// `  3.2s [build 2/5] RUN make | gcc -c main.c`, in so many columns. The title gets what it needs up to half of the
/// room, and all that the output leaves.
fn running_line(look: &Look, took: Duration, title: &str, output: &str, width: usize) -> String {
    let dots = if look.unicode { "…" } else { "..." };
    let time = format!("{:>6} ", duration(took));
    let room = width.saturating_sub(time.len());
    let separator = if look.unicode { " │ " } else { " | " };
    let needed = measure_text_width(output) + 3;
    let title_room = if output.is_empty() {
        room
    } else {
        room.saturating_sub(needed).max(room / 2)
    };
    let title = truncate_str(title, title_room, dots);
    let left = room.saturating_sub(measure_text_width(&title) + 3);
    let mut line = format!("{time}{}", look.paint(Paint::Strong, &title));
    if !output.is_empty() && left > 3 {
        line += &look.paint(
            Paint::Faint,
            &format!("{separator}{}", truncate_str(output, left, dots)),
        );
    }
    line
}

/// `✔   3.2s [build 2/5] RUN make`
fn finished_line(look: &Look, sign: Sign, word: &str, title: &str, width: usize) -> String {
    let dots = if look.unicode { "…" } else { "..." };
    let title = truncate_str(title, width.saturating_sub(9), dots);
    let rest = format!("{word:>6} {title}");
    let rest = match sign {
        Sign::Cached | Sign::Stopped => look.paint(Paint::Faint, &rest),
        _ => rest,
    };
    format!("{} {rest}", look.sign(sign))
}

impl Display for Tty {
    fn event(&mut self, step: &Step, event: &Event) {
        let mut screen = self.shared.screen();
        if screen.closed {
            return;
        }
        match &event.kind {
            EventKind::Started => {
                screen.go_cold();
                let (title, since) = (step.info.title.clone(), Instant::now());
                let running = Running {
                    title,
                    since,
                    last: Vec::new(),
                    transfer: None,
                    bar: None,
                };
                screen.running.insert(step.number, running);
                drop(screen);
                self.start_ticker();
            }
            EventKind::Waiting => {
                if let Some(running) = screen.running.get_mut(&step.number) {
                    running.last = b"waiting for another build that runs this step".to_vec();
                }
            }
            EventKind::Progress { done, total, label } => {
                if let Some(running) = screen.running.get_mut(&step.number) {
                    running.transfer = Some((*done, *total, clean(label.as_bytes())));
                }
            }
            EventKind::Missed(_) | EventKind::Log { .. } => {}
            EventKind::Cached { .. } => screen.settle(step, Sign::Cached, Some("cached")),
            EventKind::Resolved | EventKind::Completed { .. } => screen.settle(step, Sign::Done, None),
            EventKind::Cancelled => screen.settle(step, Sign::Stopped, Some("halted")),
            EventKind::Failed { .. } => {
                screen.go_cold();
                screen.settle(step, Sign::Failed, None);
            }
        }
    }

    fn line(&mut self, step: &Step, _: Duration, _: Stream, line: &[u8]) {
        self.rest(step, line);
    }

    fn rest(&mut self, step: &Step, text: &[u8]) {
        if text.iter().all(u8::is_ascii_whitespace) {
            return;
        }
        if let Some(running) = self.shared.screen().running.get_mut(&step.number) {
            running.last.clear();
            running
                .last
                .extend_from_slice(&text[text.len().saturating_sub(LAST_LINE)..]);
            running.transfer = None;
        }
    }

    fn message(&mut self, text: &str) {
        self.shared.screen().print(text.trim_end_matches('\n'));
    }

    fn finish(&mut self, summary: &Summary, counts: Counts) {
        let mut screen = self.shared.screen();
        screen.clear();
        screen.print(&summary.lines(counts, &screen.look).join("\n"));
    }

    fn close(&mut self) {
        if self
            .ticker
            .as_ref()
            .is_some_and(|ticker| ticker.thread().id() == thread::current().id())
        {
            // It panicked while it was drawing, and holds the screen.
            return;
        }
        self.shared.screen().closed = true;
        self.shared.changed.notify_all();
        // The ticker clears the screen when it ends: on a thread that panics, indicatif draws nothing.
        match self.ticker.take() {
            Some(ticker) => drop(ticker.join()),
            None => self.shared.screen().clear(),
        }
    }
}

#[cfg(test)]
mod tests;
