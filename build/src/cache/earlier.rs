//! [`Earlier`]: the last build of the same thing, and which of its steps a step of this build was. That is what misses
//! are explained by, and where files are linked from.
//!
//! A step is the same step when its stage and its words are the same, wherever they stand now; what is left over is
//! paired where it stands between those, if it is the same kind of instruction in the same stage.

use crate::ops::StepId;
use crate::ops::spec::Step;
use rbuild_store::buildlog::{BuildRecord, BuildStep, StepOutcome};
use rbuild_store::records::Preimage;
use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

/// The last build of the same context, Dockerfile and target.
#[derive(Debug, Default)]
pub struct Earlier {
    steps: Vec<EarlierStep>,
    failed: bool,
    /// This build's steps, in order.
    now: OnceLock<Vec<Arc<Step>>>,
    /// Those by their titles, which are what the solver calls them. Made when it is first asked for.
    ids: OnceLock<HashMap<String, StepId>>,
    /// Step of this build to index in `steps`. Made when it is first asked for: a warm build asks for nothing.
    pairs: OnceLock<HashMap<StepId, usize>>,
}

/// A step of the last build.
#[derive(Debug)]
pub struct EarlierStep {
    stage: String,
    words: String,
    /// The key that it had in that build.
    key: Option<String>,
    /// What the key was made from, where the step failed and so left no record.
    pub preimage: Option<Preimage>,
    /// It failed.
    pub failed: bool,
    /// The key of the last result that is known.
    result: Option<String>,
}

impl EarlierStep {
    fn new(step: BuildStep) -> Self {
        let words = step.words().to_owned();
        let BuildStep {
            place,
            key,
            preimage,
            earlier,
            outcome,
            ..
        } = step;
        let (failed, key, result) = match outcome {
            StepOutcome::Cached | StepOutcome::Ran => (false, key.clone(), key),
            StepOutcome::Failed => (key.is_some(), key.or_else(|| earlier.clone()), earlier),
            StepOutcome::Cancelled => (false, earlier.clone(), earlier),
        };
        Self {
            stage: place.map(|place| place.stage).unwrap_or_default(),
            words,
            key,
            preimage,
            failed,
            result,
        }
    }

    /// The key to compare with.
    #[must_use]
    pub fn key(&self) -> Option<&str> {
        self.key.as_deref()
    }

    /// The key under which its last result is.
    #[must_use]
    pub fn result(&self) -> Option<&str> {
        self.result.as_deref()
    }
}

impl Earlier {
    /// What a build's record says.
    #[must_use]
    pub fn new(record: BuildRecord) -> Self {
        Self {
            failed: record.error.is_some(),
            steps: record.steps.into_iter().map(EarlierStep::new).collect(),
            ..Self::default()
        }
    }

    /// Gives the steps of this build, in order; once.
    pub fn set_steps(&self, steps: Vec<Arc<Step>>) {
        let _ = self.now.set(steps);
    }

    fn now(&self) -> &[Arc<Step>] {
        self.now.get().map(Vec::as_slice).unwrap_or_default()
    }

    /// The step of this build with this title.
    #[must_use]
    pub fn id_of(&self, title: &str) -> Option<&StepId> {
        let ids = self.ids.get_or_init(|| {
            let steps = self.now().iter();
            steps.map(|step| (step.title.clone(), step.id.clone())).collect()
        });
        ids.get(title)
    }

    /// The step of the last build that this one was.
    #[must_use]
    pub fn step(&self, id: &StepId) -> Option<&EarlierStep> {
        let pairs = self.pairs.get_or_init(|| {
            let before: Vec<Instruction<'_>> = self.steps.iter().map(Instruction::before).collect();
            let now: Vec<Instruction<'_>> = self.now().iter().map(|step| Instruction::now(step)).collect();
            pair(&before, &now)
                .into_iter()
                .map(|(before, now)| (self.now()[now].id.clone(), before))
                .collect()
        });
        self.steps.get(*pairs.get(id)?)
    }

    /// Whether a build that succeeded with these keys (in order) was any other than this one.
    #[must_use]
    pub fn differs<'k>(&self, keys: impl Iterator<Item = &'k str>) -> bool {
        self.failed || !self.steps.iter().filter_map(EarlierStep::key).eq(keys)
    }
}

/// What two steps are told apart by.
#[derive(Debug, PartialEq, Eq)]
struct Instruction<'t> {
    stage: &'t str,
    words: &'t str,
}

