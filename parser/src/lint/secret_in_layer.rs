//! A file that holds secrets is copied into the image.

use crate::InstructionKind;
use crate::instruction::Source;
use crate::lint::Definition;
use crate::lint::checker::Checker;
use crate::lint::secrets;

pub(super) const DEFINITION: Definition = Definition {
    docs: "Private keys and credentials that are copied into a layer stay there, even if a later step deletes them. Give them to the steps that need them with `RUN --mount=type=secret`.",
    bad: "FROM scratch\nCOPY id_rsa /root/.ssh/\n",
    good: "FROM scratch\nRUN --mount=type=secret,id=key,target=/root/.ssh/id_rsa git fetch\n",
    default: true,
    buildkit: false,
    check,
};

fn check(cx: &mut Checker<'_>) {
    for instruction in cx.dockerfile.stages.iter().flat_map(|stage| &stage.instructions) {
        let sources = match &instruction.kind {
            InstructionKind::Copy(copy) => &copy.sources,
            InstructionKind::Add(add) => &add.sources,
            _ => continue,
        };
        for source in sources {
            if let Source::Path(word) = source
                && secrets::is_secret_file(&word.text)
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
