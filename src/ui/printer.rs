//! [`Printer`]: takes a build's events from any thread, keeps each step's last lines, and tells one display.

use super::lines::{LineSplitter, Tail, clean};
use super::mode::ProgressMode;
use super::plain::Plain;
use super::rawjson::RawJson;
use super::style::Style;
use super::summary::{Counts, Summary};
use super::tty::Tty;
use rbuild_build::observer::{StepInfo, Work, WorkEvent};
use rbuild_solver::{EventKind, Stream};
use std::collections::BTreeMap;
use std::io::Write;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};
use std::time::Duration;

/// A step and its number, for the displays.
#[derive(Debug)]
pub(super) struct ShownStep {
    /// From 1, in the order in which they were given.
    pub(super) number: usize,
    pub(super) title: String,
    /// Its line in the Dockerfile, from 1.
    pub(super) line: Option<usize>,
    /// Whether it is one of the steps that are counted.
    pub(super) counted: bool,
    /// When it began.
    pub(super) started: Duration,
    out: LineSplitter,
    err: LineSplitter,
    tail: Tail,
}

/// Shows what happens. Called by one thread at a time.
pub(super) trait Display: Send {
    /// A step that was not among those given at first.
    fn added(&mut self, _: &ShownStep) {}
    /// Anything but output of a step.
    fn event(&mut self, step: &ShownStep, event: &WorkEvent);
    /// A whole line that a step printed; raw.
    fn line(&mut self, step: &ShownStep, at: Duration, stream: Stream, line: &[u8]);
    /// A piece of output was told in whole lines; this of it has no end yet, raw and perhaps empty.
    fn rest(&mut self, step: &ShownStep, text: &[u8]);
    /// Something that belongs to no step.
    fn message(&mut self, text: &str);
    /// The build has succeeded.
    fn finish(&mut self, summary: &Summary, counts: Counts);
    /// Nothing follows: leave the terminal as it was. May be called more than once.
    fn close(&mut self);
}

/// Progress of one build. Shared by reference between threads; closes its display when dropped.
pub struct Printer(Mutex<State>);

struct State {
    steps: BTreeMap<Work, ShownStep>,
    counts: Counts,
    /// `None`: quiet.
    display: Option<Box<dyn Display>>,
}

impl Printer {
    /// A printer for these steps. `output` is standard error (for `tty` the real one is drawn on in any case), `style`
    /// what it can show. Starts nothing: a terminal is first touched when a step has run for a while.
    pub fn new(
        mode: ProgressMode,
        steps: Vec<StepInfo>,
        mut output: Box<dyn Write + Send>,
        style: Style,
    ) -> Self {
        if mode == ProgressMode::Tty && !style.is_terminal {
            let _ = writeln!(
                output,
                "warning: standard error is no terminal, so progress is plain"
            );
        }
        let display: Option<Box<dyn Display>> = match mode {
            ProgressMode::Quiet => None,
            ProgressMode::RawJson => Some(Box::new(RawJson::new(output, &steps))),
            ProgressMode::Auto | ProgressMode::Tty if style.is_terminal => {
                let counted = steps.iter().filter(|step| step.counted).count();
                Some(Box::new(Tty::on_stderr(style, counted)))
            }
            _ => Some(Box::new(Plain::new(output, style))),
        };
        Self::with_display(display, steps)
    }

    pub(super) fn with_display(display: Option<Box<dyn Display>>, infos: Vec<StepInfo>) -> Self {
        let mut steps = BTreeMap::new();
        for StepInfo {
            id,
            title,
            line,
            counted,
        } in infos
        {
            let number = steps.len() + 1;
            let new = || ShownStep::new(number, &title, line, counted);
            steps.entry(Work::Step(id)).or_insert_with(new);
        }
        Self(Mutex::new(State {
            steps,
            counts: Counts::default(),
            display,
        }))
    }

    /// Adds something that takes a while and is no step of the Dockerfile, such as an export. It is shown as a step and
    /// not counted as one.
    pub fn task(&self, task: usize, title: &str) {
        let mut state = self.state();
        let step = ShownStep::new(state.steps.len() + 1, title, None, false);
        if let Some(display) = &mut state.display {
            display.added(&step);
        }
        state.steps.insert(Work::Task(task), step);
    }

    /// Takes an event.
    pub fn event(&self, event: &WorkEvent) {
        self.state().event(event);
    }

