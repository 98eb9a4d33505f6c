//! A step whose result depends on the day.

use crate::InstructionKind;
use crate::instruction::RunScript;
use crate::lint::Definition;
use crate::lint::checker::Checker;

pub(super) const DEFINITION: Definition = Definition {
    docs: "The step gives another result each time it runs: it upgrades to what is newest, runs a script from the network, or takes the time or random numbers. With the cache it is as old as the last run.",
    bad: "FROM debian\nRUN apt-get update && apt-get upgrade -y\n",
    good: "FROM debian\nRUN apt-get update && apt-get install -y make\n",
    default: false,
    buildkit: false,
    check,
};

/// What stands in a command, and what is wrong with it.
const PATTERNS: &[(&str, &str)] = &[
    ("apt-get upgrade", "upgrades to what is newest"),
    ("apt-get dist-upgrade", "upgrades to what is newest"),
    ("apt upgrade", "upgrades to what is newest"),
    ("apk upgrade", "upgrades to what is newest"),
    ("dnf upgrade", "upgrades to what is newest"),
    ("yum update", "upgrades to what is newest"),
    ("$(date", "takes the time"),
    ("`date", "takes the time"),
    ("$RANDOM", "takes random numbers"),
    ("/dev/urandom", "takes random numbers"),
    ("uuidgen", "takes random numbers"),
];

fn check(cx: &mut Checker<'_>) {
    for instruction in cx.dockerfile.stages.iter().flat_map(|stage| &stage.instructions) {
        let InstructionKind::Run(run) = &instruction.kind else {
            continue;
        };
        let RunScript::Shell(text) = run.script() else {
            continue;
        };
        let found = PATTERNS.iter().find(|(part, _)| text.contains(part)).copied();
        let piped = || {
            let mut parts = text.split('|').map(str::trim);
            let fetches = parts
                .next()
                .is_some_and(|part| part.contains("curl ") || part.contains("wget "));
            let shell = |part: &str| matches!(part.split_whitespace().next(), Some("sh" | "bash"));
            (fetches && parts.any(shell)).then_some(("| sh", "runs a script from the network"))
        };
        if let Some((part, why)) = found.or_else(piped) {
            cx.report(instruction.line.keyword, format!("the step {why}: `{part}`"));
        }
    }
}
