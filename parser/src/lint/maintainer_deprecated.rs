//! MAINTAINER.

use crate::InstructionKind;
use crate::lint::Definition;
use crate::lint::checker::Checker;

pub(super) const DEFINITION: Definition = Definition {
    docs: "`MAINTAINER` is deprecated. The label `org.opencontainers.image.authors` says the same and can be read by more tools.",
    bad: "FROM scratch\nMAINTAINER me\n",
    good: r##"FROM scratch
LABEL org.opencontainers.image.authors="me"
"##,
    default: true,
    buildkit: true,
    check,
};

fn check(cx: &mut Checker<'_>) {
    for instruction in cx.dockerfile.stages.iter().flat_map(|stage| &stage.instructions) {
        if let InstructionKind::Maintainer(maintainer) = &instruction.kind {
            let name = maintainer.name.text.trim_matches('"').replace(['"', '\\'], "");
            let diagnostic = cx.report(instruction.line.keyword, "`MAINTAINER` is deprecated".to_owned());
            *diagnostic = diagnostic.clone().with_help(format!(
                "write `LABEL org.opencontainers.image.authors=\"{name}\"`"
            ));
        }
    }
}
