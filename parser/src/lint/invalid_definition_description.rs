//! A comment above ARG or FROM that does not describe it.

use crate::InstructionKind;
use crate::dockerfile::Line;
use crate::instruction::Arg;
use crate::lint::Definition;
use crate::lint::checker::Checker;

pub(super) const DEFINITION: Definition = Definition {
    docs: "The comment directly above an `ARG` or a named `FROM` is its description in `--call=outline`, when it begins with the name. Another comment needs an empty line between.",
    bad: "# The version of the base\nARG VERSION=3\nFROM scratch\n",
    good: "# VERSION of the base\nARG VERSION=3\nFROM scratch\n",
    default: false,
    buildkit: true,
    check,
};

fn check(cx: &mut Checker<'_>) {
    let mut named: Vec<(&Line, Vec<&str>)> = Vec::new();
    for arg in &cx.dockerfile.global_args {
        named.push((&arg.line, names(&arg.arg)));
    }
    for stage in &cx.dockerfile.stages {
        named.extend(
            stage
                .from
                .name
                .as_ref()
                .map(|name| (&stage.line, vec![name.text.as_str()])),
        );
        for instruction in &stage.instructions {
            if let InstructionKind::Arg(arg) = &instruction.kind {
                named.push((&instruction.line, names(arg)));
            }
        }
    }
    for (line, names) in named {
        let Some(comment) = line.comments.last() else {
            continue;
        };
        let mut words = comment.text.split_whitespace();
        // A lone `#` sets a comment apart, as an empty line does.
        let Some(first) = words.next() else { continue };
        if names.contains(&first.trim_end_matches(':')) && words.next().is_some() {
            continue;
        }
        let listed = names
            .iter()
            .map(|name| format!("`{name}`"))
            .collect::<Vec<_>>()
            .join(" or ");
        let help = format!(
            "write `# {} ...`, or put an empty line below a comment that is for something else",
            names.first().unwrap_or(&"NAME")
        );
        // Where BuildKit has it: at what the comment should describe.
        let message = format!("the comment above does not describe {listed}");
        let diagnostic = cx.report(line.keyword, message);
        *diagnostic = diagnostic
            .clone()
            .with_secondary(comment.span, "this comment")
            .with_help(help);
    }
}

fn names(arg: &Arg) -> Vec<&str> {
    arg.declarations
        .iter()
        .map(|declaration| declaration.name.text.as_str())
        .collect()
}
