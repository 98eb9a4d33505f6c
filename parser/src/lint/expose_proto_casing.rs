//! A protocol of EXPOSE in upper case.

use crate::InstructionKind;
use crate::lint::Definition;
use crate::lint::checker::Checker;

pub(super) const DEFINITION: Definition = Definition {
    docs: "Protocols of ports are in lower case.",
    bad: "FROM scratch\nEXPOSE 80/TCP\n",
    good: "FROM scratch\nEXPOSE 80/tcp\n",
    default: true,
    buildkit: true,
    check,
};

fn check(cx: &mut Checker<'_>) {
    for instruction in cx.dockerfile.stages.iter().flat_map(|stage| &stage.instructions) {
        let InstructionKind::Expose(expose) = &instruction.kind else {
            continue;
        };
        for word in expose.ports.iter().filter(|word| !word.has_variables()) {
            if let Some((port, protocol)) = word.text.split_once('/')
                && protocol.contains(|ch: char| ch.is_uppercase())
            {
                let wanted = format!("{port}/{}", protocol.to_lowercase());
                let diagnostic = cx.report(
                    word.span,
                    format!("the protocol `{protocol}` is not in lower case"),
                );
                *diagnostic = diagnostic.clone().with_suggestion(wanted);
            }
        }
    }
}
