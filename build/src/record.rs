//! The record of a build: what `rbuild why` reads, and what the next build of the same thing compares with.

use crate::cache::EarlierStep;
use crate::ops::BuildOp;
use crate::ops::spec::{SourceSpec, StepSpec};
use crate::plan::in_order;
use crate::result::StepReport;
use crate::session::Session;
use rbuild_solver::{Graph, MissReason, Outcome, VertexId};
use rbuild_store::buildlog::{Again, BUILD_VERSION, BuildLog, BuildRecord, BuildStep, StepOutcome};
use std::collections::BTreeMap;
use std::path::PathBuf;

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
    let order = in_order(graph, outcomes.keys().copied());
    let reports = order
        .iter()
        .map(|vertex| {
            let step = graph.op(*vertex).step();
            StepReport {
                title: step.title.clone(),
                line: Some(step.line).filter(|line| *line > 0),
                outcome: outcomes[vertex].clone(),
                log: log_path(log.as_ref(), logs.get(&step.title)),
            }
        })
        .collect();
    let steps: Vec<BuildStep> = order
        .into_iter()
        .filter_map(|vertex| step(session, graph, vertex, &outcomes[&vertex], &logs))
        .collect();
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

/// What became of one step; `None` for what is no step.
fn step(
    session: &Session<'_>,
    graph: &Graph<BuildOp>,
    vertex: VertexId,
    outcome: &Outcome,
    logs: &BTreeMap<String, String>,
) -> Option<BuildStep> {
    let step = graph.op(vertex).step();
    let before = session.index.earlier();
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
            if let Some(unfinished) = session.index.unfinished(&step.title) {
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
            let old = before.step(&step.title).and_then(EarlierStep::key);
            if let Some(old) = old.filter(|old| *old != id) {
                if made.outcome == StepOutcome::Cached {
                    made.outcome = StepOutcome::Ran;
                }
                let shown = |id: &str| Some(format!("sha256:{}", id.chars().take(12).collect::<String>()));
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
