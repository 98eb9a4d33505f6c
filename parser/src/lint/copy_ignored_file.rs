//! COPY of a file that the ignore file excludes.

use crate::ignore::{self, Decision};
use crate::instruction::Source;
use crate::lint::Definition;
use crate::lint::checker::Checker;
use crate::{IgnoreFile, InstructionKind};

pub(super) const DEFINITION: Definition = Definition {
    docs: "The ignore file excludes the source, so the build will not find it.",
    bad: "FROM scratch\nCOPY ignored.txt /\n",
    good: "FROM scratch\nCOPY kept.txt /\n",
    default: true,
    buildkit: true,
    check,
};

fn check(cx: &mut Checker<'_>) {
    let Some(ignore) = cx.input.ignore else { return };
    for instruction in cx.dockerfile.stages.iter().flat_map(|stage| &stage.instructions) {
        let sources = match &instruction.kind {
            InstructionKind::Copy(copy) if copy.from.is_none() => &copy.sources,
            InstructionKind::Add(add) => &add.sources,
            _ => continue,
        };
        for source in sources {
            let Source::Path(word) = source else { continue };
            let plain = !word.text.contains(['$', '"', '\'', '\\', '*', '?', '[', '`']);
            if !plain || word.text.contains("://") || word.text.starts_with("git@") {
                continue;
            }
            let path = ignore::clean(&format!("/{}", word.text));
            let path = path.trim_start_matches('/');
            let Some(decision) = excluded(ignore, path) else {
                continue;
            };
            let pattern = decision.pattern.and_then(|index| ignore.patterns().get(index));
            let diagnostic = cx.report(word.span, format!("the ignore file excludes `{}`", word.text));
            if let Some(pattern) = pattern {
                let help = format!("it is the pattern `{}` in line {}", pattern.text, pattern.line);
                *diagnostic = diagnostic.clone().with_help(help);
            }
        }
    }
}

/// What decides that nothing at `path` or below is left; `None` when something may be.
fn excluded(ignore: &IgnoreFile, path: &str) -> Option<Decision> {
    if path.is_empty() {
        // Of the whole context nothing is left when names that nobody has are excluded.
        let all = ["\u{1}", ".\u{1}"].map(|name| ignore.decide(name));
        let kept = ignore.patterns().iter().any(|pattern| pattern.reinclude);
        let [first, second] = all;
        return (first.excluded && second.excluded && !kept).then_some(first);
    }
    let decision = ignore.decide(path);
    (decision.excluded && !ignore.may_reinclude_below(path)).then_some(decision)
}
