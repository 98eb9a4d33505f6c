//! [`BuildError`]: why there is no result, as data.

use crate::dockerfile::SourceFile;
use crate::error::{Error, OpError};
use crate::lower::Finding;
use crate::ops::spec::Step;
use dockerfile_parser::{Diagnostic, Dockerfile, Span};

/// Why there is no result.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// A Dockerfile or an ignore file does not parse.
    #[error("`{}` has errors", file.name)]
    Syntax {
        /// The file.
        file: SourceFile,
        /// All that was found, at least one error.
        diagnostics: Vec<Diagnostic>,
        /// What of a Dockerfile could be read: whole above the first error.
        dockerfile: Option<Box<Dockerfile>>,
    },
    /// What the Dockerfile says cannot be done.
    #[error("`{}` cannot be built", file.name)]
    Lowering {
        /// The file.
        file: SourceFile,
        /// All that is wrong.
        findings: Vec<Finding>,
        /// What the checks found at the same instructions.
        checks: Vec<Diagnostic>,
    },
    /// The file makes errors of what its checks found.
    #[error("the checks found something, and the file makes that an error")]
    Checks {
        /// The file.
        file: SourceFile,
        /// What the parser and the checks found.
        checks: Vec<Diagnostic>,
        /// What the lowering found.
        findings: Vec<Finding>,
    },
    /// A step failed.
    #[error("step `{}` failed: {}", .0.step.title, .0.reason())]
    Step(Box<StepError>),
    /// The build was ended through its [`Stop`](crate::Stop).
    #[error("interrupted")]
    Stopped,
    /// Anything else.
    #[error(transparent)]
    Other(#[from] Error),
}

/// How a step failed.
#[derive(Debug)]
pub struct StepError {
    /// The step.
    pub step: Step,
    /// Why.
    pub cause: StepCause,
    /// The guilty word of the file, else the instruction.
    pub span: Span,
    /// The Dockerfile.
    pub file: SourceFile,
}

impl StepError {
    /// Why, without the values of secrets in the step's words.
    #[must_use]
    pub fn reason(&self) -> String {
        self.step.shown(&self.cause.to_string())
    }
}

/// Why a step failed.
#[derive(Debug, thiserror::Error)]
pub enum StepCause {
    /// Its work failed.
    #[error(transparent)]
    Op(OpError),
    /// It panicked: a fault of rbuild.
    #[error("internal error: {0}")]
    Panicked(String),
    /// A thread could not be had.
    #[error("starting a thread: {0}")]
    Thread(std::io::Error),
}
