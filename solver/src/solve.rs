//! [`solve`]: makes what the targets need, in two phases.
//!
//! 1. **Warm**: on the calling thread, depth first. Every vertex whose inputs are known is asked for its output or its
//!    cheap key. A vertex that misses or defers stops only what is built on it. All known: done, and no thread was
//!    started.
//! 2. **Cold**: [`SolveOptions::prepare`] is called, while the process still has one thread. Then each vertex that is
//!    ready gets a thread of its own, at most `jobs` at once. The threads send messages; the calling thread alone
//!    decides what starts next and what counts.
//!
//! The first failure, or a cancellation from outside, cancels what runs; nothing new is started, everything that runs
//! is waited for, and what it says no longer counts.

use crate::cache::CacheIndex;
use crate::cancel::CancelToken;
use crate::event::{Event, EventKind};
use crate::graph::Graph;
use crate::jobs::{Job, Jobs};
use crate::op::{Op, RunContext};
use crate::outcome::{Cause, CauseOf, ErrorOf, Outcome, Solution, SolveError, SolveFailure};
use crate::ready::Ready;
use crate::vertex::{Finish, Keyed, Probe, complete, probe};
use crate::vertex_id::VertexId;
use std::collections::BTreeMap;
use std::io;
use std::num::NonZeroUsize;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

/// How to solve.
pub struct SolveOptions<'a, E> {
    /// How many vertices may be worked on at once in the cold phase.
    pub jobs: NonZeroUsize,
    /// Called once, on the calling thread, before any other thread exists, and only if not everything is warm: the
    /// place to enter a namespace.
    pub prepare: Box<dyn FnOnce() -> Result<(), E> + 'a>,
    /// Stops it from outside.
    pub cancel: CancelToken,
    /// Is told what happens, from the thread on which it happens.
    pub events: &'a (dyn Fn(Event) + Sync),
    /// From when [`Event::at`] counts.
    pub started: Instant,
}

/// Makes the outputs of `targets`, from the cache where possible.
///
/// # Errors
/// [`SolveError`] says what failed first and what became of every vertex.
pub fn solve<O: Op, C: CacheIndex<O::Output>>(
    graph: &Graph<O>,
    targets: &[VertexId],
    cache: &C,
    options: SolveOptions<'_, O::Error>,
) -> Result<Solution<O::Output>, ErrorOf<O, C>> {
    let SolveOptions {
        jobs,
        prepare,
        cancel,
        events,
        started,
    } = options;
    // Ours is cancelled by a failure too; the caller's is left alone.
    let (cancel, _follows) = cancel.child();
    let board = Board {
        outputs: BTreeMap::new(),
        outcomes: BTreeMap::new(),
    };
    let mut solver = Solver {
        graph,
        cache,
        order: graph.order(targets),
        board,
        events,
        started,
    };
    let result = solver.warm(&cancel).and_then(|known| {
        if solver.is_finished() {
            return Ok(());
        }
        prepare().map_err(SolveFailure::Prepare)?;
        solver.cold(known, jobs, &cancel)
    });
    match result {
        Ok(()) => Ok(solver.solution(targets)),
        Err(failure) => Err(solver.error(failure)),
    }
}

/// The deciding thread: it alone knows all of this.
struct Solver<'a, O: Op, C> {
    graph: &'a Graph<O>,
    cache: &'a C,
    /// What is needed, inputs first.
    order: Vec<VertexId>,
    board: Board<O::Output>,
    events: &'a (dyn Fn(Event) + Sync),
    started: Instant,
}

/// What is known so far.
struct Board<T> {
    outputs: BTreeMap<VertexId, T>,
    outcomes: BTreeMap<VertexId, Outcome>,
}

/// What the deciding thread is told.
enum Message<T, E> {
    /// A vertex is over, after so long.
    Finished(VertexId, Result<Finish<T>, E>, Duration),
    /// There is something to look at: it is cancelled, or a vertex has paused its job.
    Look,
}

type ResultOf<O, C> = Result<Finish<<O as Op>::Output>, CauseOf<O, C>>;
type FailureOf<O, C> = SolveFailure<<O as Op>::Error, <C as CacheIndex<<O as Op>::Output>>::Error>;
type MessageOf<O, C> = Message<<O as Op>::Output, CauseOf<O, C>>;

