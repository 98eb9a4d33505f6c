//! `ENV key value` and `LABEL key value`.

use crate::InstructionKind;
use crate::lint::Definition;
use crate::lint::checker::Checker;
use crate::secrets::is_secret_name;

pub(super) const DEFINITION: Definition = Definition {
    docs: "`ENV key value` takes the rest of the line as the value, so `ENV a=1 b` and `ENV a 1 b=2` surprise. The form with `=` is clear.",
    bad: "FROM scratch\nENV KEY a value\n",
    good: r##"FROM scratch
ENV KEY="a value"
"##,
    default: true,
    buildkit: true,
    check,
};

fn check(cx: &mut Checker<'_>) {
    for instruction in cx.dockerfile.stages.iter().flat_map(|stage| &stage.instructions) {
        let pairs = match &instruction.kind {
            InstructionKind::Env(env) => &env.pairs,
            InstructionKind::Label(label) => &label.pairs,
            _ => continue,
        };
        if let Some(pair) = pairs.iter().find(|pair| pair.legacy) {
            let (key, value) = (&pair.key.text, &pair.value.text);
            let span = pair.key.span.to(pair.value.span);
            let message = format!(
                "`{} key value` without `=` is the old form",
                instruction.keyword()
            );
            let diagnostic = cx.report(span, message);
            let found = diagnostic.clone();
            *diagnostic = if is_secret_name(key) {
                // Never the value: the message may end in a public log.
                found.with_help(format!("write `{key}=...`"))
            } else if value.starts_with('=') {
                found.with_help("no space stands before or after `=`")
            } else if let Some(name) = key.strip_suffix(':') {
                // As in YAML; the colon would be in the name.
                found.with_help(format!("write `{name}=...`"))
            } else if value.contains(['"', '\'', '\\', '`']) {
                // What they mean inside of further quotes is not what they mean here.
                found.with_help(format!("write `{key}=\"...\"`: quotes around all of the value"))
            } else if value.contains(char::is_whitespace) {
                found.with_suggestion(format!("{key}=\"{value}\""))
            } else {
                found.with_suggestion(format!("{key}={value}"))
            };
        }
    }
}
