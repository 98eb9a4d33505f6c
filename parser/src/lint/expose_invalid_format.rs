//! An address or a host port in EXPOSE.

use crate::InstructionKind;
use crate::lint::Definition;
use crate::lint::checker::Checker;
use crate::port::Ports;

pub(super) const DEFINITION: Definition = Definition {
    docs: "`EXPOSE` names ports of the container. Addresses and ports of the host are chosen when it is run; here they have no effect.",
    bad: "FROM scratch\nEXPOSE 127.0.0.1:80:80\n",
    good: "FROM scratch\nEXPOSE 80\n",
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
            if let Some(host) = Ports::parse(&word.text).and_then(|ports| ports.host) {
                let wanted = word.text.get(host.len() + 1..).unwrap_or_default().to_owned();
                let message = format!("`{host}` is of the host, and has no effect in `EXPOSE`");
                let diagnostic = cx.report(word.span, message);
                *diagnostic = diagnostic.clone().with_suggestion(wanted);
            }
        }
    }
}