impl<'t> Instruction<'t> {
    fn before(step: &'t EarlierStep) -> Self {
        Self {
            stage: &step.stage,
            words: &step.words,
        }
    }

    fn now(step: &'t Step) -> Self {
        Self {
            stage: &step.stage,
            words: step.words(),
        }
    }

    fn verb(&self) -> &'t str {
        self.words.split_whitespace().next().unwrap_or_default()
    }

    /// How much speaks for one being the other; 0: nothing.
    fn likeness(&self, other: &Instruction<'_>) -> u32 {
        let same_stage = self.stage == other.stage;
        match (self.words == other.words, same_stage) {
            (true, true) => 1000,
            (true, false) => 600,
            (false, true) if self.verb().eq_ignore_ascii_case(other.verb()) => 100 + self.common(other),
            _ => 0,
        }
    }

    /// How much of the longer words both begin or end with, up to 200.
    fn common(&self, other: &Instruction<'_>) -> u32 {
        let (one, two) = (self.words.as_bytes(), other.words.as_bytes());
        let begin = one.iter().zip(two).take_while(|(one, two)| one == two).count();
        let rest = one.len().min(two.len()) - begin;
        let end = one
            .iter()
            .rev()
            .zip(two.iter().rev())
            .take(rest)
            .take_while(|(one, two)| one == two)
            .count();
        let longer = one.len().max(two.len()).max(1);
        u32::try_from((begin + end) * 200 / longer).unwrap_or(0)
    }
}

/// A table of this many squares is made in milliseconds.
const SQUARES: usize = 4_000_000;

/// Pairs (index before, index now), each at most once and in the order of both, so that they are most alike in all.
fn pair(before: &[Instruction<'_>], now: &[Instruction<'_>]) -> Vec<(usize, usize)> {
    // Most files have not changed.
    if before == now {
        return (0..now.len()).map(|at| (at, at)).collect();
    }
    if (before.len() + 1).saturating_mul(now.len() + 1) > SQUARES {
        return pair_many(before, now);
    }
    pair_few(before, now)
}

/// Those of so many steps that there is no room for a table: what both begin and end with, and what is between if that
/// is little.
fn pair_many(before: &[Instruction<'_>], now: &[Instruction<'_>]) -> Vec<(usize, usize)> {
    let begin = before.iter().zip(now).take_while(|(one, two)| one == two).count();
    let (old, new) = (&before[begin..], &now[begin..]);
    let end = old.iter().rev().zip(new.iter().rev());
    let end = end.take_while(|(one, two)| one == two).count();
    let (old, new) = (&old[..old.len() - end], &new[..new.len() - end]);
    let between = match (old.len() + 1).saturating_mul(new.len() + 1) > SQUARES {
        true => (0..old.len().min(new.len()))
            .filter(|at| old[*at] == new[*at])
            .map(|at| (at, at))
            .collect(),
        false => pair_few(old, new),
    };
    let mut pairs: Vec<_> = (0..begin).map(|at| (at, at)).collect();
    pairs.extend(between.into_iter().map(|(one, two)| (begin + one, begin + two)));
    pairs.extend((0..end).map(|at| (before.len() - end + at, now.len() - end + at)));
    pairs
}

