//! A stage named `scratch` or `context`.

use crate::lint::Definition;
use crate::lint::checker::Checker;

pub(super) const DEFINITION: Definition = Definition {
    docs: "`scratch` is the empty base and `context` is the build context. A stage of that name cannot be told from them.",
    bad: "FROM alpine AS scratch\n",
    good: "FROM alpine AS build\n",
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
        if name.value == "scratch" || name.value == "context" {
            cx.report(name.span, format!("the name `{}` is reserved", name.value));
        }
    }
}
