//! Names that need no declaration, and which names of a word are not set.

use std::collections::BTreeSet;

use crate::{Dockerfile, Span, Word};

/// Build arguments that need no ARG in a stage.
pub(super) fn is_predefined(name: &str) -> bool {
    const PROXIES: &[&str] = &["HTTP_PROXY", "HTTPS_PROXY", "FTP_PROXY", "NO_PROXY", "ALL_PROXY"];
    PROXIES
        .iter()
        .any(|proxy| name == *proxy || name == proxy.to_lowercase())
}

/// Arguments that describe platforms: known before the first FROM, and in a stage after `ARG`.
const PLATFORMS: &[&str] = &[
    "BUILDARCH",
    "BUILDOS",
    "BUILDOSVERSION",
    "BUILDPLATFORM",
    "BUILDVARIANT",
    "TARGETARCH",
    "TARGETOS",
    "TARGETOSVERSION",
    "TARGETPLATFORM",
    "TARGETSTAGE",
    "TARGETVARIANT",
];

/// Whether a name is one of them.
pub(super) fn is_platform(name: &str) -> bool {
    PLATFORMS.contains(&name)
}

/// What FROM can use.
pub(super) fn global_names(dockerfile: &Dockerfile) -> BTreeSet<String> {
    let declared = dockerfile
        .global_args
        .iter()
        .flat_map(|arg| &arg.arg.declarations);
    declared
        .map(|d| d.name.text.clone())
        .chain(PLATFORMS.iter().map(|name| (*name).to_owned()))
        .collect()
}

/// The names that are read without a default and not known, and where.
pub(super) fn undefined(word: &Word, known: impl Fn(&str) -> bool) -> Vec<(String, Span)> {
    if !word.has_variables() {
        return Vec::new();
    }
    let scope = |name: &str| known(name).then(|| "x".to_owned());
    word.expand(&scope)
        .map(|expanded| expanded.undefined)
        .unwrap_or_default()
}
