//! Work with a part that does not look at its inputs: after a change below it is put on what is there now.

use crate::integers::{Add, Memory, Seen, add, run};
use rbuild_solver::{Graph, Outcome};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

fn on(base: i64, top: Add, cache: &Memory) -> (Seen, Outcome, Vec<&'static str>) {
    let mut graph = Graph::new();
    let base = graph.add(add("base", base), &[]);
    let top = graph.add(top, &[base]);
    let seen = run(&graph, &[top], cache);
    let outcome = seen.result.as_ref().unwrap().outcomes[&top].clone();
    let kinds = seen.kinds(top);
    (seen, outcome, kinds)
}

#[test]
fn another_input_makes_another_output_without_work() {
    let cache = Memory::default();
    let runs = Arc::new(AtomicUsize::new(0));
    let top = |number| add("top", number).parted().counted(&runs);
    on(1, top(10), &cache);
    let (seen, outcome, kinds) = on(2, top(10), &cache);
    assert_eq!(seen.outputs(), [12]);
    assert!(matches!(outcome, Outcome::Cached { .. }), "{outcome:?}");
    assert_eq!(kinds, ["started", "cached"]);
    assert_eq!(runs.load(Ordering::SeqCst), 1);
    // It has a record of its own now: nothing is prepared any more.
    assert_eq!(on(2, top(10), &cache).0.prepared, 0);
    // Another part is other work.
    let (seen, _, kinds) = on(2, top(20), &cache);
    assert_eq!(
        (seen.outputs(), kinds.as_slice()),
        (&[22][..], &["started", "missed", "completed"][..])
    );
    assert_eq!(runs.load(Ordering::SeqCst), 2);
}

#[test]
fn what_cannot_be_transplanted_or_is_not_wanted_runs() {
    let cache = Memory::default();
    let runs = Arc::new(AtomicUsize::new(0));
    let top = || add("top", 10).parted().counted(&runs);
    on(1, top(), &cache);
    assert_eq!(on(-5, top(), &cache).0.outputs(), [5]);
    assert_eq!(runs.load(Ordering::SeqCst), 2);
    assert_eq!(on(3, top().no_cache(), &cache).0.outputs(), [13]);
    assert_eq!(runs.load(Ordering::SeqCst), 3);
}
