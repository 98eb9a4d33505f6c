//! A secret in ARG or ENV.

use crate::lint::Definition;
use crate::lint::checker::Checker;
use crate::{InstructionKind, Word, secrets};

pub(super) const DEFINITION: Definition = Definition {
    docs: "Values of `ARG` and `ENV` can be read from the image's history and configuration by everyone who has the image. Secrets belong into `RUN --mount=type=secret`.",
    bad: "FROM scratch\nARG AWS_SECRET_ACCESS_KEY\n",
    good: "FROM scratch\nRUN --mount=type=secret,id=aws,env=AWS_SECRET_ACCESS_KEY deploy\n",
    default: true,
    buildkit: true,
    check,
};

fn check(cx: &mut Checker<'_>) {
    let global = cx
        .dockerfile
        .global_args
        .iter()
        .flat_map(|arg| &arg.arg.declarations)
        .map(|d| &d.name);
    let mut names: Vec<(&str, &Word)> = global.map(|name| ("ARG", name)).collect();
    for instruction in cx.dockerfile.stages.iter().flat_map(|stage| &stage.instructions) {
        match &instruction.kind {
            InstructionKind::Arg(arg) => names.extend(arg.declarations.iter().map(|d| ("ARG", &d.name))),
            InstructionKind::Env(env) => names.extend(env.pairs.iter().map(|pair| ("ENV", &pair.key))),
            _ => {}
        }
    }
    for (keyword, name) in names {
        if secrets::is_secret_name(&name.text) {
            // Never the value: the message may end in a public log.
            let message = format!("`{keyword} {}` puts a secret into the image", name.text);
            let diagnostic = cx.report(name.span, message);
            *diagnostic = diagnostic
                .clone()
                .with_help("give it to the steps that need it: `RUN --mount=type=secret`");
        }
    }
}
