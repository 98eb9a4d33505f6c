//! FROM, `COPY --from` or a mount with an ARG that is not declared.

use crate::Word;
use crate::lint::Definition;
use crate::lint::checker::Checker;
use crate::lint::variables;

pub(super) const DEFINITION: Definition = Definition {
    docs: "`FROM`, `--from=` and the `from=` of mounts see the ARGs before the first `FROM` only. One that is not declared there is empty.",
    bad: "ARG VERSION=3\nFROM alpine:$VERSOIN\n",
    good: "ARG VERSION=3\nFROM alpine:$VERSION\n",
    default: true,
    buildkit: true,
    check,
};

fn check(cx: &mut Checker<'_>) {
    let known = variables::global_names(cx.dockerfile);
    let mut words: Vec<&Word> = Vec::new();
    for stage in &cx.dockerfile.stages {
        words.extend(stage.from.platform.iter());
        words.push(&stage.from.base);
        words.extend(stage.sources().map(|(_, word)| word));
    }
    for word in words {
        for (name, span) in variables::undefined(word, |name| known.contains(name)) {
            let nearest = cx
                .nearest(&name, known.iter().map(String::as_str))
                .map(str::to_owned);
            let diagnostic = cx.report(
                span,
                format!("no `ARG` before the first `FROM` declares `{name}`"),
            );
            if let Some(nearest) = nearest {
                *diagnostic = diagnostic.clone().with_help(format!("did you mean `{nearest}`?"));
            }
        }
    }
}
