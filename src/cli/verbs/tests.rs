//! Every verb of the inventory (`testdata/verbs/`) has a verdict.

use super::*;
use crate::cli::Cli;
use clap::CommandFactory;

#[test]
fn every_verb_has_one_verdict() {
    let command = Cli::command();
    for list in ["buildah", "docker", "podman"] {
        let path = format!("{}/testdata/verbs/{list}.txt", env!("CARGO_MANIFEST_DIR"));
        for verb in std::fs::read_to_string(path).unwrap().lines() {
            let words = verb.split(' ');
            let found = words
                .into_iter()
                .try_fold(&command, |command, word| command.find_subcommand(word));
            let is_own = found.is_some();
            // Of `container stop` the first word decides.
            let first = verb.split(' ').next().unwrap_or_default();
            let is_told = fate(verb).is_some()
                || (verb != first && fate(first).is_some())
                || verb
                    .strip_prefix("container ")
                    .is_some_and(|verb| fate(verb).is_some());
            assert!(is_own != is_told, "`{verb}` of {list} needs one verdict");
        }
    }
    assert!(VERBS.is_sorted_by(|one, other| one.0 < other.0));
}

#[test]
fn those_that_are_the_same_are_understood() {
    for (verb, fate) in VERBS {
        let Same(own) = fate else { continue };
        let words = std::iter::once("rbuild")
            .chain(verb.split(' '))
            .map(OsString::from);
        let Ok(Meant::Words(args)) = translate(words.collect()) else {
            panic!("{verb}")
        };
        let expected: Vec<OsString> = std::iter::once(&"rbuild")
            .chain(*own)
            .map(OsString::from)
            .collect();
        assert_eq!(args, expected, "{verb}");
        if let Some(own) = own.iter().find(|word| !word.starts_with('-')) {
            assert!(Cli::command().find_subcommand(own).is_some(), "{own}");
        }
    }
    let root = ["rbuild", "--root", "/r", "image", "ls", "-q"];
    let Ok(Meant::Words(args)) = translate(root.map(OsString::from).to_vec()) else {
        panic!()
    };
    assert_eq!(args, ["rbuild", "--root", "/r", "images", "-q"]);
}
