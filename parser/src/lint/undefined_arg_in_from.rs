//! FROM, `COPY --from` or a mount with an ARG that is not declared.

use crate::{Stage, Word};
use crate::lint::Definition;
use crate::lint::checker::Checker;
use crate::lint::variables;
use crate::stage::NearestArgs;

pub(super) const DEFINITION: Definition = Definition {
    docs: "`FROM` sees the ARGs before the first `FROM` only; `--from=` and the `from=` of mounts see those of their stage too. One that is not declared is empty.",
    bad: "ARG VERSION=3\nFROM alpine:$VERSOIN\n",
    good: "ARG VERSION=3\nFROM alpine:$VERSION\n",
    default: true,
    buildkit: true,
    check,
};

fn check(cx: &mut Checker<'_>) {
    let known = variables::global_names(cx.dockerfile);
    let mut undefined = Vec::new();
    for stage in &cx.dockerfile.stages {
        for word in stage.from.platform.iter().chain([&stage.from.base]) {
            let names = variables::undefined(word, |name| known.contains(name));
            undefined.extend(names.into_iter().map(|found| (found, " before the first `FROM`")));
        }
        for (_, word) in stage.sources() {
            let is_known = |name: &str| known.contains(name) || is_declared(cx, stage, word, name);
            let names = variables::undefined(word, is_known);
            undefined.extend(names.into_iter().map(|found| (found, "")));
        }
    }
    for ((name, span), place) in undefined {
        let nearest = cx
            .nearest(&name, known.iter().map(String::as_str))
            .map(str::to_owned);
        let diagnostic = cx.report(span, format!("no `ARG`{place} declares `{name}`"));
        if let Some(nearest) = nearest {
            *diagnostic = diagnostic.clone().with_help(format!("did you mean `{nearest}`?"));
        }
    }
}

/// Whether the stage, or one that it begins with, declares a name above a word.
fn is_declared(cx: &Checker<'_>, stage: &Stage, word: &Word, name: &str) -> bool {
    let args = NearestArgs {
        dockerfile: cx.dockerfile,
        parent: &|at| cx.parent(cx.dockerfile.stages.get(at)?),
        global: &|_: &str| None,
        // The command line may give one that has no default.
        given: &|_| Some(String::new()),
    };
    args.is_declared(stage.index, word.span.start, name)
}
