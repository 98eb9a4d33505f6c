//! `--call` and `--check`: what a Dockerfile says, without building it: what the checks find, its arguments and
//! secrets, its stages. A base image is looked at if the store has it; a registry is asked only by `--check`, and only
//! where what it finds depends on the answer.

mod check;
mod outline;
mod targets;

pub use check::findings_json;
pub use outline::needed_stages;

use crate::error::{Failure, Kind};
use crate::interrupt;
use crate::options::{BuildOptions, Call};
use crate::progress::Progress;
use crate::report::{build_error, words};
use crate::ui::{ProgressMode, Style};
use dockerfile_parser::{Line, LineIndex, Span};
use rbuild_build::contexts::Contexts;
use rbuild_build::dockerfile::SourceFile;
use rbuild_build::inputs::Inputs;
use rbuild_build::observer::SharedObserver;
use rbuild_build::{BuildError, open_store};
use rbuild_store::Store;
use serde_json::{Value, json};
use std::sync::Arc;

/// Runs a method other than `build`; the exit code.
///
/// # Errors
/// A file cannot be read or does not parse, `--target` names no stage, or the result cannot be written.
pub fn run(options: &BuildOptions, style: &Style) -> Result<u8, Failure> {
    // Signals are watched where a context is fetched.
    call(options, style).map_err(interrupt::or_failure)
}

fn call(options: &BuildOptions, style: &Style) -> Result<u8, Failure> {
    let inputs = open(options, style)?;
    let _ends = options.request.stop.also(inputs.registries.stopper());
    let (file, dockerfile) = (&inputs.file, &inputs.parsed.dockerfile);
    match options.call {
        // A build does not come here.
        Call::Build => Ok(0),
        Call::Check => {
            let store = stored(options);
            let subject = check::Subject {
                options,
                inputs: &inputs,
                store: store.as_ref(),
            };
            check::run(&subject, style)
        }
        Call::Outline => outline::run(options, file, dockerfile),
        Call::Targets => targets::run(options, file, dockerfile),
    }
}

/// Opens and parses the files; `--check` says more of a Dockerfile that does not parse.
///
/// # Errors
/// As [`Inputs::open`].
pub fn open(options: &BuildOptions, style: &Style) -> Result<Inputs, Failure> {
    let observer: SharedObserver = Arc::new(Progress::new(ProgressMode::Plain, *style));
    let store = match Contexts::are_fetched(&options.request) {
        true => stored(options),
        false => None,
    };
    Inputs::open(&options.request, &observer, store.as_ref()).or_else(|error| {
        let error = match error {
            BuildError::Syntax {
                file,
                diagnostics,
                dockerfile: Some(dockerfile),
            } if options.call == Call::Check => check::broken(options, file, diagnostics, dockerfile)?,
            BuildError::Other(error)
                if options.call == Call::Check && words::failure(&error).kind() == Kind::Dockerfile =>
            {
                check::unreadable(options, &words::failure(&error))?;
                error.into()
            }
            other => other,
        };
        Err(interrupt::or_failure(build_error::failure(error, options, style)))
    })
}

/// The store, if it is there: a call makes none, and does without one that cannot be opened.
#[expect(clippy::disallowed_methods, reason = "the store's own path")]
pub(crate) fn stored(options: &BuildOptions) -> Option<Store> {
    if !options.request.store_root.join("version").is_file() {
        return None;
    }
    open_store(&options.request.store_root).ok()
}

/// The words that a comment directly above an instruction says about `name`: `# name words`.
fn description(line: &Line, name: &str) -> Option<String> {
    line.comments.iter().rev().find_map(|comment| {
        let (first, rest) = comment.text.trim().split_once(char::is_whitespace)?;
        (first == name).then(|| rest.trim().to_owned())
    })
}

/// A place as BuildKit's subrequests give it: lines and characters from 1 and 0.
fn location(lines: &LineIndex<'_>, span: Span) -> Value {
    let place = |offset: usize| {
        let position = lines.position(offset);
        json!({ "line": position.line, "character": position.column - 1 })
    };
    json!({ "ranges": [{ "start": place(span.start), "end": place(span.end) }] })
}

/// The file that locations are in.
fn source(file: &SourceFile) -> Value {
    json!({ "filename": file.name, "language": "Dockerfile" })
}