impl<O: Op, C: CacheIndex<O::Output>> Solver<'_, O, C> {
    /// The warm phase. Returns the pre-images of what missed.
    fn warm(&mut self, cancel: &CancelToken) -> Result<BTreeMap<VertexId, Keyed>, FailureOf<O, C>> {
        let mut known = BTreeMap::new();
        for vertex in self.order.clone() {
            if cancel.is_cancelled() {
                return Err(SolveFailure::Interrupted);
            }
            let Some(inputs) = self.inputs(vertex) else {
                continue;
            };
            let begin = Instant::now();
            match guard(|| probe(self.graph.op(vertex), &inputs, self.cache)) {
                Ok(Probe::Done(finish)) => self.settle(vertex, finish),
                Ok(Probe::Cold(left)) => known.extend(left.map(|left| (vertex, left))),
                Err(cause) => return Err(self.fail(vertex, cause, begin.elapsed())),
            }
        }
        Ok(known)
    }

    /// The cold phase: everything that the warm one left.
    fn cold(
        &mut self,
        mut known: BTreeMap<VertexId, Keyed>,
        jobs: NonZeroUsize,
        cancel: &CancelToken,
    ) -> Result<(), FailureOf<O, C>> {
        let mut ready = self.left();
        let (sender, messages) = channel::<MessageOf<O, C>>();
        let wake = sender.clone();
        let _wakes = cancel.subscribe(move || drop(wake.send(Message::Look)));
        let (tell, outer) = (sender.clone(), self.events);
        let events: &(dyn Fn(Event) + Sync) = &move |event: Event| {
            if event.kind == EventKind::Waiting {
                // While the deciding thread listens no longer, everything is decided.
                let _ = tell.send(Message::Look);
            }
            outer(event);
        };
        let jobs = Jobs::new(jobs);
        let failure = thread::scope(|scope| {
            let mut failure = None;
            // Should this thread unwind (a listener of events may panic), the scope waits for all that runs.
            let _stop = CancelOnDrop(cancel);
            let mut running = 0;
            loop {
                if failure.is_none() && cancel.is_cancelled() {
                    failure = Some(SolveFailure::Interrupted);
                }
                while failure.is_none()
                    && !ready.is_empty()
                    && let Some(job) = jobs.begin()
                    && let Some(vertex) = ready.pop()
                {
                    let work = Work {
                        op: self.graph.op(vertex),
                        inputs: self.inputs(vertex).unwrap_or_default(),
                        known: known.remove(&vertex),
                        cache: self.cache,
                        context: RunContext::new(vertex, cancel, events, self.started),
                        job,
                    };
                    match work.start(scope, sender.clone()) {
                        Ok(()) => running += 1,
                        Err(_) if running > 0 => {
                            // Short of threads: go on with those that there are.
                            ready.put_back(vertex);
                            break;
                        }
                        Err(error) => failure = Some(self.fail(vertex, Cause::Thread(error), Duration::ZERO)),
                    }
                }
                if running == 0 {
                    break;
                }
                match messages.recv() {
                    Ok(Message::Finished(vertex, result, cost)) => {
                        running -= 1;
                        failure = self
                            .finished(vertex, (result, cost), &mut ready, cancel)
                            .or(failure);
                    }
                    Ok(Message::Look) => {}
                    Err(_) => break,
                }
            }
            failure
        });
        failure.map_or(Ok(()), Err)
    }

    /// What the warm phase has left.
    fn left(&self) -> Ready {
        let outputs = &self.board.outputs;
        let left = self.order.iter().filter(|vertex| !outputs.contains_key(vertex));
        Ready::new(left.map(|vertex| (*vertex, self.graph.inputs(*vertex))))
    }

    /// Notes the end of a vertex. What fails cancels all that still runs.
    fn finished(
        &mut self,
        vertex: VertexId,
        (result, cost): (ResultOf<O, C>, Duration),
        ready: &mut Ready,
        cancel: &CancelToken,
    ) -> Option<FailureOf<O, C>> {
        match result {
            Ok(Finish::Cancelled) => self.settle(vertex, Finish::Cancelled),
            Ok(finish) => {
                self.settle(vertex, finish);
                ready.done(vertex);
            }
            // What fails after the first failure fails because it was stopped.
            Err(_) if cancel.is_cancelled() => self.settle(vertex, Finish::Cancelled),
            Err(cause) => {
                let failure = self.fail(vertex, cause, cost);
                cancel.cancel();
                return Some(failure);
            }
        }
        None
    }

    /// The outputs of a vertex's inputs, if all are known.
    fn inputs(&self, vertex: VertexId) -> Option<Vec<O::Output>> {
        self.graph
            .inputs(vertex)
            .iter()
            .map(|input| self.board.outputs.get(input).cloned())
            .collect()
    }

    fn settle(&mut self, vertex: VertexId, finish: Finish<O::Output>) {
        let (event, outcome, output) = match finish {
            Finish::Resolved(output) => (EventKind::Resolved, Outcome::Resolved, Some(output)),
            Finish::Cached(key, output) => (EventKind::Cached { key }, Outcome::Cached { key }, Some(output)),
            Finish::Ran {
                key,
                cost,
                reason,
                output,
            } => (
                EventKind::Completed { cost },
                Outcome::Ran { key, cost, reason },
                Some(output),
            ),
            Finish::Cancelled => (EventKind::Cancelled, Outcome::Cancelled, None),
        };
        self.board.outputs.extend(output.map(|output| (vertex, output)));
        self.board.outcomes.insert(vertex, outcome);
        self.emit(vertex, event);
    }

    fn fail(&mut self, vertex: VertexId, cause: CauseOf<O, C>, cost: Duration) -> FailureOf<O, C> {
        self.board.outcomes.insert(vertex, Outcome::Failed { cost });
        self.emit(
            vertex,
            EventKind::Failed {
                message: cause.to_string(),
            },
        );
        SolveFailure::Vertex {
            vertex,
            name: self.graph.op(vertex).name().to_owned(),
            cause,
        }
    }

    fn emit(&self, vertex: VertexId, kind: EventKind) {
        (self.events)(Event {
            vertex,
            at: self.started.elapsed(),
            kind,
        });
    }

    fn is_finished(&self) -> bool {
        self.board.outputs.len() == self.order.len()
    }

    fn solution(self, targets: &[VertexId]) -> Solution<O::Output> {
        let Board {
            outputs: all,
            outcomes,
        } = self.board;
        let outputs = targets
            .iter()
            .filter_map(|target| all.get(target).cloned())
            .collect();
        Solution {
            outputs,
            all,
            outcomes,
        }
    }

    fn error(self, failure: FailureOf<O, C>) -> ErrorOf<O, C> {
        let mut outcomes = self.board.outcomes;
        for vertex in self.order {
            outcomes.entry(vertex).or_insert(Outcome::Cancelled);
        }
        SolveError { failure, outcomes }
    }
}

