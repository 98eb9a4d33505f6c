//! `--call` and `--check`: what a Dockerfile says, without building it: what the checks find, its arguments and
//! secrets, its stages. Reads no registry; a base image is looked at if the store has it.

mod check;
mod outline;
mod targets;

pub use check::{draw_warnings, findings_json, print_broken, warnings};
pub use outline::needed_stages;

use crate::context::BuildContext;
use crate::error::Failure;
use crate::ops::{OpError, owner};
use crate::options::{BuildOptions, Call};
use crate::pipeline::{SourceFile, open_store};
use crate::sources::find_stored;
use crate::ui::Look;
use dockerfile_parser::{Dockerfile, Line, LineIndex, Parsed, Platform, Span};
use rbuild_store::Store;
use rbuild_store::image::ImageConfig;
use rbuild_store::snapshot::{Check, SnapshotStore};
use serde_json::{Value, json};
use std::cell::RefCell;
use std::collections::BTreeMap;

/// Runs a method other than `build`; the exit code.
///
/// # Errors
/// `--target` names no stage, or the result cannot be written.
pub fn run(
    options: &BuildOptions,
    file: &SourceFile,
    parsed: Parsed,
    context: &BuildContext,
    look: &Look,
) -> Result<u8, Failure> {
    let dockerfile = &parsed.dockerfile;
    match options.call {
        // A build does not come here.
        Call::Build => Ok(0),
        Call::Check => {
            let store = stored(options);
            check::run(options, file, parsed, context, store.as_ref(), look)
        }
        Call::Outline => outline::run(options, file, dockerfile),
        Call::Targets => targets::run(options, file, dockerfile),
    }
}

/// The store, if it is there: a call makes none, and does without one that cannot be opened.
fn stored(options: &BuildOptions) -> Option<Store> {
    if !options.store_root.join("version").is_file() {
        return None;
    }
    open_store(&options.store_root).ok()
}

/// Configs of base images that the store has, each looked up once.
pub struct Bases<'a> {
    store: Option<&'a Store>,
    known: RefCell<BTreeMap<String, Option<ImageConfig>>>,
}

impl<'a> Bases<'a> {
    /// The bases in `store`; none without one.
    #[must_use]
    pub fn new(store: Option<&'a Store>) -> Self {
        Self {
            store,
            known: RefCell::default(),
        }
    }

    /// Calls `with` with the config of the base of a stage; `None` when it is not known.
    pub fn with<T>(
        &self,
        dockerfile: &Dockerfile,
        stage: usize,
        with: impl FnOnce(&ImageConfig) -> T,
    ) -> Option<T> {
        let store = self.store?;
        let word = dockerfile.stages.get(stage)?.base();
        if word.has_variables() || word.text == "scratch" {
            return None;
        }
        let mut known = self.known.borrow_mut();
        let config = known.entry(word.text.clone()).or_insert_with(|| {
            let record = find_stored(store, &word.text).ok().flatten()?;
            record.parse_config().ok()
        });
        config.as_ref().map(with)
    }
}

impl Bases<'_> {
    /// Whether the base image of a stage knows the user and group of a `--chown`; `None` when that is not known.
    fn knows_owner(&self, dockerfile: &Dockerfile, stage: usize, spec: &str) -> Option<bool> {
        let store = self.store?;
        let record = find_stored(store, &dockerfile.stages.get(stage)?.base().text).ok()??;
        let Some(id) = &record.snapshot else {
            return Some(false);
        };
        let _lease = store.locks().lease(id).ok()??;
        let snapshot = SnapshotStore::new(store.clone()).get(id, Check::Skip).ok()??;
        match owner::chown(&snapshot.tree().ok()?, spec) {
            Ok(_) => Some(true),
            Err(OpError::Owner(_)) => Some(false),
            Err(_) => None,
        }
    }
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
        (first.eq_ignore_ascii_case(name)).then(|| rest.trim().to_owned())
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
