//! FROM that is invalid without build arguments.

use crate::lint::Definition;
use crate::lint::checker::Checker;
use crate::lint::variables;
use crate::secrets::is_secret_name;
use std::collections::BTreeMap;

pub(super) const DEFINITION: Definition = Definition {
    docs: "Without `--build-arg` the base image has no valid name, so a plain build fails. A default mends it.",
    bad: "ARG TAG\nFROM alpine:$TAG\n",
    good: "ARG TAG=3.20\nFROM alpine:$TAG\n",
    default: true,
    buildkit: true,
    check,
};

fn check(cx: &mut Checker<'_>) {
    let mut values: BTreeMap<String, String> = BTreeMap::new();
    for declaration in cx
        .dockerfile
        .global_args
        .iter()
        .flat_map(|arg| &arg.arg.declarations)
    {
        if let Some(Ok(default)) = declaration.default.as_ref().map(|word| word.expand(&values)) {
            values.insert(declaration.name.text.clone(), default.value);
        }
    }
    for stage in &cx.dockerfile.stages {
        let word = &stage.from.base;
        if !word.has_variables() {
            continue;
        }
        // Platforms are always known, whatever they are.
        let scope = |name: &str| {
            values
                .get(name)
                .cloned()
                .or_else(|| variables::is_platform(name).then(|| "x".into()))
        };
        if let Ok(expanded) = word.expand(&scope)
            && !is_reference(&expanded.value)
        {
            let message = match expanded.value.as_str() {
                "" => "without build arguments there is no base image".to_owned(),
                _ if expanded.used.iter().any(|name| is_secret_name(name)) => {
                    "without build arguments the base image has no valid name".to_owned()
                }
                value => {
                    format!("without build arguments the base image is `{value}`, which is no valid name")
                }
            };
            let diagnostic = cx.report(word.span, message);
            *diagnostic = diagnostic.clone().with_help("give the `ARG` a default");
        }
    }
}

/// Whether the text looks like a reference: no part of it is empty. Exactly is the registry's business.
fn is_reference(text: &str) -> bool {
    let (name, digest) = text
        .split_once('@')
        .map_or((text, None), |(name, digest)| (name, Some(digest)));
    let digest = digest.is_none_or(|digest| {
        digest
            .split_once(':')
            .is_some_and(|(a, h)| !a.is_empty() && !h.is_empty())
    });
    let (path, tag) = match name.rsplit_once(':') {
        Some((path, tag)) if !tag.contains('/') => (path, Some(tag)),
        _ => (name, None),
    };
    let plain =
        |part: &str| !part.is_empty() && !part.contains(|ch: char| ch.is_whitespace() || "$@{}".contains(ch));
    let path = path
        .split('/')
        .all(|part| plain(part) && !part.starts_with(['-', '.', ':']) && !part.ends_with(['-', '.', ':']));
    path && digest && tag.is_none_or(plain)
}