fn pair_few(before: &[Instruction<'_>], now: &[Instruction<'_>]) -> Vec<(usize, usize)> {
    let width = now.len() + 1;
    // best[i][j]: the most that the steps from i and from j on can be alike.
    let mut best = vec![0_u32; (before.len() + 1) * width];
    for (i, one) in before.iter().enumerate().rev() {
        for (j, two) in now.iter().enumerate().rev() {
            let likeness = one.likeness(two);
            let both = if likeness > 0 {
                likeness + best[(i + 1) * width + j + 1]
            } else {
                0
            };
            best[i * width + j] = both.max(best[(i + 1) * width + j]).max(best[i * width + j + 1]);
        }
    }
    let (mut i, mut j) = (0, 0);
    let mut pairs = Vec::new();
    while i < before.len() && j < now.len() {
        let here = best[i * width + j];
        let likeness = before[i].likeness(&now[j]);
        if likeness > 0 && here == likeness + best[(i + 1) * width + j + 1] {
            pairs.push((i, j));
            (i, j) = (i + 1, j + 1);
        } else if here == best[(i + 1) * width + j] {
            i += 1;
        } else {
            j += 1;
        }
    }
    pairs
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each a stage and words.
    fn paired(
        before: &[(&'static str, &'static str)],
        now: &[(&'static str, &'static str)],
    ) -> Vec<(usize, usize)> {
        let steps = |of: &[(&'static str, &'static str)]| {
            of.iter()
                .map(|(stage, words)| Instruction { stage, words })
                .collect::<Vec<_>>()
        };
        pair(&steps(before), &steps(now))
    }

    /// A table of all of these would have 25 million squares.
    #[test]
    fn of_thousands_of_steps_the_changed_ones_are_found() {
        let titles = |changed: &str, more: usize| -> Vec<String> {
            let texts = (0..5000 + more).map(|number| match number {
                2500 => changed.to_owned(),
                inserted if (2501..2501 + more).contains(&inserted) => format!("ADD {inserted} /"),
                _ => format!("COPY {} /", if number > 2500 { number - more } else { number }),
            });
            texts.collect()
        };
        let (before, now) = (titles("RUN make", 0), titles("RUN make all", 3));
        let [before, now] = [&before, &now].map(|texts| {
            let texts = texts.iter().map(String::as_str);
            texts
                .map(|words| Instruction { stage: "", words })
                .collect::<Vec<_>>()
        });
        let expected: Vec<(usize, usize)> = (0..5000)
            .map(|at| (at, if at > 2500 { at + 3 } else { at }))
            .collect();
        assert_eq!(pair(&before, &now), expected);
    }

    #[test]
    fn steps_of_a_file_that_is_as_it_was_are_themselves() {
        let steps = [("0", "FROM a"), ("0", "RUN x"), ("0", "RUN x"), ("1", "RUN x")];
        assert_eq!(paired(&steps, &steps), [(0, 0), (1, 1), (2, 2), (3, 3)]);
    }

    #[test]
    fn an_inserted_line_moves_the_others_and_is_new_itself() {
        let before = [("0", "FROM a"), ("0", "RUN make one"), ("0", "RUN make two")];
        let now = [
            ("0", "FROM a"),
            ("0", "RUN make zero"),
            ("0", "RUN make one"),
            ("0", "RUN make two"),
        ];
        assert_eq!(paired(&before, &now), [(0, 0), (1, 2), (2, 3)]);
        assert_eq!(paired(&now, &before), [(0, 0), (2, 1), (3, 2)]);
    }

    #[test]
    fn an_edited_line_beside_an_inserted_one_is_found_by_what_it_says() {
        let before = [("0", "FROM a"), ("0", "RUN apt-get install -y gcc")];
        let now = [
            ("0", "FROM a"),
            ("0", "RUN echo hello"),
            ("0", "RUN apt-get install -y gcc make"),
        ];
        assert_eq!(paired(&before, &now), [(0, 0), (1, 2)]);
    }

    #[test]
    fn other_instructions_and_other_stages_are_other_steps() {
        assert_eq!(paired(&[("0", "COPY a /a")], &[("0", "RUN a")]), []);
        assert_eq!(paired(&[("one", "RUN a")], &[("two", "RUN b")]), []);
        // A stage that has another number, or name, than before.
        assert_eq!(paired(&[("stage-1", "RUN a")], &[("stage-2", "RUN a")]), [(0, 0)]);
    }

    #[test]
    fn a_failed_step_is_compared_with_and_its_older_result_is_used() {
        let step = |outcome, key: Option<&str>, earlier: Option<&str>| {
            EarlierStep::new(BuildStep {
                name: "[1/1] RUN x".into(),
                place: None,
                line: None,
                key: key.map(str::to_owned),
                preimage: None,
                earlier: earlier.map(str::to_owned),
                outcome,
                millis: 0,
                used: None,
                miss: serde_json::Value::Null,
                because: Vec::new(),
                is_image: false,
                log: None,
            })
        };
        let failed = step(StepOutcome::Failed, Some("new"), Some("old"));
        assert_eq!(
            (failed.key(), failed.result(), failed.failed),
            (Some("new"), Some("old"), true)
        );
        let keyless = step(StepOutcome::Failed, None, Some("old"));
        assert_eq!(
            (keyless.key(), keyless.result(), keyless.failed),
            (Some("old"), Some("old"), false)
        );
        let cancelled = step(StepOutcome::Cancelled, None, Some("old"));
        assert_eq!(
            (cancelled.key(), cancelled.result(), cancelled.failed),
            (Some("old"), Some("old"), false)
        );
    }
}
