//! `--call` and `--check`: what a Dockerfile says, without building it: what the checks find, its arguments and
//! secrets, its stages. A base image is looked at if the store has it; a registry is asked only by `--check`, and only
//! where what it finds depends on the answer.

mod bases;
mod check;
mod outline;
mod targets;

pub use bases::Bases;
pub use check::{draw_warnings, findings_json, print_broken, warnings};
pub use outline::needed_stages;

use rbuild_oci::ImageConfig;
use rbuild_store::Store;

use crate::error::Failure;
use crate::options::{BuildOptions, Call};
use crate::pipeline::{Contexts, SourceFile, open_store};
use crate::ui::Look;
use dockerfile_parser::{Line, LineIndex, Parsed, Platform, Span};
use rbuild_build::pull::Puller;
use serde_json::{Value, json};

/// Runs a method other than `build`; the exit code.
///
/// # Errors
/// `--target` names no stage, or the result cannot be written.
pub fn run(
    options: &BuildOptions,
    file: &SourceFile,
    parsed: Parsed,
    contexts: &Contexts,
    puller: &Puller,
    look: &Look,
) -> Result<u8, Failure> {
    let dockerfile = &parsed.dockerfile;
    match options.call {
        // A build does not come here.
        Call::Build => Ok(0),
        Call::Check => {
            let store = stored(options);
            let subject = check::Subject {
                options,
                file,
                contexts,
                store: store.as_ref(),
            };
            check::run(&subject, parsed, puller, look)
        }
        Call::Outline => outline::run(options, file, dockerfile),
        Call::Targets => targets::run(options, file, dockerfile),
    }
}

/// The store, if it is there: a call makes none, and does without one that cannot be opened.
#[expect(clippy::disallowed_methods, reason = "the store's own path")]
pub(crate) fn stored(options: &BuildOptions) -> Option<Store> {
    if !options.request.store_root.join("version").is_file() {
        return None;
    }
    open_store(&options.request.store_root).ok()
}

/// What a config says about platforms; `None` when it says nothing.
fn platform(config: &ImageConfig) -> Option<Platform> {
    let variant = config.variant.as_deref().unwrap_or_default();
    (!config.architecture.is_empty()).then(|| Platform::new(&config.os, &config.architecture, variant))
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
