//! The record of a build: what `rbuild why` reads, and what the next build of the same thing compares with.

use crate::cache::EarlierStep;
use crate::ops::spec::{SourceSpec, Step, StepSpec};
use crate::ops::{BuildOp, StepId};
use crate::plan::in_order;
use crate::result::StepReport;
use crate::session::Session;
use rbuild_solver::{Graph, MissReason, Outcome, VertexId};
use rbuild_store::buildlog::{
    Again, BUILD_VERSION, BuildLog, BuildRecord, BuildStep, StepOutcome, StepPlace,
};
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::Duration;

type Outcomes = BTreeMap<VertexId, Outcome>;

/// Keeps what a build did, and says it. A record that cannot be written costs an explanation only.
pub(crate) fn keep(
    session: &Session<'_>,
    graph: &Graph<BuildOp>,
    outcomes: &Outcomes,
    image: Option<String>,
    error: Option<String>,
) -> Vec<StepReport> {
    let (log, logs) = session.engine.take_log();
    let used = session.engine.used();
    let order = in_order(graph, outcomes.keys().copied());
    let reports = order
        .iter()
        .map(|vertex| {
            let step = graph.op(*vertex).step();
            StepReport {
                id: step.id.clone(),
                title: step.title.clone(),
                line: Some(step.line).filter(|line| *line > 0),
                outcome: outcomes[vertex].clone(),
                log: log_path(log.as_ref(), logs.get(&step.id)),
                used: used.get(&step.id).copied(),
            }
        })
        .collect();
    let mut made: BTreeMap<VertexId, Made> = outcomes
        .iter()
        .filter_map(|(vertex, outcome)| Some((*vertex, step(session, graph, *vertex, outcome, &logs)?)))
        .collect();
    for (vertex, made) in &mut made {
        made.step.used = used.get(&graph.op(*vertex).step().id).copied();
    }
    name_causes(graph, &mut made);
    let steps = order.iter().filter_map(|vertex| Some(made.remove(vertex)?.step));
    let steps = steps.collect();
    write(session, log, steps, image, error);
    reports
}

fn log_path(log: Option<&BuildLog>, name: Option<&String>) -> Option<PathBuf> {
    log?.log_path(name?)
}

fn write(
    session: &Session<'_>,
    log: Option<BuildLog>,
    steps: Vec<BuildStep>,
    image: Option<String>,
    error: Option<String>,
) {
    let ran = steps.iter().any(|step| step.outcome != StepOutcome::Cached);
    let millis = u64::try_from(session.started.elapsed().as_millis()).unwrap_or(u64::MAX);
    // A build that did nothing that the one before did not do leaves no record: that one still says why steps ran.
    let keys = steps.iter().filter_map(|step| step.key.as_deref());
    let same = !ran && log.is_none() && error.is_none() && !session.index.earlier().differs(keys);
    let image = match image {
        Some(image) if same => {
            let again = Again {
                started: session.now,
                millis,
                image,
            };
            let _ = session.store.builds().again(&session.subject, &again);
            return;
        }
        image => image,
    };
    let Ok(log) = log.map_or_else(|| session.store.builds().start(), Ok) else {
        return;
    };
    let record = BuildRecord {
        version: BUILD_VERSION,
        number: log.number(),
        subject: session.subject.clone(),
        started: session.now,
        millis,
        image,
        error,
        steps,
    };
    let _ = log.finish(record);
}

/// What became of a step.
struct Made {
    step: BuildStep,
    /// It had to run, and nothing but what it builds on had changed.
    follows: bool,
}

/// Names the steps that made others miss: the nearest ones below that had a reason of their own.
fn name_causes(graph: &Graph<BuildOp>, made: &mut BTreeMap<VertexId, Made>) {
    let following = made.iter().filter(|(_, made)| made.follows);
    let following: Vec<VertexId> = following.map(|(vertex, _)| *vertex).collect();
    let mut causes: BTreeMap<VertexId, BTreeSet<VertexId>> = BTreeMap::new();
    // Inputs are made before what builds on them.
    for vertex in following {
        let mut of_this = BTreeSet::new();
        for input in graph.inputs(vertex) {
            match made.get(input) {
                Some(made) if made.follows => of_this.extend(causes.get(input).into_iter().flatten()),
                Some(made) if made.step.outcome == StepOutcome::Ran => {
                    of_this.insert(*input);
                }
                _ => {}
            }
        }
        let names = of_this.iter().filter_map(|cause| made.get(cause));
        let names = names.map(|made| made.step.name.clone()).collect();
        if let Some(made) = made.get_mut(&vertex) {
            made.step.because = names;
        }
        causes.insert(vertex, of_this);
    }
}

fn place(step: &Step) -> StepPlace {
    let number = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
    StepPlace {
        platform: step.id.platform.to_string(),
        stage: step.stage.clone(),
        ordinal: number(step.id.ordinal),
        of: number(step.of),
        words_at: number(step.words_at),
    }
}

/// What became of one step; `None` for what is no step.
fn step(
    session: &Session<'_>,
    graph: &Graph<BuildOp>,
    vertex: VertexId,
    outcome: &Outcome,
    logs: &BTreeMap<StepId, String>,
) -> Option<Made> {
    let step = graph.op(vertex).step();
    let before = session.index.earlier();
    let mut made = BuildStep {
        name: step.title.clone(),
        place: Some(place(step)),
        line: u32::try_from(step.line).ok().filter(|line| *line > 0),
        key: None,
        preimage: None,
        earlier: None,
        outcome: StepOutcome::Cached,
        millis: 0,
        used: None,
        miss: serde_json::Value::Null,
        because: Vec::new(),
        is_image: matches!(step.spec, StepSpec::Source(_)),
        log: logs.get(&step.id).cloned(),
    };
    let mut miss: Option<MissReason> = None;
    match outcome {
        Outcome::Resolved => {}
        Outcome::Cached { key } => made.key = Some(key.to_string()),
        Outcome::Ran { key, cost, reason } => {
            made.outcome = StepOutcome::Ran;
            made.key = key.as_ref().map(ToString::to_string);
            made.millis = millis(cost);
            miss.clone_from(reason);
        }
        Outcome::Failed { cost } => {
            made.outcome = StepOutcome::Failed;
            made.millis = millis(cost);
            if let Some(unfinished) = session.index.unfinished(&step.id) {
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
            let id = base.config_digest().ok()?.to_hex();
            let old = before.step(&step.id).and_then(EarlierStep::key);
            if let Some(old) = old.filter(|old| *old != id) {
                if made.outcome == StepOutcome::Cached {
                    made.outcome = StepOutcome::Ran;
                }
                miss = Some(image_changed(old, &id));
            }
            made.key = Some(id);
        }
        _ => {}
    }
    if matches!(made.outcome, StepOutcome::Failed | StepOutcome::Cancelled) {
        let result = before.step(&step.id).and_then(|step| step.result());
        made.earlier = result.map(str::to_owned);
    }
    let follows = miss.as_ref().is_some_and(MissReason::is_of_inputs);
    made.miss = miss.map_or(serde_json::Value::Null, |reason| reason.to_string().into());
    Some(Made { step: made, follows })
}

fn image_changed(old: &str, new: &str) -> MissReason {
    let shown = |id: &str| Some(format!("sha256:{}", id.chars().take(12).collect::<String>()));
    MissReason::FieldChanged {
        field: "image".to_owned(),
        old: shown(old),
        new: shown(new),
    }
}

fn millis(cost: &Duration) -> u64 {
    u64::try_from(cost.as_millis()).unwrap_or(u64::MAX)
}
