//! CMD or ENTRYPOINT in shell form.

use crate::InstructionKind;
use crate::instruction::CommandForm;
use crate::lint::Definition;
use crate::lint::checker::Checker;
use crate::lint::json_attempt;

pub(super) const DEFINITION: Definition = Definition {
    docs: "In shell form a shell is process 1: it gets the signals that are meant for the program, and `docker stop` waits until it kills. A `SHELL` in the file says that the shell is wanted.",
    bad: "FROM scratch\nCMD run it\n",
    good: r##"FROM scratch
CMD ["run", "it"]
"##,
    default: true,
    buildkit: true,
    check,
};

fn check(cx: &mut Checker<'_>) {
    let mut with_shell = vec![false; cx.dockerfile.stages.len()];
    for stage in &cx.dockerfile.stages {
        let mut shell = match cx.parent(stage) {
            Some(parent) => with_shell[parent],
            None => cx
                .input
                .base_shell
                .is_some_and(|base_shell| base_shell(stage.index)),
        };
        for instruction in &stage.instructions {
            let command = match &instruction.kind {
                InstructionKind::Shell(_) => {
                    shell = true;
                    continue;
                }
                InstructionKind::Cmd(cmd) => &cmd.command,
                InstructionKind::Entrypoint(entrypoint) => &entrypoint.command,
                _ => continue,
            };
            let CommandForm::Shell { text, .. } = &command.form else {
                continue;
            };
            // A malformed JSON form has a rule of its own.
            if shell || text.is_empty() || json_attempt::fault(text).is_some() {
                continue;
            }
            let keyword = instruction.keyword();
            let simple = !text.contains(|ch: char| "\"'\\$`&|;<>(){}*?[]~#\n".contains(ch));
            let diagnostic = cx.report(
                instruction.line.keyword,
                format!("`{keyword}` in shell form hides signals from the program"),
            );
            let help = if simple {
                // `exec` is of the shell; without one the program is process 1 anyway.
                let program = text.strip_prefix("exec ").unwrap_or(text);
                let words: Vec<String> = program
                    .split_whitespace()
                    .map(|word| format!("\"{word}\""))
                    .collect();
                format!("write `{keyword} [{}]`", words.join(", "))
            } else {
                "use the JSON form, or say with `SHELL` that a shell is wanted".to_owned()
            };
            *diagnostic = diagnostic.clone().with_help(help);
        }
        with_shell[stage.index] = shell;
    }
}
