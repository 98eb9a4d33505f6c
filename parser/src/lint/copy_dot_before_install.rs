//! The whole context is copied before dependencies are installed.

use crate::InstructionKind;
use crate::instruction::{RunScript, Source};
use crate::lint::Definition;
use crate::lint::checker::Checker;

pub(super) const DEFINITION: Definition = Definition {
    docs: "`COPY . .` changes with every file, so the step that installs dependencies runs again each time. Copy the lists of dependencies first, install, then copy the rest.",
    bad: "FROM node\nCOPY . .\nRUN npm ci\n",
    good: "FROM node\nCOPY package.json package-lock.json ./\nRUN npm ci\nCOPY . .\n",
    default: true,
    buildkit: false,
    check,
};

/// Commands that install what a list in the context names, and that list.
const INSTALLERS: &[(&str, &str)] = &[
    ("npm ci", "package.json package-lock.json"),
    ("npm install", "package.json package-lock.json"),
    ("yarn install", "package.json yarn.lock"),
    ("pnpm install", "package.json pnpm-lock.yaml"),
    ("pip install -r", "requirements.txt"),
    ("pip3 install -r", "requirements.txt"),
    ("pip install --no-cache-dir -r", "requirements.txt"),
    ("poetry install", "pyproject.toml poetry.lock"),
    ("uv sync", "pyproject.toml uv.lock"),
    ("bundle install", "Gemfile Gemfile.lock"),
    ("composer install", "composer.json composer.lock"),
    ("go mod download", "go.mod go.sum"),
    ("cargo fetch", "Cargo.toml Cargo.lock"),
    ("mvn dependency:", "pom.xml"),
];

fn check(cx: &mut Checker<'_>) {
    for stage in &cx.dockerfile.stages {
        let mut dot = None;
        let mut installed: Vec<&str> = Vec::new();
        for instruction in &stage.instructions {
            match &instruction.kind {
                InstructionKind::Copy(copy) if copy.from.is_none() => {
                    let whole = copy.sources.iter().find_map(|source| match source {
                        Source::Path(word) if matches!(word.text.as_str(), "." | "./" | "/") => {
                            Some(word.span)
                        }
                        _ => None,
                    });
                    dot = dot.or(whole);
                }
                InstructionKind::Run(run) => {
                    let RunScript::Shell(text) = run.script() else {
                        continue;
                    };
                    let found = INSTALLERS.iter().find(|(command, _)| installs(&text, command));
                    let Some((command, list)) = found else { continue };
                    let Some(span) = dot else {
                        installed.push(*list);
                        continue;
                    };
                    // What was installed before is only added to.
                    if installed.contains(list) {
                        continue;
                    }
                    let message = format!("every change of the context runs `{command}` again");
                    let diagnostic = cx.report(span, message);
                    *diagnostic = diagnostic
                        .clone()
                        .with_secondary(instruction.line.keyword, "installs again")
                        .with_help(format!("copy `{list}` first, install, then copy the rest"));
                    break;
                }
                _ => {}
            }
        }
    }
}

/// Whether a script runs the command, by its whole words, for the list and not for something that it names.
fn installs(script: &str, command: &str) -> bool {
    let is_of_word = |ch: char| ch.is_alphanumeric() || matches!(ch, '-' | '_' | '.');
    script.match_indices(command).any(|(at, _)| {
        let before = script.get(..at).unwrap_or_default();
        let behind = script.get(at + command.len()..).unwrap_or_default();
        // Its end is the begin of a word: `mvn dependency:resolve`, `pip install -rlist.txt`.
        let is_open = command.ends_with([':', 'r']);
        let is_whole = !before.ends_with(is_of_word) && (is_open || !behind.starts_with(is_of_word));
        let is_other = command.ends_with("npm install") && names_packages(behind);
        is_whole && !is_other
    })
}

/// Whether arguments name what to install, or say that it is for all projects.
fn names_packages(arguments: &str) -> bool {
    let end = arguments.find(['&', '|', ';', '\n', ')', '>']).unwrap_or(arguments.len());
    let mut words = arguments.get(..end).unwrap_or_default().split_whitespace();
    words.any(|word| !word.starts_with('-') || matches!(word, "-g" | "--global"))
}
