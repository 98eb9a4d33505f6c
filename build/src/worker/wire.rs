//! What crosses the socket: one value of these types a line, as JSON.

use super::error::BuildFailure;
use crate::dockerfile::SourceFile;
use crate::finding::Found;
use crate::lower::{Beside, Fault, Finding};
use crate::observer::{BuildEvent, Observer, StepInfo, WorkEvent};
use crate::result::BuildResult;
use dockerfile_parser::{Diagnostic, Span};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::io::{self, BufRead, Write};
use std::path::PathBuf;

/// What the worker says.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Told {
    /// Something happened.
    Event(OwnedEvent),
    /// The first step is about to run: from now on the worker can be stopped.
    FirstStep,
    /// The end.
    Built(Box<BuildResult>),
    /// The end.
    Failed(Box<BuildFailure>),
    /// The end.
    Stopped,
}

/// A [`BuildEvent`] that borrows nothing.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum OwnedEvent {
    Registry(rbuild_registry::Event),
    ForeignFrontend {
        image: String,
        file: String,
    },
    Steps(Vec<StepInfo>),
    Warnings {
        file: SourceFile,
        found: Vec<OwnedFound>,
    },
    UnusedArguments(Vec<String>),
    Work(WorkEvent),
    Task {
        number: usize,
        title: String,
    },
    CacheFailed {
        cache: String,
        error: String,
    },
    WeakerSandbox(rbuild_sandbox::probe::Choice),
    DevicesLeftOut(Vec<String>),
    SetIdDropped {
        place: PathBuf,
        files: Vec<String>,
    },
}

/// A [`Found`] that borrows nothing.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum OwnedFound {
    Check(#[serde(with = "crate::crossing::diagnostics::one")] Diagnostic),
    Lowering(OwnedFinding),
}

/// A [`Finding`].
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct OwnedFinding {
    is_error: bool,
    message: String,
    is_of_host: bool,
    span: Span,
    label: Option<String>,
    secondary: Vec<(Span, String)>,
    rule: Option<String>,
}

impl OwnedEvent {
    /// Copies what is told.
    pub(super) fn of(event: &BuildEvent<'_>) -> Self {
        match event {
            BuildEvent::Registry(event) => OwnedEvent::Registry(event.clone()),
            BuildEvent::ForeignFrontend { image, file } => OwnedEvent::ForeignFrontend {
                image: (*image).to_owned(),
                file: (*file).to_owned(),
            },
            BuildEvent::Steps(steps) => OwnedEvent::Steps(steps.to_vec()),
            BuildEvent::Warnings { file, found } => OwnedEvent::Warnings {
                file: (*file).clone(),
                found: found.iter().map(OwnedFound::of).collect(),
            },
            BuildEvent::UnusedArguments(names) => OwnedEvent::UnusedArguments(names.to_vec()),
            BuildEvent::Work(event) => OwnedEvent::Work((*event).clone()),
            BuildEvent::Task { number, title } => OwnedEvent::Task {
                number: *number,
                title: (*title).to_owned(),
            },
            BuildEvent::CacheFailed { cache, error } => OwnedEvent::CacheFailed {
                cache: (*cache).to_owned(),
                error: (*error).to_owned(),
            },
            BuildEvent::WeakerSandbox(choice) => OwnedEvent::WeakerSandbox((*choice).clone()),
            BuildEvent::DevicesLeftOut(paths) => OwnedEvent::DevicesLeftOut(paths.to_vec()),
            BuildEvent::SetIdDropped(place, files) => OwnedEvent::SetIdDropped {
                place: place.to_path_buf(),
                files: files.to_vec(),
            },
        }
    }

    /// Tells it on.
    pub(super) fn tell(&self, observer: &dyn Observer) {
        let event = match self {
            OwnedEvent::Registry(event) => BuildEvent::Registry(event.clone()),
            OwnedEvent::ForeignFrontend { image, file } => BuildEvent::ForeignFrontend { image, file },
            OwnedEvent::Steps(steps) => BuildEvent::Steps(steps),
            OwnedEvent::Warnings { file, found } => {
                let findings: Vec<Finding> = found.iter().filter_map(OwnedFound::finding).collect();
                let mut findings = findings.iter();
                let found: Vec<Found<'_>> = found
                    .iter()
                    .filter_map(|found| match found {
                        OwnedFound::Check(check) => Some(Found::Check(check)),
                        OwnedFound::Lowering(_) => findings.next().map(Found::Lowering),
                    })
                    .collect();
                return observer.event(&BuildEvent::Warnings { file, found: &found });
            }
            OwnedEvent::UnusedArguments(names) => BuildEvent::UnusedArguments(names),
            OwnedEvent::Work(event) => BuildEvent::Work(event),
            OwnedEvent::Task { number, title } => BuildEvent::Task {
                number: *number,
                title,
            },
            OwnedEvent::CacheFailed { cache, error } => BuildEvent::CacheFailed { cache, error },
            OwnedEvent::WeakerSandbox(choice) => BuildEvent::WeakerSandbox(choice),
            OwnedEvent::DevicesLeftOut(paths) => BuildEvent::DevicesLeftOut(paths),
            OwnedEvent::SetIdDropped { place, files } => BuildEvent::SetIdDropped(place, files),
        };
        observer.event(&event);
    }
}

impl OwnedFound {
    fn of(found: &Found<'_>) -> Self {
        match found {
            Found::Check(check) => OwnedFound::Check((*check).clone()),
            Found::Lowering(finding) => OwnedFound::Lowering(OwnedFinding {
                is_error: finding.is_error,
                message: finding.message(),
                is_of_host: finding.fault.is_of_host(),
                span: finding.span,
                label: finding.label(),
                secondary: finding
                    .secondary
                    .iter()
                    .map(|(span, what)| (*span, what.to_string()))
                    .collect(),
                rule: finding.rule.map(|rule| rule.name().to_owned()),
            }),
        }
    }

    fn finding(&self) -> Option<Finding> {
        let OwnedFound::Lowering(owned) = self else {
            return None;
        };
        let name = owned.rule.as_deref();
        let told = Fault::Told {
            message: owned.message.clone(),
            label: owned.label.clone(),
            is_of_host: owned.is_of_host,
        };
        let beside = |(span, what): &(Span, String)| (*span, Beside::Told(what.clone()));
        Some(Finding {
            is_error: owned.is_error,
            secondary: owned.secondary.iter().map(beside).collect(),
            rule: name.and_then(dockerfile_parser::lint::Rule::from_name),
            ..Finding::error(told, owned.span)
        })
    }
}

/// Writes one line.
pub(super) fn write(to: &mut impl Write, value: &impl Serialize) -> io::Result<()> {
    let mut line = serde_json::to_vec(value)?;
    line.push(b'\n');
    to.write_all(&line)
}

/// Reads one line; `None` at the end of the stream.
pub(super) fn read<T: DeserializeOwned>(from: &mut impl BufRead) -> io::Result<Option<T>> {
    let mut line = Vec::new();
    if from.read_until(b'\n', &mut line)? == 0 {
        return Ok(None);
    }
    Ok(Some(serde_json::from_slice(&line)?))
}
