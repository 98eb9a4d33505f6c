//! Several indexes behind one another: the one of this machine, and one that many machines share.

use crate::integers::{Memory, add, run};
use rbuild_solver::{Chain, Effort, Graph, Outcome};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

fn remote() -> Memory {
    Memory {
        far: true,
        ..Memory::default()
    }
}

#[test]
fn what_one_machine_made_another_does_not_make() {
    let shared = remote();
    let runs = Arc::new(AtomicUsize::new(0));
    let mut graph = Graph::new();
    let one = graph.add(add("one", 1).counted(&runs), &[]);
    let two = graph.add(add("two", 2).counted(&runs), &[one]);
    let first = Memory::default();
    assert_eq!(
        run(&graph, &[two], &Chain::new(&first).then(&shared)).outputs(),
        [3]
    );
    assert_eq!(runs.load(Ordering::SeqCst), 2);

    let second = Memory::default();
    let seen = run(&graph, &[two], &Chain::new(&second).then(&shared));
    assert_eq!(seen.outputs(), [3]);
    assert_eq!(runs.load(Ordering::SeqCst), 2);
    let outcomes = &seen.result.as_ref().unwrap().outcomes;
    assert!(matches!(outcomes[&one], Outcome::Cached { .. }), "{outcomes:?}");

    // It is kept here: the next build prepares nothing, and asks nobody.
    shared.lookups.lock().unwrap().clear();
    assert_eq!(
        run(&graph, &[two], &Chain::new(&second).then(&shared)).prepared,
        0
    );
    assert!(shared.lookups.lock().unwrap().is_empty());
}

#[test]
fn a_journey_is_for_the_cold_phase() {
    let (own, shared) = (Memory::default(), remote());
    let mut graph = Graph::new();
    let one = graph.add(add("one", 1), &[]);
    run(&graph, &[one], &Chain::new(&own).then(&shared));
    let asked = shared.lookups.lock().unwrap().clone();
    assert_eq!(asked.first(), Some(&Effort::Cheap));
    assert!(
        asked[1..].iter().all(|effort| *effort == Effort::Full),
        "{asked:?}"
    );
    assert!(asked.len() > 1, "{asked:?}");
}

#[test]
fn an_index_that_fails_is_asked_once_and_fails_nothing() {
    let own = Memory::default();
    let away = Memory {
        unreachable: true,
        ..Memory::default()
    };
    let full = Memory {
        broken: true,
        ..remote()
    };
    let mut graph = Graph::new();
    let one = graph.add(add("one", 1), &[]);
    let two = graph.add(add("two", 2), &[one]);
    let chain = Chain::new(&own).then(&away).then(&full);
    assert_eq!(run(&graph, &[two], &chain).outputs(), [3]);
    assert_eq!(away.lookups.lock().unwrap().len(), 1);
    let failures: Vec<String> = chain
        .failures()
        .map(|(place, error)| format!("{place}: {error}"))
        .collect();
    assert_eq!(failures, ["0: nobody answers", "1: the disk is full"]);
}

#[test]
fn errors_of_the_first_index_are_errors() {
    let own = Memory {
        unreachable: true,
        ..Memory::default()
    };
    let shared = remote();
    let mut graph = Graph::new();
    let one = graph.add(add("one", 1), &[]);
    let seen = run(&graph, &[one], &Chain::new(&own).then(&shared));
    assert!(seen.error().to_string().contains("nobody answers"));
}

#[test]
fn the_candidate_that_fits_is_taken() {
    let cache = Memory::default();
    let runs = Arc::new(AtomicUsize::new(0));
    let build = |base: i64| {
        let mut graph = Graph::new();
        let base = graph.add(add("base", base).quick(), &[]);
        let top = add("top", 10).exact().counted(&runs);
        let top = graph.add(top, &[base]);
        run(&graph, &[top], &cache).outputs().to_vec()
    };
    // Two results stand behind one weak key.
    assert_eq!(build(1), [11]);
    assert_eq!(build(2), [12]);
    assert_eq!(runs.load(Ordering::SeqCst), 2);
    // Their records are lost; each is found again as a candidate, and a third one fits none.
    cache.records.lock().unwrap().clear();
    assert_eq!(build(1), [11]);
    assert_eq!(build(2), [12]);
    assert_eq!(runs.load(Ordering::SeqCst), 2);
    assert_eq!(build(3), [13]);
    assert_eq!(runs.load(Ordering::SeqCst), 3);
}
