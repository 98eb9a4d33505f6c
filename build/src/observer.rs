//! [`Observer`]: what is told while a request is built. Nothing here prints.

use crate::dockerfile::SourceFile;
use crate::finding::Found;
use crate::ops::StepId;
use crate::stop::Stop;
use rbuild_solver::EventKind;
use std::sync::Arc;
use std::time::Duration;

/// Is told what happens in a build. Called from any thread, never by two threads about one step at once.
pub trait Observer: Send + Sync {
    /// Something happened.
    fn event(&self, event: &BuildEvent<'_>);

    /// A context is about to be fetched: that may take long, and what comes must not stay when a signal ends the program.
    /// Called at most once, on the thread that builds. A thread that waits for signals from here on has to be gone after
    /// [`Observer::before_namespace`]; `stop` ends the build.
    ///
    /// # Errors
    /// What keeps the program from going on.
    fn before_fetch(&self, stop: &Stop) -> std::io::Result<()> {
        let _ = stop;
        Ok(())
    }

    /// The process is about to enter a user namespace, which only one with a single thread may.
    fn before_namespace(&self) {}

    /// The first step is about to run: from here on there are threads and child processes. Called at most once, on the
    /// thread that builds; `stop` ends the build. A program that is told to end by signals blocks them here, so that the
    /// threads of the build inherit that.
    ///
    /// # Errors
    /// What keeps the program from going on.
    fn before_first_step(&self, stop: &Stop) -> std::io::Result<()> {
        let _ = stop;
        Ok(())
    }
}

/// An observer that does not look.
#[derive(Debug, Clone, Copy, Default)]
pub struct Unobserved;

impl Observer for Unobserved {
    fn event(&self, _: &BuildEvent<'_>) {}
}

/// What is told.
#[derive(Debug, Clone)]
pub enum BuildEvent<'a> {
    /// The registry's client has something to say: a retry, a plain connection, a helper that is slow.
    Registry(rbuild_registry::Event),
    /// `BUILDKIT_SYNTAX` names a frontend that is not used; the file is read as a Dockerfile.
    ForeignFrontend {
        /// The image.
        image: &'a str,
        /// The file.
        file: &'a str,
    },
    /// The steps of the build, in the order of the Dockerfile. Told once.
    Steps(&'a [StepInfo]),
    /// Warnings about the Dockerfile, in the order of the file.
    Warnings {
        /// The file.
        file: &'a SourceFile,
        /// What was found.
        found: &'a [Found<'a>],
    },
    /// Build arguments that nothing uses.
    UnusedArguments(&'a [String]),
    /// Something happened to a step, or to other work.
    Work(&'a WorkEvent),
    /// Work that is no step begins: an export, a push. Its events come as those of a step.
    Task {
        /// Names it in those events.
        number: usize,
        /// What it is.
        title: &'a str,
    },
    /// A shared cache failed, or gave something that was not true; told once of each. The build goes on without it.
    CacheFailed {
        /// The cache.
        cache: &'a str,
        /// What went wrong first.
        error: &'a str,
    },
    /// Steps are not run the strongest way that there is.
    WeakerSandbox(&'a rbuild_sandbox::probe::Choice),
    /// Device files that an output cannot have.
    DevicesLeftOut(&'a [String]),
    /// A directory of files that others may enter, and the files that are not set-id any more for that.
    SetIdDropped(&'a std::path::Path, &'a [String]),
}

/// What takes its time in a build.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
pub enum Work {
    /// A step.
    Step(StepId),
    /// What [`BuildEvent::Task`] has told of.
    Task(usize),
}

/// Something that happened to a step, or to other work.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct WorkEvent {
    /// To which.
    pub work: Work,
    /// When, counted from the start of the build.
    pub at: Duration,
    /// What; in the order that [`EventKind`] says.
    pub kind: EventKind,
}

/// A step as the user knows it.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct StepInfo {
    /// Names it in events and reports.
    pub id: StepId,
    /// `[build 2/5] RUN make`; several lines are shown as one.
    pub title: String,
    /// Its line in the Dockerfile, from 1.
    pub line: Option<usize>,
    /// Whether it is one of the steps that are counted: bases and exports are not.
    pub counted: bool,
}

/// An observer that several owners have.
pub type SharedObserver = Arc<dyn Observer>;
