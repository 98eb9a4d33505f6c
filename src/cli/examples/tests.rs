//! The command lines of the help and of the documentation are understood, and every flag is on a page.

use crate::cli::Cli;
use clap::CommandFactory;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

/// The command lines of a text that begin with `rbuild`, or have it behind a pipe, as words.
fn commands(text: &str) -> Vec<Vec<OsString>> {
    let mut found = Vec::new();
    for line in text.lines() {
        let line = line.trim_start().trim_start_matches("$ ");
        let line = line.split("  ").next().unwrap_or(line);
        let line = line.split(" #").next().unwrap_or(line);
        for command in line.split(" | ") {
            let command = command.split(" > ").next().unwrap_or(command);
            if command.starts_with("rbuild ") {
                found.push(words(command));
            }
        }
    }
    found
}

/// A command line as words; quotes keep blanks together.
fn words(command: &str) -> Vec<OsString> {
    let mut quote = None;
    let mut words = vec![String::new()];
    for c in command.chars() {
        match (c, quote) {
            ('"' | '\'', None) => quote = Some(c),
            (c, Some(open)) if c == open => quote = None,
            (' ', None) => words.push(String::new()),
            (c, _) => words.last_mut().unwrap().push(c),
        }
    }
    words
        .into_iter()
        .filter(|word| !word.is_empty())
        .map(OsString::from)
        .collect()
}

fn assert_understood(place: &str, commands: &[Vec<OsString>]) {
    for command in commands {
        if let Err(error) = crate::cli::parse(command) {
            panic!("{place}: {command:?}: {error}");
        }
    }
}

#[test]
fn those_of_the_help_are_understood() {
    let all = [
        super::PROGRAM,
        super::BUILD,
        super::RUN,
        super::CREATE,
        super::START,
        super::STOP,
        super::EXEC,
        super::PS,
        super::LOGS,
        super::RM,
        super::SAVE,
        super::LOAD,
        super::PUSH,
        super::LOGIN,
        super::PRUNE,
        super::WHY,
        super::COMPLETIONS,
        super::MAN,
    ];
    for text in all {
        // What shows help ends the parser early.
        let commands: Vec<_> = commands(text)
            .into_iter()
            .filter(|words| words.last().is_some_and(|word| word != "--help"))
            .collect();
        assert!(!commands.is_empty(), "{text}");
        assert_understood("help", &commands);
    }
}

#[test]
fn every_flag_is_on_a_page() {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs");
    let is_about_others = |name: &str| ["flags.md", "migrating.md"].contains(&name);
    let pages: String = fs::read_dir(docs)
        .unwrap()
        .flatten()
        .filter(|page| !is_about_others(&page.file_name().to_string_lossy()))
        .map(|page| fs::read_to_string(page.path()).unwrap())
        .collect();
    let program = Cli::command();
    let mut count = 0;
    for verb in program.get_subcommands() {
        for flag in verb.get_arguments().filter(|flag| !flag.is_positional()) {
            let long = flag.get_long().map(|name| format!("--{name}"));
            let short = flag.get_short().into_iter();
            let short = short.flat_map(|c| [format!("-{c} "), format!("`-{c}`"), format!("[-{c}]")]);
            let mut names = long.into_iter().chain(short);
            assert!(
                names.any(|name| pages.contains(&name)),
                "{}: {}",
                verb.get_name(),
                flag.get_id()
            );
            count += 1;
        }
    }
    assert!(count > 100, "only {count} flags were found");
}

#[test]
fn those_of_the_documentation_are_understood() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut pages = vec![root.join("README.md")];
    for folder in ["docs", "examples/Dockerfiles"] {
        for entry in fs::read_dir(root.join(folder)).unwrap().flatten() {
            let path: PathBuf = entry.path();
            pages.push(if path.is_dir() {
                path.join("README.md")
            } else {
                path
            });
        }
    }
    let mut count = 0;
    for page in pages {
        let text = fs::read_to_string(&page).unwrap();
        for (number, block) in text.split("```").enumerate() {
            let is_shell = block.starts_with("sh\n") || block.starts_with("console\n");
            if number % 2 == 0 || !is_shell {
                continue;
            }
            let commands = commands(block);
            count += commands.len();
            assert_understood(&page.display().to_string(), &commands);
        }
    }
    assert!(count > 40, "only {count} were found");
}
