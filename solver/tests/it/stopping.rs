//! Failures, panics, cancellation: what stops, what is said, what is kept.

use crate::integers::{Broken, Memory, add, run, run_with};
use rbuild_solver::{CancelToken, Cause, EventKind, Graph, Outcome, SolveFailure, SolveOptions, solve};
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier};
use std::time::{Duration, Instant};

const FOR_EVER: Duration = Duration::from_secs(3600);

#[test]
fn the_first_failure_stops_what_runs_and_starts_nothing_more() {
    let cache = Memory::default();
    let runs = Arc::new(AtomicUsize::new(0));
    let both = Arc::new(Barrier::new(2));
    let mut graph = Graph::new();
    let done = graph.add(add("done", 1), &[]);
    let meet = both.clone();
    let broken = graph.add(
        add("broken", 1).body(move |_, _| {
            meet.wait();
            Err(Broken("exit code: 3".to_owned()))
        }),
        &[done],
    );
    let slow = graph.add(
        add("slow", 1).body(move |_, context| {
            both.wait();
            assert!(context.cancel().wait_timeout(FOR_EVER));
            Err(Broken("killed".to_owned()))
        }),
        &[done],
    );
    let never = graph.add(add("never", 1).counted(&runs), &[broken, slow]);

    let seen = run(&graph, &[never], &cache);
    let error = seen.error();
    assert!(
        matches!(&error.failure, SolveFailure::Vertex { vertex, cause: Cause::Op(_), .. } if *vertex == broken)
    );
    assert_eq!(error.to_string(), "broken: exit code: 3");
    assert!(matches!(error.outcomes[&done], Outcome::Ran { .. }));
    assert!(matches!(error.outcomes[&broken], Outcome::Failed { cost } if !cost.is_zero()));
    assert_eq!(error.outcomes[&slow], Outcome::Cancelled);
    assert_eq!(error.outcomes[&never], Outcome::Cancelled);
    assert_eq!(seen.kinds(broken), ["started", "missed", "failed"]);
    assert_eq!(seen.kinds(slow), ["started", "missed", "cancelled"]);
    assert_eq!((seen.kinds(never).len(), runs.load(Ordering::SeqCst)), (0, 0));
    assert_eq!(
        cache.records.lock().unwrap().len(),
        1,
        "only what succeeded is recorded"
    );
    assert!(cache.claimed.lock().unwrap().is_empty());
}

#[test]
fn a_result_that_comes_after_the_cancellation_is_dropped() {
    let cache = Memory::default();
    let cancel = CancelToken::new();
    let mut graph = Graph::new();
    let from_outside = cancel.clone();
    let step = graph.add(
        add("step", 1).body(move |_, context| {
            from_outside.cancel();
            assert!(context.cancel().is_cancelled(), "the step is told");
            Ok(1)
        }),
        &[],
    );
    let behind = graph.add(add("behind", 1), &[step]);
    let seen = run_with(&graph, &[behind], &cache, 2, &cancel, |_| {});
    assert!(matches!(seen.error().failure, SolveFailure::Interrupted));
    assert_eq!(seen.kinds(step), ["started", "missed", "cancelled"]);
    assert!(
        seen.error()
            .outcomes
            .values()
            .all(|outcome| *outcome == Outcome::Cancelled)
    );
    assert!(cache.records.lock().unwrap().is_empty());
}

#[test]
fn cancellation_from_another_thread_ends_the_solve() {
    let cancel = CancelToken::new();
    let running = Arc::new(Barrier::new(2));
    let mut graph = Graph::new();
    let meet = running.clone();
    let step = graph.add(
        add("step", 1).body(move |_, context| {
            meet.wait();
            assert!(context.cancel().wait_timeout(FOR_EVER));
            Err(Broken("killed".to_owned()))
        }),
        &[],
    );
    let seen = std::thread::scope(|scope| {
        scope.spawn(|| {
            running.wait();
            cancel.cancel();
        });
        run_with(&graph, &[step], &Memory::default(), 1, &cancel, |_| {})
    });
    assert_eq!(seen.error().to_string(), "interrupted");
}

