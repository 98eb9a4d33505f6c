//! A blank line inside a continued instruction.

use crate::lint::Definition;
use crate::lint::checker::Checker;

pub(super) const DEFINITION: Definition = Definition {
    docs: "A blank line inside a continued instruction is skipped, but it reads like the end of the instruction. Docker has announced that it will be an error.",
    bad: r##"FROM scratch
RUN a \

  b
"##,
    good: r##"FROM scratch
RUN a \
  b
"##,
    default: true,
    buildkit: true,
    check,
};

fn check(cx: &mut Checker<'_>) {
    for line in cx.lines() {
        if let Some(first) = line.empty_continuations.first() {
            let diagnostic = cx.report(*first, "a blank line in a continued instruction".to_owned());
            *diagnostic = diagnostic
                .clone()
                .with_secondary(line.keyword, "the instruction begins here")
                .with_help("remove the line, or put a `#` on it");
        }
    }
}
