//! A file that holds secrets is copied into the image.

use crate::InstructionKind;
use crate::instruction::Source;
use crate::lint::Definition;
use crate::lint::checker::{Checker, ContextText};
use crate::lint::{credentials, secrets};

pub(super) const DEFINITION: Definition = Definition {
    docs: "Private keys and credentials that are copied into a layer stay there, even if a later step deletes them. Files of settings, such as `.npmrc`, `.netrc` and `.env`, are looked into: one that takes its credentials from variables, or has none, is not found. Give secrets to the steps that need them with `RUN --mount=type=secret`.",
    bad: "FROM scratch\nCOPY id_rsa /root/.ssh/\n",
    good: "FROM scratch\nRUN --mount=type=secret,id=key,target=/root/.ssh/id_rsa git fetch\n",
    default: true,
    buildkit: false,
    check,
};

fn check(cx: &mut Checker<'_>) {
    for instruction in cx.dockerfile.stages.iter().flat_map(|stage| &stage.instructions) {
        let (sources, of_context) = match &instruction.kind {
            InstructionKind::Copy(copy) => (&copy.sources, copy.from.is_none()),
            InstructionKind::Add(add) => (&add.sources, true),
            _ => continue,
        };
        for source in sources {
            if let Source::Path(word) = source
                && holds_secrets(cx.input.context_text.filter(|_| of_context), &word.text)
            {
                let message = format!("`{}` holds secrets, and stays in the layer", word.text);
                let diagnostic = cx.report(word.span, message);
                *diagnostic = diagnostic
                    .clone()
                    .with_help("give it to the steps that need it: `RUN --mount=type=secret`");
            }
        }
    }
}

/// Whether a file holds secrets, by its name and, if it may be harmless, by what is in it.
fn holds_secrets(text_of: Option<ContextText<'_>>, path: &str) -> bool {
    let text = credentials::reader(path).and_then(|holds| Some(holds(&text_of?(path)?)));
    text.unwrap_or_else(|| secrets::is_secret_file(path))
}
