//! [`NearestArgs`]: which ARG a variable of `--from=` means, as far as the text of the file says it.

use std::cell::Cell;

use crate::dockerfile::{Dockerfile, Instruction};
use crate::instruction::{Arg, InstructionKind};
use crate::{Scope, Word};

/// So many instructions above a word are looked at.
const LOOKED_AT: usize = 1000;

/// What `--from=` and the `from=` of mounts see: the nearest ARG above, in the stage or in the one that it begins with,
/// else the ARGs before the first FROM.
pub struct NearestArgs<'a> {
    /// The file.
    pub dockerfile: &'a Dockerfile,
    /// The stage that a stage begins with.
    pub parent: &'a dyn Fn(usize) -> Option<usize>,
    /// The ARGs before the first FROM.
    pub global: &'a dyn Scope,
    /// The values that the command line gives.
    pub given: &'a dyn Fn(&str) -> Option<String>,
}

/// What a name means at a place.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Meaning {
    Value(String),
    Global,
    /// Only a build knows.
    Unknown,
}

impl NearestArgs<'_> {
    /// What the word says in the stage `stage`; `None` when only a build knows.
    pub fn name(&self, stage: usize, word: &Word) -> Option<String> {
        let unknown = Cell::new(false);
        let scope = |name: &str| match self.meaning(stage, word.span.start, name) {
            Meaning::Value(value) => Some(value),
            Meaning::Global => self.global.get(name).map(|value| value.into_owned()),
            Meaning::Unknown => {
                unknown.set(true);
                None
            }
        };
        let value = word.expand(&scope).ok()?.value;
        (!unknown.get()).then_some(value)
    }

    /// Whether an ARG above a place of a stage gives a name a value; one before the first FROM is none.
    pub fn is_declared(&self, stage: usize, before: usize, name: &str) -> bool {
        self.meaning(stage, before, name) != Meaning::Global
    }

    fn meaning(&self, stage: usize, before: usize, name: &str) -> Meaning {
        let mut looked_at = 0;
        let mut at = Some(stage);
        let mut is_first = true;
        while let Some(stage) = at.and_then(|index| self.dockerfile.stages.get(index)) {
            for instruction in stage.instructions.iter().rev() {
                if is_first && instruction.line.span.start >= before {
                    continue;
                }
                looked_at += 1;
                if looked_at > LOOKED_AT {
                    return Meaning::Unknown;
                }
                if let Some(meaning) = self.declared(instruction, name, is_first) {
                    return meaning;
                }
            }
            is_first = false;
            at = (self.parent)(stage.index);
        }
        Meaning::Global
    }

    /// What an instruction makes of a name. Triggers are of the stages that begin with this one.
    fn declared(&self, instruction: &Instruction, name: &str, is_first: bool) -> Option<Meaning> {
        match &instruction.kind {
            InstructionKind::Arg(arg) => self.argument(arg, name),
            InstructionKind::OnBuild(on_build) if !is_first => match &on_build.instruction.kind {
                InstructionKind::Arg(arg) => self.argument(arg, name).map(|_| Meaning::Unknown),
                _ => None,
            },
            _ => None,
        }
    }

    fn argument(&self, arg: &Arg, name: &str) -> Option<Meaning> {
        arg.declarations.iter().rev().find_map(|declaration| {
            if declaration.name.has_variables() {
                return Some(Meaning::Unknown);
            }
            if declaration.name.text != name {
                return None;
            }
            if let Some(given) = (self.given)(name) {
                return Some(Meaning::Value(given));
            }
            match &declaration.default {
                Some(default) if default.has_variables() => Some(Meaning::Unknown),
                Some(default) => {
                    let value = default.expand(&|_: &str| None).ok();
                    Some(value.map_or(Meaning::Unknown, |value| Meaning::Value(value.value)))
                }
                // It has the value of the global one, else the one that it had.
                None => self.global.get(name).map(|_| Meaning::Global),
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_argument_counts() {
        let text = "ARG S=global\nARG T=global\nFROM a AS one\nARG S=one\nONBUILD ARG U=u\nFROM one\n\
                    ARG T\nARG V\nARG W=$PATH\nCOPY --from=$S-$T$V . /\nARG S=late\nCOPY --from=$S . /\n\
                    COPY --from=$W . /\nCOPY --from=$U . /\nFROM b\nARG S\nCOPY --from=$S . /\n";
        let dockerfile = crate::parse(text).dockerfile;
        let names = |given: &dyn Fn(&str) -> Option<String>| -> Vec<Option<String>> {
            let args = NearestArgs {
                dockerfile: &dockerfile,
                parent: &|stage| (stage == 1).then_some(0),
                global: &|name: &str| matches!(name, "S" | "T").then(|| "global".to_owned()),
                given,
            };
            let stages = dockerfile.stages.iter();
            stages
                .flat_map(|stage| stage.sources().map(|(_, word)| args.name(stage.index, word)))
                .collect()
        };
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(
            names(&|_| None),
            [some("one-global"), some("late"), None, None, some("global")]
        );
        let given = |name: &str| (name == "S").then(|| "given".to_owned());
        assert_eq!(names(&given)[..2], [some("given-global"), some("given")]);
    }
}
