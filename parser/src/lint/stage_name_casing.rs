//! A stage name that is not in lower case.

use crate::lint::Definition;
use crate::lint::checker::Checker;

pub(super) const DEFINITION: Definition = Definition {
    docs: "Names of stages are compared without case and kept in lower case. Written otherwise, they look like several.",
    bad: "FROM scratch AS Base\n",
    good: "FROM scratch AS base\n",
    default: true,
    buildkit: true,
    check,
};

fn check(cx: &mut Checker<'_>) {
    for name in cx
        .dockerfile
        .stages
        .iter()
        .filter_map(|stage| stage.from.name.as_ref())
    {
        if name.text != name.value {
            let message = format!("the stage name `{}` is not in lower case", name.text);
            let diagnostic = cx.report(name.span, message);
            *diagnostic = diagnostic.clone().with_suggestion(&name.value);
        }
    }
}
