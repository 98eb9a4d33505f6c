//! What runs, what does not, and what is said about it.

use crate::integers::{Add, Memory, add, run, run_with};
use rbuild_solver::{
    CacheIndex as _, CancelToken, Effort, EventKind, Graph, Lookup, MissReason, Op as _, Outcome, RunContext,
};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

#[test]
fn a_diamond_runs_each_vertex_once_and_then_never() {
    let cache = Memory::default();
    let runs = Arc::new(AtomicUsize::new(0));
    let mut graph = Graph::new();
    let base = graph.add(add("base", 1).counted(&runs), &[]);
    let left = graph.add(add("left", 10).counted(&runs), &[base]);
    let right = graph.add(add("right", 100).counted(&runs), &[base]);
    let top = graph.add(add("top", 1000).counted(&runs), &[left, right]);

    let cold = run(&graph, &[top, base], &cache);
    assert_eq!(cold.outputs(), [1112, 1]);
    assert_eq!((runs.load(Ordering::SeqCst), cold.prepared), (4, 1));
    assert_eq!(cold.kinds(top), ["started", "missed", "completed"]);
    assert_eq!(cold.result.as_ref().unwrap().all.len(), 4);

    let warm = run(&graph, &[top, base], &cache);
    assert_eq!(warm.outputs(), [1112, 1]);
    assert_eq!(
        (runs.load(Ordering::SeqCst), warm.prepared),
        (4, 0),
        "a warm solve prepares nothing"
    );
    assert_eq!(warm.kinds(top), ["cached"]);
}

#[test]
fn merged_vertices_run_once() {
    let runs = Arc::new(AtomicUsize::new(0));
    let mut graph = Graph::new();
    let one = graph.add(add("same", 1).counted(&runs), &[]);
    let two = graph.add(add("same", 1).counted(&runs), &[]);
    let top = graph.add(add("top", 0), &[one, two]);
    assert_eq!(run(&graph, &[top], &Memory::default()).outputs(), [2]);
    assert_eq!(runs.load(Ordering::SeqCst), 1);
}

#[test]
fn what_no_target_needs_does_not_run() {
    let runs = Arc::new(AtomicUsize::new(0));
    let mut graph = Graph::new();
    let base = graph.add(add("base", 1), &[]);
    let unused = graph.add(add("unused", 1).counted(&runs), &[base]);
    let seen = run(&graph, &[base], &Memory::default());
    assert_eq!(runs.load(Ordering::SeqCst), 0);
    assert!(!seen.result.unwrap().outcomes.contains_key(&unused));
}

#[test]
fn equal_output_of_a_changed_step_lets_its_users_hit() {
    let cache = Memory::default();
    let runs = Arc::new(AtomicUsize::new(0));
    let graph = |name: &str, number: i64| {
        let mut graph = Graph::new();
        let base = graph.add(add(name, number), &[]);
        let middle = graph.add(add("middle", 10), &[base]);
        let top = graph.add(add("top", 100).counted(&runs), &[middle]);
        (graph, base, top)
    };
    let (first, _, top) = graph("base", 1);
    assert_eq!(run(&first, &[top], &cache).outputs(), [111]);

    // Another text, the same content.
    let (second, base, top) = graph("base with a comment", 1);
    let seen = run(&second, &[top], &cache);
    assert_eq!(seen.outputs(), [111]);
    assert_eq!(runs.load(Ordering::SeqCst), 1, "top did not run again");
    assert_eq!(seen.kinds(base), ["started", "missed", "completed"]);
    assert_eq!(seen.kinds(top), ["started", "cached"], "found in the cold phase");

    // Other content.
    let (third, _, top) = graph("base", 2);
    assert_eq!(run(&third, &[top], &cache).outputs(), [112]);
    assert_eq!(runs.load(Ordering::SeqCst), 2);
}

#[test]
fn all_that_hits_is_found_before_anything_is_prepared() {
    let cache = Memory::default();
    let mut graph = Graph::new();
    let first = graph.add(add("first", 1), &[]);
    let second = graph.add(add("second", 2), &[first]);
    let other = graph.add(add("other", 3), &[]);
    let third = graph.add(add("third", 4), &[other]);
    run(&graph, &[second, third], &cache);
    let lost = graph
        .op(first)
        .preimage(&[], rbuild_solver::Effort::Full)
        .unwrap()
        .unwrap()
        .key();
    cache.records.lock().unwrap().remove(&lost);

    let seen = run(&graph, &[second, third], &cache);
    assert_eq!(seen.prepared, 1);
    let order: Vec<_> = seen
        .events
        .iter()
        .map(|event| (event.vertex, crate::integers::kind(&event.kind)))
        .collect();
    assert_eq!(
        order,
        [
            (other, "cached"),
            (third, "cached"),
            (first, "started"),
            (first, "missed"),
            (first, "completed"),
            (second, "started"),
            (second, "cached"),
        ]
    );
    let missed = seen.events.iter().find_map(|event| match &event.kind {
        EventKind::Missed(reason) => Some(reason.clone()),
        _ => None,
    });
    assert_eq!(missed, Some(MissReason::RecordLost));
}

