//! The standard streams of the verbs: data on standard output, the rest on standard error, questions on a terminal.
//!
//! A reader that has gone away (`rbuild images | head -1`) is no error and no panic.

use crate::error::Failure;
use crate::interrupt;
use crate::standard_error::StandardError;
use crate::ui::Style;
use rbuild_build::outlet::Outlet;
use serde::Serialize;
use std::io::{self, BufWriter, ErrorKind, IsTerminal, Write};

/// Writes data to standard output.
///
/// # Errors
/// It cannot be written, for instance because a disk is full.
pub fn print(text: &str) -> Result<(), Failure> {
    let mut out = stdout();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(Failure::host(format!("writing to standard output: {error}")))
        }
        _ => Ok(()),
    }
}

/// Writes a value as indented JSON to standard output.
///
/// # Errors
/// As [`print()`].
pub fn print_json(value: &impl Serialize) -> Result<(), Failure> {
    // As it is made: a graph may be larger than what is left of the memory.
    let mut out = BufWriter::with_capacity(1 << 16, stdout());
    let failed = |error: io::Error| match error.kind() {
        ErrorKind::BrokenPipe => Ok(()),
        _ => Err(Failure::host(format!("writing to standard output: {error}"))),
    };
    match serde_json::to_writer_pretty(&mut out, value) {
        Ok(()) => {}
        Err(error) if error.is_io() => return failed(error.into()),
        Err(error) => return Err(Failure::host(format!("making JSON: {error}"))),
    }
    out.write_all(b"\n").and_then(|()| out.flush()).or_else(failed)
}

/// Writes each value as JSON on a line of its own to standard output.
///
/// # Errors
/// As [`print()`].
pub fn print_json_lines<T: Serialize>(values: &[T]) -> Result<(), Failure> {
    let mut text = String::new();
    for value in values {
        text +=
            &serde_json::to_string(value).map_err(|error| Failure::host(format!("making JSON: {error}")))?;
        text.push('\n');
    }
    print(&text)
}

/// Standard output. Once signals are watched, nobody who does not read keeps the program from ending.
fn stdout() -> Box<dyn Write> {
    match interrupt::is_watched() {
        true => Box::new(Outlet::new(io::stdout(), interrupt::requested)),
        false => Box::new(io::stdout().lock()),
    }
}

/// Writes a line to standard error. That nobody reads it is no reason to stop.
pub fn note(line: &str) {
    let _ = StandardError::default().write_all(format!("{line}\n").as_bytes());
}

/// What standard error can show.
#[must_use]
pub fn stderr_style() -> Style {
    Style::new(io::stderr().is_terminal(), |name| std::env::var(name).ok())
}

/// What standard output can show.
#[must_use]
pub fn stdout_style() -> Style {
    Style::new(io::stdout().is_terminal(), |name| std::env::var(name).ok())
}

/// How many columns the terminal has that standard output is, if it is one.
pub fn stdout_columns() -> Option<usize> {
    let size = rustix::termios::tcgetwinsize(io::stdout()).ok()?;
    Some(usize::from(size.ws_col)).filter(|columns| *columns > 0)
}

/// Asks a yes-or-no question on standard error; no is the default.
///
/// # Errors
/// Standard input cannot be read.
pub fn confirm(question: &str) -> Result<bool, Failure> {
    let answer = ask(&format!("{question} [y/N] "))?;
    Ok(matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes"))
}

/// Asks for a line of text.
///
/// # Errors
/// Standard input cannot be read.
pub fn ask(prompt: &str) -> Result<String, Failure> {
    let mut err = io::stderr().lock();
    let _ = err.write_all(prompt.as_bytes()).and_then(|()| err.flush());
    drop(err);
    let mut line = String::new();
    io::stdin()
        .read_line(&mut line)
        .map_err(|error| Failure::host(format!("reading the answer: {error}")))?;
    line.truncate(line.trim_end_matches(['\r', '\n']).len());
    Ok(line)
}

/// Asks for a line of text without showing what is typed.
///
/// # Errors
/// Standard input cannot be read, or the terminal not be silenced.
pub fn ask_hidden(prompt: &str) -> Result<String, Failure> {
    use rustix::termios::{LocalModes, OptionalActions, tcgetattr, tcsetattr};
    let silent =
        |error: rustix::io::Errno| Failure::host(format!("turning off the terminal's echo: {error}"));
    let stdin = io::stdin();
    let before = tcgetattr(&stdin).map_err(silent)?;
    let mut quiet = before.clone();
    quiet.local_modes -= LocalModes::ECHO;
    tcsetattr(&stdin, OptionalActions::Flush, &quiet).map_err(silent)?;
    let answer = ask(prompt);
    // The terminal is given back whatever came of the question.
    let _ = tcsetattr(&stdin, OptionalActions::Now, &before);
    note("");
    answer
}
