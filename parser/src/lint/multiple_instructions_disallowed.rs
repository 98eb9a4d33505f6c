//! Several CMD, ENTRYPOINT or HEALTHCHECK in a stage.

use crate::Span;
use crate::lint::Definition;
use crate::lint::checker::Checker;

pub(super) const DEFINITION: Definition = Definition {
    docs: "Of several `CMD`, `ENTRYPOINT` or `HEALTHCHECK` in a stage only the last one counts.",
    bad: r##"FROM scratch
CMD ["a"]
CMD ["b"]
"##,
    good: r##"FROM scratch
CMD ["b"]
"##,
    default: true,
    buildkit: true,
    check,
};

fn check(cx: &mut Checker<'_>) {
    for stage in &cx.dockerfile.stages {
        for keyword in ["CMD", "ENTRYPOINT", "HEALTHCHECK"] {
            let lines: Vec<Span> = stage
                .instructions
                .iter()
                .filter(|instruction| instruction.keyword() == keyword)
                .map(|instruction| instruction.line.keyword)
                .collect();
            let Some((last, earlier)) = lines.split_last() else {
                continue;
            };
            for span in earlier {
                let diagnostic = cx.report(*span, format!("this `{keyword}` has no effect"));
                *diagnostic = diagnostic
                    .clone()
                    .with_secondary(*last, "only the last one counts");
            }
        }
    }
}
