//! A wildcard that matches nothing.

use crate::glob::{self, Component};
use crate::instruction::Source;
use crate::lint::Definition;
use crate::lint::checker::Checker;
use crate::{InstructionKind, Word};

pub(super) const DEFINITION: Definition = Definition {
    docs: "A wildcard of `COPY` or `ADD` that matches no file copies nothing, and the build goes on. A name with `*` behind it, as in `COPY go.mod go.sum* ./`, says that a file may be missing. The checks tell it of the context, a build also of stages, images and patterns with variables.",
    bad: "FROM scratch\nCOPY *.nothing /\n",
    good: "FROM scratch\nCOPY *.txt /\n",
    default: true,
    buildkit: false,
    check,
};

fn check(cx: &mut Checker<'_>) {
    let Some(context_matches) = cx.input.context_matches else {
        return;
    };
    for instruction in cx.dockerfile.stages.iter().flat_map(|stage| &stage.instructions) {
        let (sources, parents) = match &instruction.kind {
            InstructionKind::Copy(copy) if copy.from.is_none() => (&copy.sources, copy.parents),
            InstructionKind::Add(add) => (&add.sources, false),
            _ => continue,
        };
        for source in sources {
            let Source::Path(word) = source else { continue };
            let Some(pattern) = pattern(word, parents) else {
                continue;
            };
            let optional = sources.len() > 1 && glob::is_optional_name(&pattern);
            if !optional && context_matches(&pattern, parents) == Some(false) {
                cx.report(word.span, format!("no file of the context matches `{pattern}`"));
            }
        }
    }
}

/// The word's value, when it is a pattern of files whatever the variables are.
fn pattern(word: &Word, parents: bool) -> Option<String> {
    if word.has_variables() || !word.text.contains(['*', '?', '[']) || word.text.contains("://") {
        return None;
    }
    let value = word.expand(&|_: &str| None).ok()?.value;
    let components = glob::components(&value, parents).ok()?;
    let is_pattern = components
        .iter()
        .any(|component| !matches!(component, Component::Literal(_)));
    is_pattern.then_some(value)
}