/// What a worker thread is given.
struct Work<'a, O: Op, C> {
    op: &'a O,
    inputs: Vec<O::Output>,
    known: Option<Keyed>,
    cache: &'a C,
    context: RunContext<'a>,
    job: Job<'a>,
}

impl<O: Op, C: CacheIndex<O::Output>> Work<'_, O, C> {
    fn start<'scope>(
        self,
        scope: &'scope thread::Scope<'scope, '_>,
        sender: Sender<MessageOf<O, C>>,
    ) -> io::Result<()>
    where
        Self: 'scope,
        MessageOf<O, C>: 'scope,
    {
        let worker = thread::Builder::new().name(format!("vertex {}", self.context.vertex()));
        worker.spawn_scoped(scope, move || self.go(&sender)).map(|_| ())
    }

    fn go(mut self, sender: &Sender<MessageOf<O, C>>) {
        let begin = Instant::now();
        let result = guard(|| {
            self.context.emit(EventKind::Started);
            complete(
                self.op,
                &self.inputs,
                self.known,
                self.cache,
                &self.context,
                &mut self.job,
            )
        });
        drop(self.job);
        // The deciding thread listens until the last worker has spoken.
        let _ = sender.send(Message::Finished(self.context.vertex(), result, begin.elapsed()));
    }
}

/// Turns a panic into an error: a worker that dies silently would leave the deciding thread waiting for ever.
fn guard<T, E, C>(work: impl FnOnce() -> Result<T, Cause<E, C>>) -> Result<T, Cause<E, C>>
where
    E: std::error::Error,
    C: std::error::Error,
{
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|payload| {
        let text = payload.downcast_ref::<&str>().map(|text| (*text).to_owned());
        let text = text.or_else(|| payload.downcast_ref::<String>().cloned());
        Err(Cause::Panicked(
            text.unwrap_or_else(|| "panic without words".to_owned()),
        ))
    })
}

struct CancelOnDrop<'a>(&'a CancelToken);

impl Drop for CancelOnDrop<'_> {
    fn drop(&mut self) {
        self.0.cancel();
    }
}
