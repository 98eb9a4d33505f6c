//! A command that was meant to be JSON.

use crate::InstructionKind;
use crate::instruction::{CommandForm, HealthCheck, HealthCheckTest};
use crate::lint::Definition;
use crate::lint::checker::Checker;

pub(super) const DEFINITION: Definition = Definition {
    docs: "Text that begins with `[` and is no valid JSON is given to the shell as it stands, and fails when the container runs. Strings of the JSON form are in double quotes, with commas between them.",
    bad: "FROM scratch\nCMD ['run', 'it']\n",
    good: r##"FROM scratch
CMD ["run", "it"]
"##,
    default: true,
    buildkit: false,
    check,
};

fn check(cx: &mut Checker<'_>) {
    for instruction in cx.dockerfile.stages.iter().flat_map(|stage| &stage.instructions) {
        let command = match &instruction.kind {
            InstructionKind::Cmd(cmd) => &cmd.command,
            InstructionKind::Entrypoint(entrypoint) => &entrypoint.command,
            InstructionKind::Run(run) => &run.command,
            InstructionKind::HealthCheck(HealthCheck { test: HealthCheckTest::Command(command), .. }) => command,
            _ => continue,
        };
        let CommandForm::Shell { text, .. } = &command.form else { continue };
        // `[ -f x ] && y` is a test of the shell; it has a space after the bracket.
        let quoted = ["['", "[\"", "[ '", "[ \""].iter().any(|start| text.starts_with(start));
        if quoted && text.ends_with(']') && !text.contains("] ") && !text.contains(" = ") {
            let span = command.span;
            let diagnostic = cx.report(span, "this is no valid JSON, so it is given to the shell".to_owned());
            *diagnostic = diagnostic
                .clone()
                .with_help("the JSON form is strings in double quotes with commas between: `[\"program\", \"argument\"]`");
        }
    }
}
