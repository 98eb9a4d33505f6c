//! [`WorkerError`]: why a worker gives no result. A [`BuildError`] holds what cannot cross to another process, so what
//! crosses is a description of it.

use crate::build_error::{BuildError, StepCause, StepError};
use crate::dockerfile::SourceFile;
use crate::finding::{Found, in_file_order};
use crate::lower::Finding;
use crate::ops::OpError;
use dockerfile_parser::{Diagnostic, LineIndex};
use rbuild_sandbox::ExitStatus;
use serde::{Deserialize, Serialize};
use std::error::Error;
use std::io;
use std::path::PathBuf;

/// Why there is no result.
#[derive(Debug, thiserror::Error)]
pub enum WorkerError {
    /// The build failed.
    #[error("{}", .0.message)]
    Build(Box<BuildFailure>),
    /// The build was ended through the [`Stop`](crate::Stop) of its request.
    #[error("interrupted")]
    Stopped,
    /// The request reads standard input, which a worker has not.
    #[error("a worker has no standard input")]
    StandardInput,
    /// The worker could not be started.
    #[error("starting the worker")]
    Start(#[source] io::Error),
    /// The request could not be written, or what came back could not be read.
    #[error("speaking to the worker")]
    Socket(#[source] io::Error),
    /// The observer would not go on.
    #[error("before the first step")]
    Observer(#[source] io::Error),
    /// The worker ended without an answer.
    #[error("the worker ended with {0}")]
    Ended(std::process::ExitStatus),
}

/// A build that failed, as another process can tell it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BuildFailure {
    /// Which case of [`BuildError`] it is.
    pub kind: FailureKind,
    /// It in a line.
    pub message: String,
    /// What caused it, outermost first.
    pub causes: Vec<String>,
    /// What is wrong with the Dockerfile or an ignore file, in its order.
    pub found: Vec<FoundInFile>,
    /// The step that failed.
    pub step: Option<FailedStep>,
}

/// The cases of [`BuildError`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum FailureKind {
    /// [`BuildError::Syntax`].
    Syntax,
    /// [`BuildError::Lowering`].
    Lowering,
    /// [`BuildError::Checks`].
    Checks,
    /// [`BuildError::Step`].
    Step,
    /// Any other.
    Other,
}

/// Something wrong at a place of a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FoundInFile {
    /// The file, as the user calls it.
    pub file: String,
    /// Its line, from 1.
    pub line: usize,
    /// The build could go on.
    pub is_warning: bool,
    /// What.
    pub message: String,
    /// What to do.
    pub help: Option<String>,
}

/// A step that failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FailedStep {
    /// `[build 2/5] RUN make`.
    pub title: String,
    /// Its line in the Dockerfile, from 1.
    pub line: Option<usize>,
    /// How its command ended, where it ran.
    pub status: Option<ExitStatus>,
    /// The last lines of its output, oldest first.
    pub tail: Vec<String>,
    /// All of it.
    pub log: Option<PathBuf>,
}

impl BuildFailure {
    /// Describes an error.
    pub(super) fn of(error: &BuildError) -> Self {
        let (kind, found, step) = match error {
            BuildError::Syntax {
                file, diagnostics, ..
            } => {
                let lines = LineIndex::new(&file.text);
                let found = diagnostics.iter().map(|found| of_check(file, &lines, found));
                (FailureKind::Syntax, found.collect(), None)
            }
            BuildError::Lowering {
                file,
                findings,
                checks,
            } => (FailureKind::Lowering, found(file, checks, findings), None),
            BuildError::Checks {
                file,
                findings,
                checks,
            } => (FailureKind::Checks, found(file, checks, findings), None),
            BuildError::Step(failed) => (FailureKind::Step, Vec::new(), Some(step(failed))),
            BuildError::Stopped | BuildError::Other(_) => (FailureKind::Other, Vec::new(), None),
        };
        Self {
            kind,
            message: error.to_string(),
            causes: causes(error),
            found,
            step,
        }
    }
}

fn causes(error: &dyn Error) -> Vec<String> {
    let mut causes = Vec::new();
    let mut next = error.source();
    while let Some(cause) = next {
        causes.push(cause.to_string());
        next = cause.source();
    }
    causes
}

fn found(file: &SourceFile, checks: &[Diagnostic], findings: &[Finding]) -> Vec<FoundInFile> {
    let all = in_file_order(checks, findings);
    let lines = LineIndex::new(&file.text);
    all.iter()
        .map(|found| match found {
            Found::Check(check) => of_check(file, &lines, check),
            Found::Lowering(finding) => FoundInFile {
                file: file.name.clone(),
                line: lines.line(finding.span.start),
                is_warning: !finding.is_error,
                message: finding.message(),
                help: None,
            },
        })
        .collect()
}

fn of_check(file: &SourceFile, lines: &LineIndex<'_>, found: &Diagnostic) -> FoundInFile {
    FoundInFile {
        file: file.name.clone(),
        line: lines.line(found.span.start),
        is_warning: !found.is_error(),
        message: found.message(),
        help: found.help.clone(),
    }
}

fn step(failed: &StepError) -> FailedStep {
    let step = &failed.step;
    let (status, tail, log) = match &failed.cause {
        StepCause::Op(OpError::CommandFailed {
            status, tail, log, ..
        }) => (Some(*status), &tail[..], log.clone()),
        _ => (None, &[][..], None),
    };
    FailedStep {
        title: step.title.clone(),
        line: Some(step.line).filter(|line| *line > 0),
        status,
        tail: tail.iter().map(|line| step.shown(line)).collect(),
        log,
    }
}
