//! Builds on a busybox base with what became of each step, as plain progress tells it.

use super::base::Base;
use super::env::TestEnv;
use super::invocation::Invocation;
use super::outcome::Outcome;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A build that succeeded.
pub(crate) struct Built {
    pub(crate) outcome: Outcome,
    /// A letter for each step in the order of the display, without FROM: `h` for a hit, `m` for a miss.
    pub(crate) hits: String,
    /// The image id. A step that writes something random makes another image whenever it runs.
    pub(crate) image: String,
}

/// A build with plain progress, in which `busybox:local` needs no loading.
pub(crate) fn building(env: &TestEnv, context: &Path) -> Invocation {
    let base = Base::Busybox.as_context();
    env.rbuild(["build", "--progress", "plain", "--build-context", &base])
        .arg(context)
}

/// Runs [`building`], with more arguments.
#[track_caller]
pub(crate) fn build(env: &TestEnv, context: &Path, more: &[&str]) -> Built {
    finish(env, building(env, context).args(more))
}

/// Runs a build that must succeed.
#[track_caller]
pub(crate) fn finish(env: &TestEnv, invocation: Invocation) -> Built {
    static SERIAL: AtomicUsize = AtomicUsize::new(0);
    let iid = env.path(format!("iid-{}", SERIAL.fetch_add(1, Ordering::Relaxed)));
    let outcome = invocation.arg("--iidfile").arg(&iid).run().success().no_panic();
    let image = std::fs::read_to_string(&iid).expect("the image id was written");
    Built {
        hits: hits(&outcome),
        image,
        outcome,
    }
}

/// What became of the steps: `h` cached, `m` done, `f` failed, `c` cancelled.
pub(crate) fn hits(outcome: &Outcome) -> String {
    let err = outcome.err();
    let mut steps: Vec<(&str, char)> = Vec::new();
    for line in err.lines() {
        let Some((number, rest)) = line.strip_prefix('#').and_then(|line| line.split_once(' ')) else {
            continue;
        };
        if rest.starts_with('[') && !steps.iter().any(|(other, _)| *other == number) {
            let shown = !rest.contains("] FROM ") && !rest.starts_with("[internal]");
            steps.push((number, if shown { '?' } else { ' ' }));
            continue;
        }
        let letter = match rest.split(' ').next() {
            Some("CACHED") => 'h',
            Some("DONE") => 'm',
            Some("ERROR") | Some("ERROR:") => 'f',
            Some("CANCELED") | Some("CANCELLED") => 'c',
            _ => continue,
        };
        if let Some((_, was)) = steps
            .iter_mut()
            .find(|(other, was)| *other == number && *was == '?')
        {
            *was = letter;
        }
    }
    // The numbers are given in the order of the Dockerfile, whatever runs first.
    steps.sort_by_key(|(number, _)| number.parse::<usize>().unwrap_or(usize::MAX));
    steps
        .iter()
        .map(|(_, letter)| letter)
        .filter(|letter| **letter != ' ')
        .collect()
}
