//! The first WORKDIR of a stage is relative.

use crate::InstructionKind;
use crate::lint::Definition;
use crate::lint::checker::Checker;

pub(super) const DEFINITION: Definition = Definition {
    docs: "A relative `WORKDIR` is joined to the one before it, which here is the base image's: another base, another directory.",
    bad: "FROM alpine\nWORKDIR app\n",
    good: "FROM alpine\nWORKDIR /app\n",
    default: true,
    buildkit: true,
    check,
};

fn check(cx: &mut Checker<'_>) {
    let mut absolute = vec![false; cx.dockerfile.stages.len()];
    for stage in &cx.dockerfile.stages {
        let mut set = cx.parent(stage).is_some_and(|parent| absolute[parent]);
        for instruction in &stage.instructions {
            let InstructionKind::Workdir(workdir) = &instruction.kind else {
                continue;
            };
            let path = workdir.path.text.trim_start_matches(['"', '\'']);
            let drive = path.get(1..2) == Some(":");
            // With a variable in front nobody knows.
            if !set && !path.starts_with(['/', '\\', '$']) && !drive {
                let message = format!(
                    "`{}` is relative to the base image's directory",
                    workdir.path.text
                );
                let span = workdir.path.span;
                let diagnostic = cx.report(span, message);
                *diagnostic = diagnostic.clone().with_help("begin with an absolute `WORKDIR`");
            }
            set = true;
        }
        absolute[stage.index] = set;
    }
}