#[test]
fn cancellation_while_waiting_for_another_ends_the_solve() {
    let cache = Memory::default();
    let cancel = CancelToken::new();
    let mut graph = Graph::new();
    let step = graph.add(add("step", 1), &[]);
    let key = rbuild_solver::Op::preimage(graph.op(step), &[], rbuild_solver::Effort::Full)
        .unwrap()
        .unwrap()
        .key();
    cache.claimed.lock().unwrap().insert(key);
    let seen = run_with(&graph, &[step], &cache, 1, &cancel, |event| {
        if event.kind == EventKind::Waiting {
            cancel.cancel();
        }
    });
    assert!(matches!(seen.error().failure, SolveFailure::Interrupted));
    assert_eq!(seen.kinds(step), ["started", "waiting", "cancelled"]);
}

#[test]
fn a_key_that_fails_because_of_the_cancellation_is_no_failure() {
    let cancel = CancelToken::new();
    let mut op = add("step", 1).deferred();
    let from_outside = cancel.clone();
    op.on_full = Some(Box::new(move || {
        from_outside.cancel();
        Err(Broken("hashing was stopped".to_owned()))
    }));
    let mut graph = Graph::new();
    let step = graph.add(op, &[]);
    let seen = run_with(&graph, &[step], &Memory::default(), 1, &cancel, |_| {});
    assert!(matches!(seen.error().failure, SolveFailure::Interrupted));
    assert_eq!(seen.kinds(step), ["started", "cancelled"]);
}

#[test]
fn cancelled_before_it_began_does_nothing() {
    let cancel = CancelToken::new();
    cancel.cancel();
    let mut graph = Graph::new();
    let step = graph.add(add("step", 1), &[]);
    let seen = run_with(&graph, &[step], &Memory::default(), 1, &cancel, |_| {});
    assert!(matches!(seen.error().failure, SolveFailure::Interrupted));
    assert_eq!((seen.prepared, seen.events.len()), (0, 0));
}

#[test]
fn a_panic_is_an_error_and_not_a_hang() {
    let mut graph = Graph::new();
    let step = graph.add(
        add("step", 1).body(|_, _| panic!("index {} out of bounds", 7)),
        &[],
    );
    let seen = run(&graph, &[step], &Memory::default());
    assert_eq!(
        seen.error().to_string(),
        "step: internal error: index 7 out of bounds"
    );
}

#[test]
fn a_listener_that_panics_on_a_worker_is_an_error_too() {
    let mut graph = Graph::new();
    let step = graph.add(add("step", 1), &[]);
    let seen = run_with(
        &graph,
        &[step],
        &Memory::default(),
        1,
        &CancelToken::new(),
        |event| {
            assert!(event.kind != EventKind::Started, "the listener is broken");
        },
    );
    assert_eq!(
        seen.error().to_string(),
        "step: internal error: the listener is broken"
    );
}

#[test]
fn a_cache_that_cannot_be_written_fails_the_vertex() {
    let cache = Memory {
        broken: true,
        ..Memory::default()
    };
    let mut graph = Graph::new();
    let step = graph.add(add("step", 1), &[]);
    let seen = run(&graph, &[step], &cache);
    assert!(matches!(
        &seen.error().failure,
        SolveFailure::Vertex {
            cause: Cause::Cache(_),
            ..
        }
    ));
    assert_eq!(seen.error().to_string(), "step: the disk is full");
}

#[test]
fn a_namespace_that_cannot_be_entered_starts_nothing() {
    let runs = Arc::new(AtomicUsize::new(0));
    let mut graph = Graph::new();
    let step = graph.add(add("step", 1).counted(&runs), &[]);
    let options = SolveOptions {
        jobs: NonZeroUsize::MIN,
        prepare: Box::new(|| Err(Broken("no user namespaces here".to_owned()))),
        cancel: CancelToken::new(),
        events: &|_| {},
        started: Instant::now(),
    };
    let error = solve(&graph, &[step], &Memory::default(), options).unwrap_err();
    assert!(matches!(error.failure, SolveFailure::Prepare(_)));
    assert_eq!(error.to_string(), "no user namespaces here");
    assert_eq!(runs.load(Ordering::SeqCst), 0);
}
