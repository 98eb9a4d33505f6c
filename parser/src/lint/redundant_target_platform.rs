//! `--platform=$TARGETPLATFORM`.

use crate::lint::Definition;
use crate::lint::checker::Checker;

pub(super) const DEFINITION: Definition = Definition {
    docs: "Stages are built for the target platform anyway.",
    bad: "FROM --platform=$TARGETPLATFORM alpine\n",
    good: "FROM alpine\n",
    default: true,
    buildkit: true,
    check,
};

fn check(cx: &mut Checker<'_>) {
    for word in cx
        .dockerfile
        .stages
        .iter()
        .filter_map(|stage| stage.from.platform.as_ref())
    {
        if matches!(word.text.as_str(), "$TARGETPLATFORM" | "${TARGETPLATFORM}") {
            let diagnostic = cx.report(word.span, "a stage is for the target platform anyway".to_owned());
            *diagnostic = diagnostic.clone().with_help("leave `--platform` out");
        }
    }
}
