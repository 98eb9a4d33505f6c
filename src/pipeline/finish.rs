//! The end of a build: results where they were asked for, the build's record, or the failure in words.

use super::SourceFile;
use super::outputs::Outputs;
use crate::error::Failure;
use crate::interrupt;
use crate::options::BuildOptions;
use crate::ui::{Look, Printer, Summary};
use dockerfile_parser::{Diagnostic, Dockerfile};
use rbuild_build::cache::RecordIndex;
use rbuild_build::engine::Engine;
use rbuild_build::export::Assembly;
use rbuild_build::lower::StageState;
use rbuild_build::ops::spec::{SourceSpec, StepSpec};
use rbuild_build::ops::{BuildOp, OpError, StepOutput};
use rbuild_build::sources::{BaseImage, Origin};
use rbuild_oci::Digest;
use rbuild_solver::{Failure as SolveFailure, Graph, MissReason, Outcome, Solution, SolveError, VertexId};
use rbuild_store::Store;
use rbuild_store::buildlog::{Again, BUILD_VERSION, BuildRecord, BuildStep, BuildSubject, StepOutcome};
use rbuild_store::image::ImageRecord;
use std::collections::BTreeMap;
use std::time::Instant;

/// A build that has been solved, or not.
pub(super) struct Build<'a> {
    /// The flags.
    pub options: &'a BuildOptions,
    /// The store.
    pub store: &'a Store,
    /// What the steps shared.
    pub engine: &'a Engine,
    /// The vertices.
    pub graph: &'a Graph<BuildOp>,
    /// The Dockerfile.
    pub file: &'a SourceFile,
    /// Its tree.
    pub dockerfile: &'a Dockerfile,
    /// What later builds compare with.
    pub subject: BuildSubject,
    /// When it began.
    pub started: Instant,
    /// When it began, in seconds since 1970.
    pub now: u64,
    /// How text looks.
    pub look: &'a Look,
    /// Progress.
    pub printer: &'a Printer,
    /// The cache.
    pub index: &'a RecordIndex,
    /// What the checks found.
    pub found: &'a [Diagnostic],
    /// Enters the cold phase; does nothing the second time.
    pub enter: &'a dyn Fn() -> Result<(), Failure>,
}

type Outcomes = BTreeMap<VertexId, Outcome>;

