//! The end of a build: results where they were asked for, or what went wrong.

use crate::build_error::{BuildError, StepCause, StepError};
use crate::error::{BaseError, Error, ExportError};
use crate::export::{Assembled, Assembly};
use crate::lower::StageState;
use crate::material;
use crate::ops::{OpError, StepOutput, word_of};
use crate::outputs::{Built, Outputs, main_image};
use crate::plan::Plan;
use crate::record;
use crate::result::{BuildResult, StepReport};
use crate::session::Session;
use dockerfile_parser::Platform;
use rbuild_solver::{Cause, Outcome, Solution, SolveError, SolveFailure, VertexId};
use rbuild_store::image::ImageRecord;
use std::collections::BTreeMap;

/// A build that has been solved, or not.
pub(crate) struct Finish<'a> {
    /// The build.
    pub(crate) session: &'a Session<'a>,
    /// What it was to do.
    pub(crate) plan: &'a Plan,
}

impl Finish<'_> {
    /// Makes the image, and sends it where it should go.
    ///
    /// # Errors
    /// An output cannot be written.
    pub(crate) fn succeeded(self, solution: &Solution<StepOutput>) -> Result<BuildResult, BuildError> {
        let session = self.session;
        let mut made = Vec::new();
        // Held until the records of the images are written.
        let mut held = Vec::new();
        for (target, platform) in self.plan.targets.iter().zip(&session.request.platforms) {
            let assembled = self.image(target, platform, solution)?;
            held.push(assembled.held);
            let snapshot = solution.all.get(&target.vertex).and_then(StepOutput::snapshot);
            made.push(Built {
                platform: platform.clone(),
                image: assembled.image,
                snapshot: snapshot.cloned(),
            });
        }
        let outputs = Outputs { session };
        let written = outputs.write(&made).map_err(BuildError::from);
        let images = made
            .iter()
            .map(|made| (made.platform.clone(), made.image.id))
            .collect();
        let main = main_image(&made, &session.request.build_platform);
        let Some(image) = main.map(|main| main.image.clone()) else {
            return Err(Error::from(ExportError::NoFiles).into());
        };
        let error = written.as_ref().err().map(ToString::to_string);
        let steps = self.steps(&solution.outcomes, Some(image.id.to_string()), error);
        let (written, manifest) = written?;
        Ok(BuildResult {
            config: image.parse_config().map_err(Error::from)?,
            size: session.engine.snapshots.image_bytes(&image),
            image,
            images,
            manifest,
            names: outputs.all_names(),
            written,
            materials: material::materials(session, self.plan),
            steps,
            file: session.inputs.file.clone(),
            findings: self.plan.found.clone(),
            took: session.started.elapsed(),
        })
    }

    fn image(
        &self,
        target: &StageState,
        platform: &Platform,
        solution: &Solution<StepOutput>,
    ) -> Result<Assembled, BuildError> {
        let session = self.session;
        let base = self.base_record(target)?;
        let assembly = Assembly {
            snapshots: &session.engine.snapshots,
            outputs: &solution.all,
            base: base.as_ref(),
            edits: &session.request.edits,
            platform,
            epoch: session.request.epoch,
            squash: session.request.squash,
            now: session.now,
            commit: session.engine.commit_options(),
        };
        match assembly.image(target) {
            // Files of other users can be read inside the namespace only.
            Err(_) if !session.is_entered() => {
                session.enter()?;
                Ok(assembly.image(target)?)
            }
            made => Ok(made?),
        }
    }

    /// The record of the image at the bottom of the target, which is in the store by now.
    fn base_record(&self, target: &StageState) -> Result<Option<ImageRecord>, Error> {
        let Some(base) = &target.base else {
            return Ok(None);
        };
        let id = base.config_digest()?;
        match self.session.store.images().get(&id).map_err(Error::from)? {
            Some(record) => Ok(Some(record)),
            None => Err(BaseError::Gone { id }.into()),
        }
    }

    /// Why a solve failed.
    pub(crate) fn failed(self, error: SolveError<OpError, OpError>) -> BuildError {
        let why = match error.failure {
            SolveFailure::Interrupted => BuildError::Stopped,
            SolveFailure::Prepare(OpError::Other(error)) => (*error).into(),
            SolveFailure::Prepare(other) => Error::Op(Box::new(other)).into(),
            SolveFailure::Vertex { vertex, cause, .. } => self.step_failed(vertex, cause),
        };
        self.steps(&error.outcomes, None, Some(why.to_string()));
        why
    }

    fn step_failed(&self, vertex: VertexId, cause: Cause<OpError, OpError>) -> BuildError {
        let cause = match cause {
            Cause::Op(error) | Cause::Cache(error) => StepCause::Op(error),
            Cause::Panicked(what) => StepCause::Panicked(what),
            Cause::Thread(error) => StepCause::Thread(error),
        };
        let graph = &self.plan.graph;
        let mut step = graph.op(vertex).step().as_ref().clone();
        if step.line == 0 {
            // It stands on no line of the file: what it is for does.
            let mut users = graph
                .vertices()
                .filter(|user| graph.inputs(*user).contains(&vertex));
            if let Some(user) = users.next() {
                step.title.clone_from(&graph.op(user).step().title);
            }
        }
        let part = match &cause {
            StepCause::Op(error) => error.guilty_part(),
            _ => None,
        };
        let dockerfile = &self.session.inputs.parsed.dockerfile;
        let span = part.and_then(|part| word_of(dockerfile, step.span, part));
        BuildError::Step(Box::new(StepError {
            span: span.unwrap_or(step.span),
            step,
            cause,
            file: self.session.inputs.file.clone(),
        }))
    }

    /// Keeps the build's record, and says what became of the steps.
    fn steps(
        &self,
        outcomes: &BTreeMap<VertexId, Outcome>,
        image: Option<String>,
        error: Option<String>,
    ) -> Vec<StepReport> {
        record::keep(self.session, &self.plan.graph, outcomes, image, error)
    }
}
