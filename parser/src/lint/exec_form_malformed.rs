//! A command that was meant to be JSON.

use crate::dockerfile::Instruction;
use crate::instruction::{Add, CommandForm, Copy, HealthCheck, HealthCheckTest, Source};
use crate::lint::Definition;
use crate::lint::checker::Checker;
use crate::lint::json_attempt::{self, Fault};
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
            _ => {
                if let Some((span, text, fault)) = torn_list(instruction) {
                    let message = "this is no valid JSON, so it is taken as words between spaces";
                    report(cx, span, text, fault, message);
                }
                continue;
            }
        };
        if let CommandForm::Shell { text, .. } = &command.form
            && let Some(fault) = json_attempt::fault(text)
        {
            let message = "this is no valid JSON, so it is given to the shell";
            report(cx, command.span, text, fault, message);
        }
    }
}

fn report(cx: &mut Checker<'_>, span: Span, text: &str, fault: Fault, message: &str) {
    let diagnostic = cx.report(span, message.to_owned());
    let mut told = diagnostic.clone().with_help(fault.help.unwrap_or(
        "the JSON form is strings in double quotes with commas between: `[\"program\", \"argument\"]`",
    ));
    // Where a continuation was cut out, offsets of the text are none of the source.
    if let Some((range, label)) = fault.place.filter(|_| span.len() == text.len()) {
        let place = Span::new(span.start + range.start, span.start + range.end);
        told = told.with_secondary(place, label);
    }
    *diagnostic = told;
}

/// Paths that were meant as a list: where they stand, their text, and what is wrong with it.
fn torn_list(instruction: &Instruction) -> Option<(Span, &str, Fault)> {
    let words: Vec<&Word> = match &instruction.kind {
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
    let bare = matches!(instruction.kind, InstructionKind::Volume(_)) && first.text.starts_with("[/");
    // `COPY [ab]* x[ab]` are patterns; quotes in them are not usual.
    if !bare && !first.text.starts_with('[') {
        return None;
    }
    let line = instruction.line.text.trim_end();
    let text = line.get(line.find(&first.text)?..)?;
    let fault = json_attempt::fault(text).or_else(|| (bare && text.ends_with(']')).then(Fault::default))?;
    Some((first.span.to(last.span), text, fault))
}
