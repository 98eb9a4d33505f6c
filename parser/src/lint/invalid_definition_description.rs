//! A comment above ARG or FROM that does not describe it.

use crate::InstructionKind;
use crate::dockerfile::Line;
use crate::lint::Definition;
use crate::lint::checker::Checker;

pub(super) const DEFINITION: Definition = Definition {
    docs: "The comment directly above an `ARG` or a named `FROM` is its description in `--call=outline`, when it begins with the name. Another comment needs an empty line between.",
    bad: "# The version of the base\nARG VERSION=3\nFROM scratch\n",
    good: "# VERSION of the base\nARG VERSION=3\nFROM scratch\n",
    default: false,
    buildkit: true,
    check: Some(check),
};

fn check(cx: &mut Checker<'_>) {
    let mut named: Vec<(&Line, &str)> = Vec::new();
    for arg in &cx.dockerfile.global_args {
        named.extend(arg.arg.declarations.first().map(|d| (&arg.line, d.name.text.as_str())));
    }
    for stage in &cx.dockerfile.stages {
        named.extend(stage.from.name.as_ref().map(|name| (&stage.line, name.text.as_str())));
        for instruction in &stage.instructions {
            if let InstructionKind::Arg(arg) = &instruction.kind {
                named.extend(arg.declarations.first().map(|d| (&instruction.line, d.name.text.as_str())));
            }
        }
    }
    for (line, name) in named {
        let Some(comment) = line.comments.last() else { continue };
        let mut words = comment.text.split_whitespace();
        let described = words.next().is_some_and(|word| word.trim_end_matches(':').eq_ignore_ascii_case(name));
        if !described || words.next().is_none() {
            let diagnostic = cx.report(comment.span, format!("the comment does not describe `{name}`"));
            *diagnostic = diagnostic.clone().with_help(format!(
                "write `# {name} ...`, or put an empty line below a comment that is for something else"
            ));
        }
    }
}