#[test]
fn a_miss_says_what_changed() {
    let cache = Memory::default();
    let reason = |number: i64| {
        let mut graph = Graph::new();
        let step = graph.add(add("step", number), &[]);
        match run(&graph, &[step], &cache)
            .result
            .unwrap()
            .outcomes
            .remove(&step)
        {
            Some(Outcome::Ran {
                reason: Some(reason),
                key: Some(_),
                ..
            }) => reason.to_string(),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(reason(1), "no earlier build had this step");
    assert_eq!(reason(2), "`number` changed from `1` to `2`");
}

#[test]
fn a_deferred_vertex_is_asked_again_and_can_still_hit() {
    let cache = Memory::default();
    let runs = Arc::new(AtomicUsize::new(0));
    let mut graph = Graph::new();
    let source = graph.add(add("source", 1).deferred().counted(&runs), &[]);
    assert_eq!(run(&graph, &[source], &cache).outputs(), [1]);
    let again = run(&graph, &[source], &cache);
    assert_eq!(
        (again.outputs(), again.prepared, runs.load(Ordering::SeqCst)),
        (&[1][..], 1, 1)
    );
    assert_eq!(again.kinds(source), ["started", "cached"]);
}

#[test]
fn quick_outputs_need_no_record() {
    let cache = Memory::default();
    let mut graph = Graph::new();
    let constant = graph.add(add("constant", 1).quick(), &[]);
    let behind = graph.add(add("behind", 2).quick(), &[constant]);
    let seen = run(&graph, &[behind], &cache);
    assert_eq!((seen.outputs(), seen.prepared), (&[3][..], 0));
    assert_eq!(seen.kinds(behind), ["resolved"]);
    assert!(cache.records.lock().unwrap().is_empty());

    // Behind a miss it is asked in the cold phase.
    let mut graph = Graph::new();
    let step = graph.add(add("step", 1), &[]);
    let behind = graph.add(add("behind", 2).quick(), &[step]);
    let seen = run(&graph, &[behind], &cache);
    assert_eq!(seen.kinds(behind), ["started", "resolved"]);
}

#[test]
fn work_without_a_key_runs_each_time_and_is_not_recorded() {
    let cache = Memory::default();
    let runs = Arc::new(AtomicUsize::new(0));
    let mut graph = Graph::new();
    let pull = graph.add(add("pull", 1).without_key().counted(&runs), &[]);
    run(&graph, &[pull], &cache);
    let seen = run(&graph, &[pull], &cache);
    assert_eq!(runs.load(Ordering::SeqCst), 2);
    assert_eq!(seen.kinds(pull), ["started", "completed"]);
    assert!(cache.records.lock().unwrap().is_empty());
}

#[test]
fn no_cache_runs_again_and_records_the_new_result() {
    let cache = Memory::default();
    let runs = Arc::new(AtomicUsize::new(0));
    let solve = |no_cache: bool| {
        let mut graph = Graph::new();
        let op = add("step", 1).counted(&runs);
        let step = graph.add(if no_cache { op.no_cache() } else { op }, &[]);
        let behind = graph.add(add("behind", 1), &[step]);
        let seen = run(&graph, &[behind], &cache);
        (seen.kinds(step), seen.kinds(behind), runs.load(Ordering::SeqCst))
    };
    solve(false);
    cache
        .records
        .lock()
        .unwrap()
        .values_mut()
        .for_each(|value| assert!(*value > 0));
    assert_eq!(
        solve(true),
        (
            vec!["started", "missed", "completed"],
            vec!["started", "cached"],
            2
        )
    );
    assert_eq!(solve(false), (vec!["cached"], vec!["cached"], 2));
}

#[test]
fn work_that_another_does_is_waited_for_and_used() {
    let cache = Memory::default();
    let runs = Arc::new(AtomicUsize::new(0));
    let mut graph = Graph::new();
    let step = graph.add(add("step", 1).counted(&runs), &[]);
    let key = graph
        .op(step)
        .preimage(&[], rbuild_solver::Effort::Full)
        .unwrap()
        .unwrap()
        .key();
    cache.claimed.lock().unwrap().insert(key);

    // The other one finishes as soon as we say that we wait.
    let seen = run_with(&graph, &[step], &cache, 1, &CancelToken::new(), |event| {
        if event.kind == EventKind::Waiting {
            cache.records.lock().unwrap().insert(key, 77);
            cache.claimed.lock().unwrap().remove(&key);
        }
    });
    assert_eq!(seen.outputs(), [77]);
    assert_eq!(seen.kinds(step), ["started", "waiting", "cached"]);
    assert_eq!(runs.load(Ordering::SeqCst), 0);
    assert!(
        cache.claimed.lock().unwrap().is_empty(),
        "the claim was given back"
    );
}

/// With one job: the other vertex could not run if the one that waits had it.
#[test]
fn who_waits_for_another_keeps_nobody_from_running() {
    let cache = Memory::default();
    let mut graph = Graph::new();
    let waits = graph.add(add("waits", 1), &[]);
    let runs = graph.add(add("runs", 2), &[]);
    let key = graph
        .op(waits)
        .preimage(&[], rbuild_solver::Effort::Full)
        .unwrap()
        .unwrap()
        .key();
    cache.claimed.lock().unwrap().insert(key);
    let seen = run_with(&graph, &[waits, runs], &cache, 1, &CancelToken::new(), |event| {
        if event.vertex == runs && matches!(event.kind, EventKind::Completed { .. }) {
            cache.claimed.lock().unwrap().remove(&key);
        }
    });
    assert_eq!(seen.outputs(), [1, 2]);
    assert_eq!(seen.kinds(waits), ["started", "waiting", "missed", "completed"]);
}

/// With one job: who has waited in vain runs when the other vertex has ended, not beside it.
#[test]
fn who_has_waited_takes_its_turn() {
    let cache = Memory::default();
    let at_work = Arc::new(AtomicUsize::new(0));
    let most = Arc::new(AtomicUsize::new(0));
    let work = |number| {
        let (at_work, most) = (at_work.clone(), most.clone());
        move |_: &[i64], _: &RunContext<'_>| {
            most.fetch_max(at_work.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            // Long enough for another to begin, if it may.
            std::thread::sleep(std::time::Duration::from_millis(50));
            at_work.fetch_sub(1, Ordering::SeqCst);
            Ok(number)
        }
    };
    let mut graph = Graph::new();
    let waits = graph.add(add("waits", 1).body(work(1)), &[]);
    let runs = graph.add(add("runs", 2).body(work(2)), &[]);
    let key = graph
        .op(waits)
        .preimage(&[], rbuild_solver::Effort::Full)
        .unwrap()
        .unwrap()
        .key();
    cache.claimed.lock().unwrap().insert(key);
    let seen = run_with(&graph, &[waits, runs], &cache, 1, &CancelToken::new(), |event| {
        if event.vertex == runs && matches!(event.kind, EventKind::Missed(_)) {
            cache.claimed.lock().unwrap().remove(&key);
            // The one that waits takes the claim: now it has everything but the job.
            while !cache.claimed.lock().unwrap().contains(&key) {
                std::thread::yield_now();
            }
        }
    });
    assert_eq!(seen.outputs(), [1, 2]);
    assert_eq!(most.load(Ordering::SeqCst), 1);
}

#[test]
fn work_that_another_gave_up_is_taken_over() {
    let cache = Memory::default();
    let mut graph = Graph::new();
    let step = graph.add(add("step", 1), &[]);
    let key = graph
        .op(step)
        .preimage(&[], rbuild_solver::Effort::Full)
        .unwrap()
        .unwrap()
        .key();
    cache.claimed.lock().unwrap().insert(key);
    let seen = run_with(&graph, &[step], &cache, 1, &CancelToken::new(), |event| {
        if event.kind == EventKind::Waiting {
            cache.claimed.lock().unwrap().remove(&key);
        }
    });
    assert_eq!(seen.kinds(step), ["started", "waiting", "missed", "completed"]);
    assert_eq!(cache.lookup(&key, Effort::Full), Ok(Lookup::Hit(1)));
}

#[test]
fn two_vertices_of_one_key_run_once() {
    let runs = Arc::new(AtomicUsize::new(0));
    let mut graph = Graph::new();
    let twin = || unmerged(add("twin", 5).counted(&runs));
    let one = graph.add(twin(), &[]);
    let two = graph.add(twin(), &[]);
    assert_ne!(one, two);
    assert_eq!(run(&graph, &[one, two], &Memory::default()).outputs(), [5, 5]);
    assert_eq!(runs.load(Ordering::SeqCst), 1);
}

fn unmerged(mut op: Add) -> Add {
    op.merge = false;
    op
}
