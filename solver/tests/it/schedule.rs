//! What runs at the same time. Meetings are arranged with barriers: who does not come makes the test hang, not flake.

use crate::integers::{Memory, add, run, run_with};
use rbuild_solver::{CancelToken, Graph, SolveOptions, Stream, solve};
use std::collections::BTreeSet;
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier, Mutex};
use std::thread::ThreadId;
use std::time::Instant;

#[test]
fn independent_branches_run_at_once() {
    let meeting = Arc::new(Barrier::new(6));
    let mut graph = Graph::new();
    let branches: Vec<_> = (0..6)
        .map(|index| {
            let meeting = meeting.clone();
            let branch = add(&format!("branch {index}"), index).body(move |_, _| {
                meeting.wait();
                Ok(1)
            });
            graph.add(branch, &[])
        })
        .collect();
    let top = graph.add(add("top", 0), &branches);
    let seen = run_with(&graph, &[top], &Memory::default(), 6, &CancelToken::new(), |_| {});
    assert_eq!(seen.outputs(), [6]);
}

#[test]
fn no_more_than_jobs_run_at_once() {
    for jobs in [1, 3] {
        let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        // All of one round must be there before anyone leaves: with exactly `jobs` in a round it never hangs.
        let round = Arc::new(Barrier::new(jobs));
        let mut graph = Graph::new();
        let steps: Vec<_> = (0..12)
            .map(|index| {
                let (now, most, round) = (now.clone(), most.clone(), round.clone());
                let step = add(&format!("step {index}"), 0).body(move |_, _| {
                    most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                    round.wait();
                    now.fetch_sub(1, Ordering::SeqCst);
                    Ok(1)
                });
                graph.add(step, &[])
            })
            .collect();
        run_with(
            &graph,
            &steps,
            &Memory::default(),
            jobs,
            &CancelToken::new(),
            |_| {},
        )
        .result
        .unwrap();
        assert_eq!(most.load(Ordering::SeqCst), jobs);
    }
}

#[test]
fn prepare_is_called_on_the_calling_thread_before_any_other_exists() {
    let threads: Arc<Mutex<BTreeSet<String>>> = Arc::default();
    let name = |id: ThreadId| format!("{id:?}");
    let mut graph = Graph::new();
    let inside = threads.clone();
    let step = graph.add(
        add("step", 1).body(move |_, _| {
            inside.lock().unwrap().insert(name(std::thread::current().id()));
            Ok(1)
        }),
        &[],
    );
    let caller = std::thread::current().id();
    let prepared = AtomicUsize::new(0);
    let options = SolveOptions {
        jobs: NonZeroUsize::MIN,
        prepare: Box::new(|| {
            assert_eq!(std::thread::current().id(), caller);
            assert!(threads.lock().unwrap().is_empty(), "nothing ran before");
            prepared.fetch_add(1, Ordering::SeqCst);
            Ok(())
        }),
        cancel: CancelToken::new(),
        events: &|_| {},
        started: Instant::now(),
    };
    solve(&graph, &[step], &Memory::default(), options).unwrap();
    assert_eq!(prepared.load(Ordering::SeqCst), 1);
    let threads = threads.lock().unwrap();
    assert!(
        threads.len() == 1 && !threads.contains(&name(caller)),
        "work runs on a worker: {threads:?}"
    );
}

#[test]
fn a_long_chain_and_a_wide_fan_are_solved() {
    let mut graph = Graph::new();
    let mut last = graph.add(add("start", 1), &[]);
    for index in 0..300 {
        last = graph.add(add(&format!("link {index}"), 1), &[last]);
    }
    let fan: Vec<_> = (0..300)
        .map(|index| graph.add(add(&format!("leaf {index}"), 1), &[last]))
        .collect();
    let top = graph.add(add("top", 0), &fan);
    let cache = Memory::default();
    assert_eq!(run(&graph, &[top], &cache).outputs(), [300 * 302]);
    assert_eq!(run(&graph, &[top], &cache).prepared, 0);
}

#[test]
fn what_a_step_tells_comes_in_order_under_its_vertex() {
    let mut graph = Graph::new();
    let step = graph.add(
        add("step", 1).body(|_, context| {
            context.log(Stream::Out, b"one");
            context.log(Stream::Err, b"");
            context.progress(1, Some(2), "bytes");
            Ok(1)
        }),
        &[],
    );
    let seen = run(&graph, &[step], &Memory::default());
    assert_eq!(
        seen.kinds(step),
        ["started", "missed", "log", "progress", "completed"]
    );
    assert!(seen.events.is_sorted_by_key(|event| event.at));
}

#[test]
fn no_targets_is_nothing_to_do() {
    let graph = Graph::new();
    let seen = run(&graph, &[], &Memory::default());
    assert!(seen.outputs().is_empty() && seen.prepared == 0);
}