impl Build<'_> {
    /// Makes the image, sends it where it should go, says so.
    ///
    /// # Errors
    /// An output cannot be written.
    pub(super) fn succeeded(
        mut self,
        target: &StageState,
        solution: &Solution<StepOutput>,
    ) -> Result<u8, Failure> {
        let base = self.base_record(target)?;
        let assembly = Assembly {
            snapshots: &self.engine.snapshots,
            outputs: &solution.all,
            base: base.as_ref(),
            edits: &self.options.request.edits,
            epoch: self.options.request.epoch,
            squash: self.options.request.squash,
            now: self.now,
        };
        let image = match assembly.image(target) {
            Ok(image) => image,
            // Files of other users can be read inside the namespace only.
            Err(_) => {
                (self.enter)()?;
                assembly.image(target)?
            }
        };
        let tree_of = solution
            .all
            .get(&target.vertex)
            .and_then(StepOutput::snapshot)
            .cloned();
        let mut summary = Summary {
            image: Some(image.id.to_string()),
            size: Some(self.engine.snapshots.image_bytes(&image)),
            ..Summary::default()
        };
        let outputs = Outputs {
            options: self.options,
            store: self.store,
            engine: self.engine,
            printer: self.printer,
            started: self.started,
            enter: self.enter,
            file: self.file,
            found: self.found,
        };
        let result = outputs.write(&image, tree_of.as_ref(), &mut summary);
        let result = result
            .and_then(|prepared| outputs.describe(&image, prepared.as_ref()))
            .map_err(interrupt::or_failure);
        let error = result.as_ref().err().map(ToString::to_string);
        self.record(&solution.outcomes, Some(image.id.to_string()), error);
        if let Err(failure) = result {
            self.printer.close();
            return Err(failure);
        }
        summary.took = self.started.elapsed();
        self.printer.finish(&summary);
        Ok(0)
    }

    /// The record of the image at the bottom of the target, which is in the store by now.
    fn base_record(&self, target: &StageState) -> Result<Option<ImageRecord>, Failure> {
        let Some(base) = &target.base else { return Ok(None) };
        let id = image_id(base)?;
        match self.store.images().get(&id).map_err(Failure::from_host)? {
            Some(record) => Ok(Some(record)),
            None => Err(
                Failure::host(format!("the base image {id} is not in the store any more"))
                    .hint("something removed it during the build; build again"),
            ),
        }
    }

    /// Words for a solve that failed.
    pub(super) fn failed(mut self, error: SolveError<OpError, OpError>) -> Failure {
        self.printer.close();
        let failure = match error.failure {
            SolveFailure::Interrupted => interrupt::failure(),
            SolveFailure::Prepare(OpError::Failure(failure)) => failure,
            SolveFailure::Prepare(other) => Failure::from_host(other),
            SolveFailure::Vertex { vertex, name, cause } => self.step_failed(vertex, &name, cause),
        };
        self.record(&error.outcomes, None, Some(failure.to_string()));
        failure
    }

    /// Keeps what this build did, for `rbuild why` and as the base of the next build's explanations. A record that
    /// cannot be written costs an explanation only.
    fn record(&mut self, outcomes: &Outcomes, image: Option<String>, error: Option<String>) {
        let (log, logs) = self.engine.take_log();
        let steps: Vec<BuildStep> = super::in_order(self.graph, outcomes.keys().copied())
            .into_iter()
            .filter_map(|vertex| self.step(vertex, &outcomes[&vertex], &logs))
            .collect();
        let ran = steps.iter().any(|step| step.outcome != StepOutcome::Cached);
        let millis = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX);
        // A build that did nothing that the one before did not do leaves no record: that one still says why steps ran.
        let keys = steps.iter().filter_map(|step| step.key.as_deref());
        let same = !ran && log.is_none() && error.is_none() && !self.index.earlier().differs(keys);
        let image = match image {
            Some(image) if same => {
                let again = Again {
                    started: self.now,
                    millis,
                    image,
                };
                let _ = self.store.builds().again(&self.subject, &again);
                return;
            }
            image => image,
        };
        let Ok(log) = log.map_or_else(|| self.store.builds().start(), Ok) else {
            return;
        };
        let record = BuildRecord {
            version: BUILD_VERSION,
            number: log.number(),
            subject: self.subject.clone(),
            started: self.now,
            millis,
            image,
            error,
            steps,
        };
        let _ = log.finish(record);
    }

    /// What became of one step; `None` for what is no step.
    fn step(
        &self,
        vertex: VertexId,
        outcome: &Outcome,
        logs: &BTreeMap<String, String>,
    ) -> Option<BuildStep> {
        let step = self.graph.op(vertex).step();
        let before = self.index.earlier();
        let mut made = BuildStep {
            name: step.title.clone(),
            line: u32::try_from(step.line).ok().filter(|line| *line > 0),
            key: None,
            preimage: None,
            earlier: None,
            outcome: StepOutcome::Cached,
            millis: 0,
            miss: serde_json::Value::Null,
            log: logs.get(&step.title).cloned(),
        };
        let mut miss: Option<MissReason> = None;
        match outcome {
            Outcome::Resolved => {}
            Outcome::Cached { key } => made.key = Some(key.to_string()),
            Outcome::Ran { key, cost, reason } => {
                made.outcome = StepOutcome::Ran;
                made.key = key.as_ref().map(ToString::to_string);
                made.millis = u64::try_from(cost.as_millis()).unwrap_or(u64::MAX);
                miss.clone_from(reason);
            }
            Outcome::Failed { cost } => {
                made.outcome = StepOutcome::Failed;
                made.millis = u64::try_from(cost.as_millis()).unwrap_or(u64::MAX);
                if let Some(unfinished) = self.index.unfinished(&step.title) {
                    made.key = Some(unfinished.key);
                    made.preimage = Some(unfinished.preimage);
                    miss = Some(unfinished.reason);
                } else if step.no_cache {
                    miss = Some(MissReason::NoCache);
                }
            }
            Outcome::Cancelled => made.outcome = StepOutcome::Cancelled,
        }
        match &step.spec {
            StepSpec::Source(SourceSpec::Scratch) => return None,
            StepSpec::Source(SourceSpec::Image(base)) => {
                let id = image_id(base).ok()?.to_hex();
                let old = before
                    .step(&step.title)
                    .and_then(rbuild_build::cache::EarlierStep::key);
                if let Some(old) = old.filter(|old| *old != id) {
                    if made.outcome == StepOutcome::Cached {
                        made.outcome = StepOutcome::Ran;
                    }
                    let shown =
                        |id: &str| Some(format!("sha256:{}", id.chars().take(12).collect::<String>()));
                    miss = Some(MissReason::FieldChanged {
                        field: "image".to_owned(),
                        old: shown(old),
                        new: shown(&id),
                    });
                }
                made.key = Some(id);
            }
            _ => {}
        }
        if matches!(made.outcome, StepOutcome::Failed | StepOutcome::Cancelled) {
            made.earlier = before
                .step(&step.title)
                .and_then(|step| step.result())
                .map(str::to_owned);
        }
        made.miss = miss.map_or(serde_json::Value::Null, |reason| reason.to_string().into());
        Some(made)
    }
}

/// The digest of an image's config.
fn image_id(image: &BaseImage) -> Result<Digest, Failure> {
    Ok(match &image.origin {
        Origin::Stored(record) => record.id,
        Origin::Registry { config, .. } => Digest::of(config),
        Origin::Layout { id, .. } => id
            .parse()
            .map_err(|error| Failure::host(format!("internal error: image id {id}: {error}")))?,
        Origin::Unknown => {
            let message = format!("internal error: nobody was asked for `{}`", image.name);
            return Err(Failure::host(message));
        }
    })
}
