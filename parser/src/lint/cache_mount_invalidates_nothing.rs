//! A cache mount that the step empties or does not use.

use crate::InstructionKind;
use crate::instruction::RunScript;
use crate::lint::Definition;
use crate::lint::checker::Checker;
use crate::mount::MountType;
use std::collections::BTreeSet;

pub(super) const DEFINITION: Definition = Definition {
    docs: "The step deletes what is in its cache mount, or tells the tool not to use its cache. So the mount saves nothing. Without the mount the deletion keeps the layer small; with it, what is in the mount is in no layer.",
    bad: "FROM debian\nRUN --mount=type=cache,target=/var/cache/apt apt-get update && apt-get clean\n",
    good: "FROM debian\nRUN --mount=type=cache,target=/var/cache/apt apt-get update\n",
    default: true,
    buildkit: false,
    check,
};

/// Part of a target, and what empties or bypasses the cache in it.
const BYPASSES: &[(&str, &str)] = &[
    ("/var/cache/apt", "apt-get clean"),
    ("/var/cache/apt", "apt clean"),
    ("/.cache/pip", "--no-cache-dir"),
    ("/.npm", "npm cache clean"),
    ("/var/cache/apk", "apk add --no-cache"),
    ("/var/cache/dnf", "dnf clean all"),
    ("/var/cache/yum", "yum clean all"),
];

fn check(cx: &mut Checker<'_>) {
    for instruction in cx.dockerfile.stages.iter().flat_map(|stage| &stage.instructions) {
        let InstructionKind::Run(run) = &instruction.kind else {
            continue;
        };
        if run.mounts.is_empty() {
            continue;
        }
        let RunScript::Shell(text) = run.script() else {
            continue;
        };
        // The text is searched once, however many mounts there are.
        let bypasses: Vec<_> = BYPASSES
            .iter()
            .filter(|(_, command)| text.contains(command))
            .collect();
        let removed: BTreeSet<&str> = text.split("rm -rf ").skip(1).filter_map(first_path).collect();
        for mount in run
            .mounts
            .iter()
            .filter(|mount| mount.mount_type() == Some(MountType::Cache))
        {
            let names = ["target", "dst", "destination"];
            let Some(option) = mount
                .options
                .iter()
                .find(|option| names.contains(&option.key.as_str()))
            else {
                continue;
            };
            let target = option
                .value
                .as_ref()
                .map_or("", |word| word.text.trim_end_matches('/'));
            if target.is_empty() {
                continue;
            }
            let what = match bypasses.iter().find(|(part, _)| target.contains(part)) {
                Some((_, command)) => format!("`{command}`"),
                None if removed.contains(target) => format!("`rm -rf {target}`"),
                None => continue,
            };
            let message = format!("{what} in the same step makes the cache mount useless");
            let span = option.span;
            cx.report(span, message);
        }
    }
}

/// The path that a text begins with; that of what is in it, where it ends in `/*`.
fn first_path(text: &str) -> Option<&str> {
    let word = text
        .split(|ch: char| ch.is_whitespace() || ";&|)\"'".contains(ch))
        .next()?;
    Some(word.trim_end_matches(['*', '/'])).filter(|path| !path.is_empty())
}
