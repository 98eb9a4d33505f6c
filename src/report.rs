//! Draws what went wrong: values in, text out. Kinds, hints and exit codes are given in `words`, `step`
//! and `remedy`; nothing here prints.
//!
//! [`diagnostic`] draws a message at a place of a Dockerfile, [`step_failure`] a step that failed.

use crate::ui::lines::clean;
use crate::ui::{Paint, Style, amount};
use std::fmt::Write as _;
use std::ops::Range;
use std::path::Path;
use std::time::Duration;

pub mod advice;
pub mod build_error;
mod ended;
mod excerpt;
pub mod failure;
pub mod findings;
pub mod host;
mod memory;
mod registry;
mod remedy;
pub mod step;
pub mod weaker;
pub mod words;

pub use ended::Ended;
pub use excerpt::{Label, Source};
pub use memory::out_of_memory;

/// Something to be said about a place.
#[derive(Debug, Clone)]
pub struct Diagnostic<'a> {
    /// `error` or `warning`.
    pub severity: Severity,
    /// One line.
    pub message: &'a str,
    /// Where, and what stands beside the carets.
    pub primary: Label<'a>,
    /// Other places that help to understand it.
    pub secondary: &'a [Label<'a>],
    /// What to do.
    pub help: &'a [String],
}

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    /// The build cannot go on.
    Error,
    /// It goes on.
    Warning,
}

/// A step that failed.
#[derive(Debug, Clone)]
pub struct StepFailure<'a> {
    /// `[build 2/5] RUN make`.
    pub title: &'a str,
    /// How its command ended, or what kept it from running.
    pub ended: Ended,
    /// The Dockerfile and the bytes of the instruction; `None` for a step that stands in no file.
    pub place: Option<(Source<'a>, Range<usize>)>,
    /// How long it ran.
    pub took: Option<Duration>,
    /// What to show of its output.
    pub output: Output<'a>,
    /// Where all of its output is.
    pub log: Option<&'a Path>,
    /// What to do, besides what the way it ended suggests.
    pub help: &'a [String],
}

/// What to show of a step's output.
#[derive(Debug, Clone, Copy)]
pub enum Output<'a> {
    /// It stands above already (plain progress), or there is none.
    Shown,
    /// Its last lines.
    Tail(&'a [String]),
    /// All of it, as bytes of the log: for CI, where nobody can open the file afterwards.
    Whole(&'a [u8]),
}

/// Whether this looks like a CI job: `CI` is set to anything but nothing, `0` and `false`.
pub fn is_ci(environment: impl Fn(&str) -> Option<String>) -> bool {
    environment("CI").is_some_and(|value| !["", "0", "false"].contains(&value.as_str()))
}

/// A message at a place, with a final newline.
pub fn diagnostic(source: Source<'_>, diagnostic: &Diagnostic<'_>, style: &Style) -> String {
    let mut text = headline(diagnostic.severity, diagnostic.message, style);
    text += &excerpt::draw(source, &diagnostic.primary, diagnostic.secondary, style);
    text += &help(diagnostic.help.iter().map(String::as_str), style);
    text
}

/// A failed step, with a final newline.
pub fn step_failure(failure: &StepFailure<'_>, style: &Style) -> String {
    let ended = failure.ended.to_string();
    let title: String = clean(failure.title.replace('\n', " ").as_bytes())
        .chars()
        .take(100)
        .collect();
    let took = failure
        .took
        .map(|took| format!(" after {}", amount::duration(took)))
        .unwrap_or_default();
    // Output comes first, so that what failed is still on the screen when a long log has passed.
    let mut text = output(&title, failure.output, style);
    text += &headline(
        Severity::Error,
        &format!("step `{title}` failed{took}: {ended}"),
        style,
    );
    if let Some((source, span)) = &failure.place {
        text += &excerpt::draw(
            *source,
            &Label {
                span: span.clone(),
                text: &ended,
            },
            &[],
            style,
        );
    }
    if let Some(log) = failure.log {
        let _ = writeln!(text, "full log: {}", log.display());
    }
    text += &help(
        failure
            .ended
            .help()
            .into_iter()
            .chain(failure.help.iter().map(String::as_str)),
        style,
    );
    text
}

fn output(title: &str, output: Output<'_>, style: &Style) -> String {
    let rule = style.paint(Paint::Faint, "  | ");
    let quote = |line: &str| format!("{}\n", format!("{rule}{line}").trim_end());
    match output {
        Output::Shown => String::new(),
        Output::Tail([]) => format!("step `{title}` printed nothing\n"),
        Output::Tail(lines) => {
            let count = match lines.len() {
                1 => "last line".to_owned(),
                count => format!("last {count} lines"),
            };
            let lines: String = lines.iter().map(|line| quote(&clean(line.as_bytes()))).collect();
            format!("{count} of step `{title}`:\n{lines}")
        }
        Output::Whole(log) => {
            let log = log.strip_suffix(b"\n").unwrap_or(log);
            let lines: String = log
                .split(|byte| *byte == b'\n')
                .map(|line| quote(&clean(line)))
                .collect();
            format!("output of step `{title}`:\n{lines}")
        }
    }
}

fn headline(severity: Severity, message: &str, style: &Style) -> String {
    let word = match severity {
        Severity::Error => style.paint(Paint::Bad, "error:"),
        Severity::Warning => style.paint(Paint::Strong, "warning:"),
    };
    format!("{word} {}\n", style.paint(Paint::Strong, message))
}

fn help<'a>(lines: impl Iterator<Item = &'a str>, style: &Style) -> String {
    lines
        .map(|line| format!("{} {line}\n", style.paint(Paint::Good, "help:")))
        .collect()
}

#[cfg(test)]
mod tests;
