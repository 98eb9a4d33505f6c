//! One build from a request to its result: open, plan, solve, finish.
//!
//! The order matters: everything up to the first step that must run happens on one thread and outside any namespace
//! (ARCHITECTURE, "One process, two phases").

use crate::arguments;
use crate::build_error::BuildError;
use crate::contexts::Contexts;
use crate::finish::Finish;
use crate::host::{Host, ThisHost};
use crate::inputs::{Inputs, check_filter};
use crate::observer::{BuildEvent, SharedObserver, Work, WorkEvent};
use crate::open::open_store;
use crate::ops::{BuildOp, OpError, StepOutput};
use crate::plan::{Plan, plan};
use crate::request::Request;
use crate::result::BuildResult;
use crate::session::Session;
use crate::shared_cache::Made;
use rbuild_solver::{Chain, Event, EventKind, Graph, Solution, SolveError, SolveOptions, solve};
use std::sync::Arc;
use std::time::Instant;

/// Builds what is asked for, and tells `observer` of it.
///
/// # Errors
/// Whatever stops the build.
pub fn build(request: &Request, observer: &SharedObserver) -> Result<BuildResult, BuildError> {
    let caller = request.environment.caller();
    let host: Arc<dyn Host> = Arc::new(ThisHost::new(caller, request.sandbox));
    build_on(request, observer, &host)
}

/// Builds what is asked for, with another way to run steps than this machine's own.
///
/// # Errors
/// Whatever stops the build.
pub fn build_on(
    request: &Request,
    observer: &SharedObserver,
    host: &Arc<dyn Host>,
) -> Result<BuildResult, BuildError> {
    // What fails after a stop fails because of it.
    run_phases(request, observer, host).map_err(|error| match request.stop.is_stopped() {
        true => BuildError::Stopped,
        false => error,
    })
}

fn run_phases(
    request: &Request,
    observer: &SharedObserver,
    host: &Arc<dyn Host>,
) -> Result<BuildResult, BuildError> {
    let started = Instant::now();
    let early = match Contexts::are_fetched(request) {
        true => Some(open_store(&request.store_root)?),
        false => None,
    };
    let inputs = Inputs::open(request, observer, early.as_ref())?;
    check_filter(request, &inputs.parsed.dockerfile)?;
    let with_epoch;
    let request = match arguments::epoch(request, &inputs.parsed.dockerfile)? {
        None => request,
        epoch => {
            with_epoch = Request {
                epoch,
                ..request.clone()
            };
            &with_epoch
        }
    };
    let store = match early {
        Some(store) => store,
        None => open_store(&request.store_root)?,
    };
    let session = Session::open(request, &inputs, observer, host, store, started)?;
    let mut plan = plan(&session)?;
    let solved = run(&session, &plan);
    // Which wildcards match nothing is known now.
    let mut late = session.engine.checks.warnings(&inputs.parsed.dockerfile);
    // What the text alone showed was said before the first step.
    late.retain(|one| {
        let mut said = plan.found.iter();
        !said.any(|other| other.span == one.span && other.code() == one.code())
    });
    if !late.is_empty() {
        let told = crate::finding::in_file_order(&late, &[]);
        observer.event(&BuildEvent::Warnings {
            file: &inputs.file,
            found: &told,
        });
        drop(told);
        plan.found.extend(late);
    }
    let finish = Finish {
        session: &session,
        plan: &plan,
    };
    match solved {
        Ok(solution) => {
            let result = finish.succeeded(&solution)?;
            share(&session, &plan, &solution)?;
            Ok(result)
        }
        Err(error) => {
            // What was made before is of use to others; whether they got it matters less than what went wrong.
            if let Some(shared) = &session.shared {
                let _ = shared.finish();
            }
            Err(finish.failed(*error))
        }
    }
}

/// Sends what the shared caches do not have yet, and waits until it is there.
fn share(session: &Session<'_>, plan: &Plan, solution: &Solution<StepOutput>) -> Result<(), BuildError> {
    let Some(shared) = &session.shared else {
        return Ok(());
    };
    let own = plan.own_vertices();
    let made: Vec<Made<'_>> = solution
        .outcomes
        .iter()
        .filter_map(|(vertex, outcome)| {
            Some(Made {
                key: outcome.key()?,
                output: solution.all.get(vertex)?,
                is_own: own.contains(vertex),
            })
        })
        .collect();
    let lacking = shared.lacking(&made);
    if !lacking.is_empty() {
        // Files of other users can be read inside the namespace only.
        session.enter()?;
        shared.send_lacking(&made, lacking);
    }
    let finished = match shared.is_sending() {
        true => session.task("sending results to the shared cache", |_| shared.finish()),
        false => shared.finish(),
    };
    Ok(finished?)
}

type Solved = Result<Solution<StepOutput>, Box<SolveError<OpError, OpError>>>;

/// Solves the graph, and keeps what was learned about contexts.
fn run(session: &Session<'_>, plan: &Plan) -> Solved {
    let graph = &plan.graph;
    let mut cache = Chain::new(session.index.as_ref());
    if let Some(shared) = &session.shared {
        cache = cache.then(shared);
    }
    let solved = solve(
        graph,
        &plan.target_vertices(),
        &cache,
        SolveOptions {
            jobs: session.request.jobs,
            prepare: Box::new(|| session.enter().map_err(OpError::from)),
            cancel: session.request.stop.token(),
            events: &|event| {
                session.observer.event(&BuildEvent::Work(&of_step(event, graph)));
            },
            started: session.started,
        },
    );
    session.inputs.contexts.save_memos(&session.store);
    if session.is_entered() && !session.is_stopped() {
        // What killed builds left; mostly there is nothing. What cannot be removed now is left to the next one.
        let _ = session.store.sweep_tmp();
    }
    solved.map_err(Box::new)
}

/// What happens to a step, without the values of secrets in its words.
fn of_step(event: Event, graph: &Graph<BuildOp>) -> WorkEvent {
    let Event { vertex, at, mut kind } = event;
    let step = graph.op(vertex).step();
    if let EventKind::Failed { message: text } | EventKind::Progress { label: text, .. } = &mut kind {
        *text = step.shown(text);
    }
    let work = Work::Step(step.id.clone());
    WorkEvent { work, at, kind }
}
