//! Which stage a reference means, and whether stages need each other.

mod args;

pub use args::NearestArgs;

use std::collections::HashMap;

use crate::diagnostic::Diagnostic;
use crate::dockerfile::{Dockerfile, Instruction};
use crate::instruction::InstructionKind;
use crate::kind::Kind;
use crate::{Stage, Word};

/// The stages of a file by name, for many references.
pub struct StageIndex<'a> {
    count: usize,
    by_name: HashMap<&'a str, Vec<usize>>,
}

impl<'a> StageIndex<'a> {
    /// Reads the names once.
    pub fn new(dockerfile: &'a Dockerfile) -> Self {
        let mut by_name: HashMap<&str, Vec<usize>> = HashMap::new();
        for stage in &dockerfile.stages {
            if let Some(name) = stage.name() {
                by_name.entry(name).or_default().push(stage.index);
            }
        }
        Self {
            count: dockerfile.stages.len(),
            by_name,
        }
    }

    /// The stage that a name (in any case) or an index means, among those before the stage `before`, or among
    /// all. Of several with the same name the last one is meant.
    pub fn stage_by_ref(&self, reference: &str, before: Option<usize>) -> Option<usize> {
        let before = before.unwrap_or(self.count).min(self.count);
        if let Some(index) = index(reference) {
            return (index < before).then_some(index);
        }
        let stages = self.by_name.get(reference.to_lowercase().as_str())?;
        stages
            .partition_point(|stage| *stage < before)
            .checked_sub(1)
            .and_then(|at| stages.get(at))
            .copied()
    }

    /// The stage that `--from=` or a mount's `from=` in the stage `stage` means: an earlier one, else a later one
    /// (BuildKit allows that too, as long as there is no cycle). `None`: an image or a named context.
    pub fn stage_for_copy(&self, reference: &str, stage: usize) -> Option<usize> {
        self.stage_by_ref(reference, Some(stage))
            .or_else(|| match index(reference) {
                Some(_) => self.stage_by_ref(reference, None),
                None => self
                    .by_name
                    .get(reference.to_lowercase().as_str())?
                    .first()
                    .copied(),
            })
    }
}

impl Dockerfile {
    /// [`StageIndex::stage_by_ref`] for a single reference.
    pub fn stage_by_ref(&self, reference: &str, before: Option<usize>) -> Option<usize> {
        StageIndex::new(self).stage_by_ref(reference, before)
    }

    /// [`StageIndex::stage_for_copy`] for a single reference.
    pub fn stage_for_copy(&self, reference: &str, stage: usize) -> Option<usize> {
        StageIndex::new(self).stage_for_copy(reference, stage)
    }

    /// The names of all stages, for suggestions.
    pub fn stage_names(&self) -> impl Iterator<Item = &str> {
        self.stages.iter().filter_map(Stage::name)
    }
}

impl Stage {
    /// The words by which this stage takes files from elsewhere: `COPY --from=` and `from=` of mounts. Triggers
    /// of ONBUILD are not among them: they belong to the child.
    pub fn sources(&self) -> impl Iterator<Item = (&Instruction, &Word)> {
        self.instructions.iter().flat_map(|instruction| {
            let words = instruction.kind.sources();
            words.into_iter().map(move |word| (instruction, word))
        })
    }
}

impl InstructionKind {
    /// The words by which it takes files from elsewhere: `--from=` of COPY, `from=` of mounts.
    pub fn sources(&self) -> Vec<&Word> {
        match self {
            InstructionKind::Copy(copy) => copy.from.iter().collect(),
            InstructionKind::Run(run) => run.mounts.iter().filter_map(|mount| mount.from()).collect(),
            _ => Vec::new(),
        }
    }
}

/// A reference of digits is an index.
fn index(reference: &str) -> Option<usize> {
    if reference.is_empty() || !reference.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    // Too long for a number is too high for an index.
    Some(reference.parse().unwrap_or(usize::MAX))
}

/// Finds stages that need each other: `needs[i]` are the stages that stage `i` needs. The cycle begins with its
/// lowest stage; each needs the next one, the last one the first.
pub fn find_cycle(needs: &[Vec<usize>]) -> Option<Vec<usize>> {
    // 0: not seen, 1: on the path, 2: done.
    let mut state = vec![0u8; needs.len()];
    for root in 0..needs.len() {
        if state[root] != 0 {
            continue;
        }
        let mut path: Vec<(usize, usize)> = vec![(root, 0)];
        state[root] = 1;
        while let Some((stage, next)) = path.last_mut() {
            let (here, edge) = (*stage, *next);
            *next += 1;
            match needs[here].get(edge).filter(|need| **need < needs.len()) {
                None if edge >= needs[here].len() => {
                    state[here] = 2;
                    path.pop();
                }
                None => {}
                Some(&need) if state[need] == 1 => {
                    let mut cycle: Vec<usize> = path
                        .iter()
                        .map(|(stage, _)| *stage)
                        .skip_while(|stage| *stage != need)
                        .collect();
                    let lowest = cycle
                        .iter()
                        .enumerate()
                        .min_by_key(|(_, stage)| **stage)
                        .map_or(0, |(at, _)| at);
                    cycle.rotate_left(lowest);
                    return Some(cycle);
                }
                Some(&need) if state[need] == 0 => {
                    state[need] = 1;
                    path.push((need, 0));
                }
                Some(_) => {}
            }
        }
    }
    None
}

