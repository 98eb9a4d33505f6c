//! Every flag of the inventory (`testdata/flags/`) has a verdict, and each does what its verdict says.

use super::*;
use crate::cli::Cli;
use crate::cli::verbs::Fate;
use clap::CommandFactory;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

/// A verb of rbuild's, the table of the flags that it does not have, and the lists of flags with their programs' names.
type Verb = (
    &'static str,
    &'static [Foreign],
    &'static [(&'static str, &'static str)],
);

const VERBS: [Verb; 2] = [
    (
        "build",
        BUILD,
        &[
            ("docker-build", "docker build"),
            ("buildx-build", "docker buildx build"),
            ("buildah-build", "buildah build, podman build"),
            ("kaniko", "kaniko"),
        ],
    ),
    (
        "run",
        RUN,
        &[("docker-run", "docker run"), ("podman-run", "podman run")],
    ),
];

fn checkout(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn inventory(list: &str) -> Vec<String> {
    let text = std::fs::read_to_string(checkout(&format!("testdata/flags/{list}.txt"))).unwrap();
    text.lines().map(str::to_owned).collect()
}

/// rbuild's own flags of a verb.
fn own(verb: &str) -> BTreeSet<String> {
    let command = Cli::command();
    let verb = command.find_subcommand(verb).unwrap();
    let mut names: BTreeSet<String> = BTreeSet::new();
    for flag in verb.get_arguments() {
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

fn foreign(table: &'static [Foreign], name: &str) -> Option<&'static Foreign> {
    table.iter().find(|flag| flag.name == name)
}

#[test]
fn every_flag_has_one_verdict() {
    for (verb, table, lists) in VERBS {
        let own = own(verb);
        let mut listed = BTreeSet::new();
        for (list, _) in lists {
            for name in inventory(list) {
                assert!(
                    own.contains(&name) != foreign(table, &name).is_some(),
                    "--{name} of {list} needs one verdict: to be a flag, or to be in the table"
                );
                listed.insert(name);
            }
        }
        for flag in table {
            assert!(listed.contains(flag.name), "--{} is in no list", flag.name);
        }
        assert!(table.is_sorted_by(|one, other| one.name < other.name));
    }
}

/// The verdict on one spelling of a flag, as a command line.
fn judged(verb: &str, word: &str, value: Option<&str>) -> Result<Vec<String>, String> {
    let words = ["rbuild", verb, word].into_iter().chain(value).chain(["."]);
    let words: Vec<std::ffi::OsString> = words.map(Into::into).collect();
    let cli = crate::cli::parse(&words).map_err(|error| error.to_string())?;
    let foreign = match cli.command {
        Some(crate::cli::Command::Build(args)) => args.foreign,
        Some(crate::cli::Command::Run(args)) => args.foreign,
        _ => panic!("{word} is parsed as another verb"),
    };
    foreign.judge().map_err(|failure| failure.text())
}

#[test]
fn each_does_what_its_verdict_says() {
    for (verb, flag) in VERBS
        .iter()
        .flat_map(|(verb, table, _)| table.iter().map(move |flag| (*verb, flag)))
    {
        let word = format!("--{}", flag.name);
        let bare = judged(verb, &word, flag.takes_value.then_some("x"));
        match flag.accepted {
            Accepted::All => assert!(bare.unwrap()[0].contains(flag.text), "{word}"),
            Accepted::Only([]) => {
                let said = bare.unwrap_err();
                assert!(said.contains(&format!("rbuild has no {word}\n")), "{said}");
                assert!(said.contains(flag.text), "{said}");
            }
            Accepted::Only(values) => {
                for value in values {
                    assert_eq!(
                        judged(verb, &format!("{word}={value}"), None),
                        Ok(vec![]),
                        "{word}"
                    );
                }
                let other = if values.contains(&"true") { "false" } else { "true" };
                let said = judged(verb, &format!("{word}={other}"), None).unwrap_err();
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
    for (verb, flag) in VERBS
        .iter()
        .flat_map(|(verb, table, _)| table.iter().map(move |flag| (*verb, flag)))
    {
        let Some(letter) = flag.short else { continue };
        match judged(verb, &format!("-{letter}"), flag.takes_value.then_some("x")) {
            Err(said) => assert!(said.contains(flag.text), "-{letter}: {said}"),
            Ok(_) => assert_ne!(flag.accepted, Accepted::Only(&[]), "-{letter}"),
        }
    }
}

/// docker and podman take a value behind each of their switches, and several letters at once.
#[test]
fn switches_take_a_value() {
    let parsed = |words: &[&str]| {
        let words: Vec<std::ffi::OsString> = words.iter().map(Into::into).collect();
        crate::cli::parse(&words).unwrap_or_else(|error| panic!("{words:?}: {error}"))
    };
    let run = |words: &[&str]| match parsed(words).command {
        Some(crate::cli::Command::Run(run)) => (run.rm, run.tty, run.interactive, run.words.join(" ")),
        _ => panic!("no run"),
    };
    let image = "image --rm=no".to_owned();
    for (words, expected) in [
        (
            &["--rm=true", "-t=0", "-i"][..],
            (true, false, true, image.clone()),
        ),
        (
            &["--rm=false", "--tty=true", "--tty=F"],
            (false, false, false, image.clone()),
        ),
        (&["-it", "--rm=T"], (true, true, true, image.clone())),
    ] {
        let words = ["rbuild", "run"].iter().chain(words).chain(&["image", "--rm=no"]);
        assert_eq!(run(&words.copied().collect::<Vec<_>>()), expected);
    }
    assert!(parsed(&["rbuild", "--no-cache=true", "."]).build.no_cache);
    let build = parsed(&["rbuild", "build", "--no-cache=false", "-q=1", "."]);
    let Some(crate::cli::Command::Build(build)) = build.command else {
        panic!("no build")
    };
    assert!(!build.no_cache && build.quiet);
    let wrong = ["rbuild", "run", "--rm=maybe", "image"].map(std::ffi::OsString::from);
    assert!(
        crate::cli::parse(&wrong)
            .unwrap_err()
            .to_string()
            .contains("neither true nor false")
    );
}

/// `docs/flags.md`. `RBUILD_UPDATE_GOLDENS=1` rewrites it; the difference is reviewed like code.
#[test]
fn the_page_says_the_same() {
    let mut page = String::from(
        "# Flags and verbs of other programs\n\n\
         Every flag of `docker build`, `docker buildx build`, `buildah build`, kaniko, `docker run` and `podman run`, every verb\n\
         of docker, podman and buildah, and what becomes of it here. None is unknown: what rbuild does not have is refused with\n\
         what to use instead, and what has no effect is said to have none (`build -q` keeps that quiet). A switch takes a value, as\n\
         there: `--no-cache=true`, `-t=0`. [migrating](migrating.md) shows whole command lines.\n\n\
         This page is made by `src/cli/foreign/tests.rs` from the tables that the program uses;\n\
         `RBUILD_UPDATE_GOLDENS=1 cargo test -p rbuild --lib foreign` rewrites it.\n",
    );
    for (verb, table, lists) in VERBS {
        let own = own(verb);
        let mut other: BTreeMap<String, Vec<&str>> = BTreeMap::new();
        writeln!(page, "\n## `rbuild {verb}`: the same\n").unwrap();
        for (list, tool) in lists {
            let (same, not): (Vec<_>, Vec<_>) =
                inventory(list).into_iter().partition(|name| own.contains(name));
            let same: Vec<String> = same.iter().map(|name| format!("`--{name}`")).collect();
            writeln!(page, "- **{tool}**: {}", same.join(" ")).unwrap();
            for name in not {
                other
                    .entry(name)
                    .or_default()
                    .push(list.split('-').next().unwrap());
            }
        }
        writeln!(
            page,
            "\n## `rbuild {verb}`: others\n\n| flag | of | | |\n|---|---|---|---|"
        )
        .unwrap();
        for (name, tools) in other {
            let flag = foreign(table, &name).unwrap();
            let text = flag.text.replace('|', "\\|");
            writeln!(
                page,
                "| `--{name}` | {} | {} | {text} |",
                tools.join(", "),
                flag.verdict()
            )
            .unwrap();
        }
    }
    page.push_str("\n## Verbs\n\n| verb | | |\n|---|---|---|\n");
    for (verb, fate) in crate::cli::verbs::VERBS {
        let (what, text) = match fate {
            Fate::Same(own) => ("the same", format!("`rbuild {}`", own.join(" "))),
            Fate::Nothing(why) => ("nothing to do", (*why).to_owned()),
            Fate::Refused(text) => ("refused", (*text).replace('|', "\\|")),
        };
        writeln!(page, "| `{verb}` | {what} | {text} |").unwrap();
    }
    let path = checkout("docs/flags.md");
    if std::env::var_os("RBUILD_UPDATE_GOLDENS").is_some() {
        std::fs::write(&path, &page).unwrap();
    }
    assert_eq!(std::fs::read_to_string(path).unwrap_or_default(), page);
}
