//! Two stages of one name.

use crate::lint::Definition;
use crate::lint::checker::Checker;
use std::collections::HashMap;

pub(super) const DEFINITION: Definition = Definition {
    docs: "Of several stages with one name, a reference means the last one before it. So `COPY --from=name` may copy from another stage than the reader thinks.",
    bad: "FROM scratch AS a\nFROM scratch AS a\n",
    good: "FROM scratch AS a\nFROM scratch AS b\n",
    default: true,
    buildkit: true,
    check,
};

fn check(cx: &mut Checker<'_>) {
    let mut seen = HashMap::new();
    for name in cx
        .dockerfile
        .stages
        .iter()
        .filter_map(|stage| stage.from.name.as_ref())
    {
        match seen.get(&name.value) {
            Some(first) => {
                let first = *first;
                let diagnostic = cx.report(name.span, format!("another stage is named `{}` too", name.value));
                *diagnostic = diagnostic.clone().with_secondary(first, "the other one");
            }
            None => {
                seen.insert(&name.value, name.span);
            }
        }
    }
}