/// What can be said about stages without variables.
pub(crate) fn check(dockerfile: &Dockerfile, diagnostics: &mut Vec<Diagnostic>) {
    let index_of = StageIndex::new(dockerfile);
    let mut needs = vec![Vec::new(); dockerfile.stages.len()];
    for stage in &dockerfile.stages {
        if !stage.from.base.has_variables() {
            needs[stage.index].extend(index_of.stage_by_ref(&stage.from.base.text, Some(stage.index)));
        }
        for (_, word) in stage.sources() {
            if word.has_variables() {
                continue;
            }
            match index_of.stage_for_copy(&word.text, stage.index) {
                Some(source) => needs[stage.index].push(source),
                None if index(&word.text).is_some() => {
                    let kind = Kind::NoSuchStage {
                        index: word.text.clone(),
                        stages: dockerfile.stages.len(),
                    };
                    diagnostics.push(
                        Diagnostic::error(kind, word.span)
                            .with_help("stages are counted from 0, and have names"),
                    );
                }
                None => {}
            }
        }
    }
    if let Some(cycle) = find_cycle(&needs) {
        diagnostics.push(cycle_diagnostic(dockerfile, &cycle));
    }
}

/// Words for a cycle of stages, as [`find_cycle`] gives it; the lowering may find one that variables close.
pub fn cycle_diagnostic(dockerfile: &Dockerfile, cycle: &[usize]) -> Diagnostic {
    /// A longer cycle is told by its beginning.
    const SHOWN: usize = 8;
    let index_of = StageIndex::new(dockerfile);
    let stages: Vec<&Stage> = cycle
        .iter()
        .filter_map(|index| dockerfile.stages.get(*index))
        .collect();
    let mut names: Vec<String> = stages
        .iter()
        .take(SHOWN)
        .map(|stage| {
            stage
                .name()
                .map_or_else(|| format!("stage {}", stage.index), |name| format!("`{name}`"))
        })
        .collect();
    if stages.len() > SHOWN {
        names.push(format!("{} more", stages.len() - SHOWN));
    } else if names.len() > 1 {
        names.extend(names.first().cloned());
    }
    let mut places = stages
        .iter()
        .zip(cycle.iter().cycle().skip(1))
        .map(|(stage, next)| {
            stage
                .sources()
                .find(|(_, word)| index_of.stage_for_copy(&word.text, stage.index) == Some(*next))
                .map_or(stage.from.base.span, |(_, word)| word.span)
        });
    let mut diagnostic = Diagnostic::error(Kind::Cycle { stages: names }, places.next().unwrap_or_default());
    if let [only] = stages.as_slice() {
        let span = only
            .from
            .name
            .as_ref()
            .map_or(only.line.keyword, |name| name.span);
        return diagnostic.with_secondary(span, "in this stage");
    }
    for place in places.take(SHOWN - 1) {
        diagnostic = diagnostic.with_secondary(place, "and here");
    }
    diagnostic
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references() {
        let source = "FROM a AS One\nFROM one AS two\nFROM b AS one\nFROM x\n";
        let dockerfile = crate::parse(source).dockerfile;
        assert_eq!(dockerfile.stage_by_ref("ONE", Some(2)), Some(0));
        assert_eq!(dockerfile.stage_by_ref("one", Some(3)), Some(2));
        assert_eq!(dockerfile.stage_by_ref("two", Some(1)), None);
        assert_eq!(dockerfile.stage_by_ref("1", Some(1)), None);
        assert_eq!(dockerfile.stage_by_ref("1", None), Some(1));
        assert_eq!(dockerfile.stage_by_ref("99999999999999999999999", None), None);
        assert_eq!(dockerfile.stage_for_copy("two", 0), Some(1));
        assert_eq!(dockerfile.stage_for_copy("alpine", 0), None);
    }

    #[test]
    fn cycles() {
        assert_eq!(find_cycle(&[vec![], vec![0], vec![0, 1]]), None);
        assert_eq!(find_cycle(&[vec![0]]), Some(vec![0]));
        assert_eq!(
            find_cycle(&[vec![], vec![3], vec![1], vec![2]]),
            Some(vec![1, 3, 2])
        );
        assert_eq!(find_cycle(&[vec![7]]), None);
    }
}
