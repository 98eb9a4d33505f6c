//! FROM and AS in different case.

use crate::lint::Definition;
use crate::lint::checker::Checker;

pub(super) const DEFINITION: Definition = Definition {
    docs: "`FROM` and `AS` belong together; in different case the line is hard to read.",
    bad: "FROM scratch as base\n",
    good: "FROM scratch AS base\n",
    default: true,
    buildkit: true,
    check,
};

fn check(cx: &mut Checker<'_>) {
    let lower = |text: &str| text.chars().all(char::is_lowercase);
    let upper = |text: &str| text.chars().all(char::is_uppercase);
    for stage in &cx.dockerfile.stages {
        let Some(name) = &stage.from.name else { continue };
        let from = &stage.line.keyword_text;
        // `From` is in no case at all, which is the finding of another rule.
        if lower(from) == upper(from) {
            continue;
        }
        if lower(from) != lower(&name.as_text) {
            let message = format!("`{}` and `{from}` are not in the same case", name.as_text);
            let wanted = if lower(from) { "as" } else { "AS" };
            let diagnostic = cx.report(name.as_keyword, message);
            *diagnostic = diagnostic.clone().with_suggestion(wanted);
        }
    }
}