    /// Says something between the lines of progress: a warning, a note. Not shown when quiet.
    pub fn message(&self, text: &str) {
        if let Some(display) = &mut self.state().display {
            display.message(text);
        }
    }

    /// Says what was built, and closes.
    pub fn finish(&self, summary: &Summary) {
        let mut state = self.state();
        let counts = state.counts;
        if let Some(display) = &mut state.display {
            display.finish(summary, counts);
            display.close();
        }
    }

    /// Leaves the terminal as it was, before an error is reported or a signal ends the process.
    pub fn close(&self) {
        if let Some(display) = &mut self.state().display {
            display.close();
        }
    }

    /// Closes the printer before a panic is reported. The hook that was there is called afterwards.
    pub fn close_on_panic(self: &Arc<Self>) {
        let printer = Arc::downgrade(self);
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            // The panic may have come from inside: never wait here.
            let state = printer.upgrade();
            match state.as_ref().map(|printer| printer.0.try_lock()) {
                Some(Ok(mut state)) => state.close(),
                Some(Err(TryLockError::Poisoned(state))) => state.into_inner().close(),
                Some(Err(TryLockError::WouldBlock)) | None => {}
            }
            before(panic);
        }));
    }

    /// The last lines that a step printed, both streams, as harmless text.
    pub fn tail(&self, work: &Work) -> Vec<String> {
        let state = self.state();
        state
            .steps
            .get(work)
            .map(|step| step.tail.lines())
            .unwrap_or_default()
    }

    /// How many steps were found in the cache, and how many there were.
    pub fn counts(&self) -> Counts {
        self.state().counts
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Printer {
    fn drop(&mut self) {
        self.close();
    }
}

impl State {
    fn close(&mut self) {
        if let Some(display) = &mut self.display {
            display.close();
        }
    }

    fn event(&mut self, event: &WorkEvent) {
        let Some(step) = self.steps.get_mut(&event.work) else {
            return;
        };
        let mut display = self.display.as_deref_mut();
        match &event.kind {
            EventKind::Log { stream, bytes } => {
                step.log(*stream, bytes, event.at, display);
                return;
            }
            EventKind::Started => step.started = event.at,
            EventKind::Cached { .. } => {
                self.counts.cached += 1;
                self.counts.total += 1;
            }
            EventKind::Completed { .. } => self.counts.total += usize::from(step.counted),
            _ => {}
        }
        if event.kind.is_last() {
            step.flush(event.at, display.as_deref_mut());
        }
        if let Some(display) = display {
            display.event(step, event);
        }
    }
}

impl ShownStep {
    pub(super) fn new(number: usize, title: &str, line: Option<usize>, counted: bool) -> Self {
        let (out, err) = (LineSplitter::default(), LineSplitter::default());
        Self {
            number,
            title: clean(title.replace('\n', " ").as_bytes()),
            line,
            counted,
            started: Duration::ZERO,
            out,
            err,
            tail: Tail::default(),
        }
    }

    fn log(
        &mut self,
        stream: Stream,
        bytes: &[u8],
        at: Duration,
        mut display: Option<&mut (dyn Display + 'static)>,
    ) {
        let mut lines = std::mem::take(self.splitter(stream));
        lines.push(bytes, &mut |line| {
            self.line(stream, at, line, display.as_deref_mut())
        });
        if let Some(display) = display {
            display.rest(self, lines.partial());
        }
        *self.splitter(stream) = lines;
    }

    /// What a step printed without ending the line is shown when the step ends.
    fn flush(&mut self, at: Duration, mut display: Option<&mut (dyn Display + 'static)>) {
        for stream in [Stream::Out, Stream::Err] {
            let mut lines = std::mem::take(self.splitter(stream));
            lines.flush(&mut |line| self.line(stream, at, line, display.as_deref_mut()));
        }
    }

    fn line(
        &mut self,
        stream: Stream,
        at: Duration,
        line: &[u8],
        display: Option<&mut (dyn Display + 'static)>,
    ) {
        self.tail.push(line);
        if let Some(display) = display {
            display.line(self, at, stream, line);
        }
    }

    fn splitter(&mut self, stream: Stream) -> &mut LineSplitter {
        match stream {
            Stream::Out => &mut self.out,
            Stream::Err => &mut self.err,
        }
    }
}

#[cfg(test)]
mod tests;
