//! A command that was meant to be JSON.

use crate::instruction::{Add, CommandForm, Copy, HealthCheck, HealthCheckTest, Source};
use crate::lint::Definition;
use crate::lint::checker::Checker;
use crate::{InstructionKind, Span, Word};

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
            InstructionKind::HealthCheck(HealthCheck {
                test: HealthCheckTest::Command(command),
                ..
            }) => command,
            other => {
                if let Some(span) = torn_list(other) {
                    report(
                        cx,
                        span,
                        "this is no valid JSON, so it is taken as words between spaces",
                    );
                }
                continue;
            }
        };
        if let CommandForm::Shell { text, .. } = &command.form
            && is_malformed(text)
        {
            report(
                cx,
                command.span,
                "this is no valid JSON, so it is given to the shell",
            );
        }
    }
}

fn report(cx: &mut Checker<'_>, span: Span, message: &str) {
    let diagnostic = cx.report(span, message.to_owned());
    *diagnostic = diagnostic.clone().with_help(
        "the JSON form is strings in double quotes with commas between: `[\"program\", \"argument\"]`",
    );
}

/// Whether text for the shell was meant as JSON. `[ -f x ] && y` is a test of the shell; it has a space after the bracket.
pub(super) fn is_malformed(text: &str) -> bool {
    let quoted = ["['", "[\"", "[ '", "[ \""]
        .iter()
        .any(|start| text.starts_with(start));
    let closed = text.ends_with(']') && !text.contains("] ") && !text.contains(" = ");
    let open = !text.starts_with("[ ") && !text.contains(']');
    quoted && (closed || open)
}

/// Paths that were meant as a list: the first begins and the last ends with a bracket.
fn torn_list(kind: &InstructionKind) -> Option<Span> {
    let words: Vec<&Word> = match kind {
        InstructionKind::Volume(volume) => volume.paths.iter().collect(),
        InstructionKind::Copy(Copy { sources, dest, .. })
        | InstructionKind::Add(Add { sources, dest, .. }) => {
            let paths = sources.iter().filter_map(|source| match source {
                Source::Path(word) => Some(word),
                Source::Heredoc(_) => None,
            });
            paths.chain([dest]).collect()
        }
        _ => return None,
    };
    let (first, last) = (words.first()?, words.last()?);
    // `COPY [ab]* x[ab]` are patterns; quotes in them are not usual.
    let begins = ["['", "[\""].iter().any(|start| first.text.starts_with(start));
    let bare = matches!(kind, InstructionKind::Volume(_)) && first.text.starts_with("[/");
    ((begins || bare) && last.text.ends_with(']')).then(|| first.span.to(last.span))
}
