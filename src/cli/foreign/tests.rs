//! Every flag of the inventory (`testdata/flags/`) has a verdict, and each does what its verdict says.

use super::*;
use crate::cli::Cli;
use clap::CommandFactory;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

/// The lists, and what their programs are called.
const TOOLS: [(&str, &str); 4] = [
    ("docker-build", "docker build"),
    ("buildx-build", "docker buildx build"),
    ("buildah-build", "buildah build, podman build"),
    ("kaniko", "kaniko"),
];

fn checkout(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn inventory(list: &str) -> Vec<String> {
    let text = std::fs::read_to_string(checkout(&format!("testdata/flags/{list}.txt"))).unwrap();
    text.lines().map(str::to_owned).collect()
}

/// rbuild's own flags of a build.
fn own() -> BTreeSet<String> {
    let command = Cli::command();
    let build = command.find_subcommand("build").unwrap();
    let mut names: BTreeSet<String> = BTreeSet::new();
    for flag in build.get_arguments() {
        names.extend(flag.get_long().map(str::to_owned));
        names.extend(
            flag.get_all_aliases()
                .unwrap_or_default()
                .into_iter()
                .map(str::to_owned),
        );
    }
    names
}

fn foreign(name: &str) -> Option<&'static Foreign> {
    FOREIGN.iter().find(|flag| flag.name == name)
}

#[test]
fn every_flag_has_one_verdict() {
    let own = own();
    let mut listed = BTreeSet::new();
    for (list, _) in TOOLS {
        for name in inventory(list) {
            assert!(
                own.contains(&name) != foreign(&name).is_some(),
                "--{name} of {list} needs one verdict: to be a flag, or to be in the table"
            );
            listed.insert(name);
        }
    }
    for flag in FOREIGN {
        assert!(listed.contains(flag.name), "--{} is in no list", flag.name);
    }
    assert!(FOREIGN.is_sorted_by(|one, other| one.name < other.name));
}

/// The verdict on one spelling of a flag, as a command line.
fn judged(word: &str, value: Option<&str>) -> Result<Vec<String>, String> {
    let words = ["rbuild", "build", word].into_iter().chain(value).chain(["."]);
    let words: Vec<std::ffi::OsString> = words.map(Into::into).collect();
    let cli = crate::cli::parse(&words).map_err(|error| error.to_string())?;
    let Some(crate::cli::Command::Build(args)) = cli.command else {
        panic!("{word} is parsed as another verb");
    };
    args.foreign.judge().map_err(|failure| failure.text())
}

#[test]
fn each_does_what_its_verdict_says() {
    for flag in FOREIGN {
        let word = format!("--{}", flag.name);
        let bare = if flag.takes_value {
            judged(&word, Some("x"))
        } else {
            judged(&word, None)
        };
        match flag.accepted {
            Accepted::All => assert!(bare.unwrap()[0].contains(flag.text), "{word}"),
            Accepted::Only([]) => {
                let said = bare.unwrap_err();
                assert!(said.contains(&format!("rbuild has no {word}\n")), "{said}");
                assert!(said.contains(flag.text), "{said}");
            }
            Accepted::Only(values) => {
                for value in values {
                    assert_eq!(judged(&format!("{word}={value}"), None), Ok(vec![]), "{word}");
                }
                let other = if values.contains(&"true") { "false" } else { "true" };
                let said = judged(&format!("{word}={other}"), None).unwrap_err();
                assert!(
                    said.contains(&format!("rbuild has no {word}")) && said.contains(flag.text),
                    "{said}"
                );
            }
        }
    }
}

#[test]
fn a_letter_is_its_flag() {
    for flag in FOREIGN {
        let Some(letter) = flag.short else { continue };
        let said = judged(&format!("-{letter}"), flag.takes_value.then_some("x")).unwrap_err();
        assert!(said.contains(flag.text), "-{letter}: {said}");
    }
}

/// `docs/flags.md`. `RBUILD_UPDATE_GOLDENS=1` rewrites it; the difference is reviewed like code.
#[test]
fn the_page_says_the_same() {
    let mut page = String::from(
        "# Flags of other builders\n\n\
         Every flag of `docker build`, `docker buildx build`, `buildah build` and kaniko, and what becomes of it here. None is\n\
         unknown: what rbuild does not have is refused with what to use instead, and what has no effect is said to have none\n\
         (`-q` keeps that quiet). [migrating](migrating.md) shows whole command lines.\n\n\
         This page is made by `src/cli/foreign/tests.rs` from the table that the program uses;\n\
         `RBUILD_UPDATE_GOLDENS=1 cargo test -p rbuild --lib foreign` rewrites it.\n\n\
         ## The same\n\n",
    );
    let own = own();
    let mut other: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for (list, tool) in TOOLS {
        let (same, not): (Vec<_>, Vec<_>) = inventory(list).into_iter().partition(|name| own.contains(name));
        let same: Vec<String> = same.iter().map(|name| format!("`--{name}`")).collect();
        writeln!(page, "- **{tool}**: {}", same.join(" ")).unwrap();
        for name in not {
            other
                .entry(name)
                .or_default()
                .push(list.split('-').next().unwrap());
        }
    }
    page.push_str("\n## Others\n\n| flag | of | | |\n|---|---|---|---|\n");
    for (name, tools) in other {
        let flag = foreign(&name).unwrap();
        let text = flag.text.replace('|', "\\|");
        writeln!(
            page,
            "| `--{name}` | {} | {} | {text} |",
            tools.join(", "),
            flag.verdict()
        )
        .unwrap();
    }
    let path = checkout("docs/flags.md");
    if std::env::var_os("RBUILD_UPDATE_GOLDENS").is_some() {
        std::fs::write(&path, &page).unwrap();
    }
    assert_eq!(std::fs::read_to_string(path).unwrap_or_default(), page);
}
