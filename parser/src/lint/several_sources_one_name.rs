//! Several files that are copied to one name.

use crate::InstructionKind;
use crate::instruction::Source;
use crate::lint::Definition;
use crate::lint::checker::Checker;

pub(super) const DEFINITION: Definition = Definition {
    docs: "Several files of one `COPY` or `ADD` go to a destination that is no directory and has no `/` at its end: each is written to that name, so only the last one stays. The checks tell it of heredocs that nothing in the stage comes before, a build of all files.",
    bad: "FROM scratch\nCOPY <<one <<two /name\n1\none\n2\ntwo\n",
    good: "FROM scratch\nCOPY <<one <<two /name/\n1\none\n2\ntwo\n",
    default: true,
    buildkit: false,
    check,
};

fn check(cx: &mut Checker<'_>) {
    for stage in &cx.dockerfile.stages {
        if stage.from.base.text != "scratch" {
            continue;
        }
        for instruction in &stage.instructions {
            let (sources, dest) = match &instruction.kind {
                InstructionKind::Copy(copy) if !copy.parents => (&copy.sources, &copy.dest),
                InstructionKind::Add(add) => (&add.sources, &add.dest),
                // These make directories.
                InstructionKind::Copy(_) | InstructionKind::Run(_) | InstructionKind::Workdir(_) => break,
                _ => continue,
            };
            // What is a path may be a directory.
            let are_files = sources.iter().all(|source| matches!(source, Source::Heredoc(_)));
            let is_name = !dest.has_variables() && dest.text.starts_with('/') && !dest.text.ends_with('/');
            if sources.len() > 1 && are_files && is_name {
                let message = format!(
                    "several files are copied to the one name `{}`, so only the last stays",
                    dest.text
                );
                let help = format!("for a directory add a `/`: `{}/`", dest.text);
                let diagnostic = cx.report(dest.span, message);
                *diagnostic = diagnostic.clone().with_help(help);
            }
            break;
        }
    }
}
