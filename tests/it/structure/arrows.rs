//! Which crate knows which: by its Cargo.toml, and by the paths in its sources. And that no two modules of a library need
//! each other.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use super::{code_lines, dependencies, sources};
use crate::harness::base::checkout;

/// A crate: its folder, its name in paths, the crates that it knows. All of these stand above it, so nothing points up
/// and nothing goes round.
const CRATES: [(&str, &str, &[&str]); 12] = [
    ("rootdir", "rbuild_rootdir", &[]),
    ("parser", "dockerfile_parser", &[]),
    ("solver", "rbuild_solver", &[]),
    ("sandbox", "rbuild_sandbox", &[]),
    ("oci", "rbuild_oci", &[]),
    ("registry", "rbuild_registry", &["rbuild_oci"]),
    ("layer", "rbuild_layer", &["rbuild_rootdir", "rbuild_oci"]),
    (
        "store",
        "rbuild_store",
        &["rbuild_rootdir", "rbuild_oci", "rbuild_layer"],
    ),
    (
        "rootfs",
        "rbuild_rootfs",
        &["rbuild_layer", "rbuild_store", "rbuild_sandbox"],
    ),
    ("build", "rbuild_build", ALL),
    (
        "container",
        "rbuild_container",
        &[
            "rbuild_oci",
            "rbuild_layer",
            "rbuild_store",
            "rbuild_sandbox",
            "rbuild_rootfs",
        ],
    ),
    (".", "rbuild", ALL),
];

/// Of a crate that may know each above it.
const ALL: &[&str] = &["all"];

/// The crates that the one at this place of the list may know.
fn known_to(at: usize) -> BTreeSet<&'static str> {
    match CRATES[at].2 {
        ALL => CRATES[..at].iter().map(|(_, name, _)| *name).collect(),
        some => some.iter().copied().collect(),
    }
}

#[test]
fn each_crate_knows_only_crates_above_it() {
    for (at, (folder, ..)) in CRATES.iter().enumerate() {
        for known in &known_to(at) {
            assert!(
                CRATES[..at].iter().any(|(_, name, _)| name == known),
                "`{folder}` knows `{known}`, which is not above it"
            );
        }
    }
    let folders: BTreeSet<&str> = CRATES.iter().map(|(folder, ..)| *folder).collect();
    let listed: BTreeSet<&str> = super::CRATES.iter().copied().chain(["."]).collect();
    assert_eq!(folders, listed);
}

#[test]
fn dependencies_are_those_of_the_architecture_and_are_used() {
    for (at, (folder, name, _)) in CRATES.into_iter().enumerate() {
        let knows = known_to(at);
        let declared: BTreeSet<String> = dependencies(folder)
            .iter()
            .map(|package| package.replace('-', "_"))
            .filter(|package| is_ours(package))
            .collect();
        let used = crates_named_in(&format!("{folder}/src"));
        let used: BTreeSet<String> = used.into_iter().filter(|used| used != name).collect();
        for known in &used {
            assert!(
                knows.contains(&known.as_str()),
                "`{folder}` must not know `{known}`"
            );
        }
        assert_eq!(
            declared, used,
            "what Cargo.toml of `{folder}` lists of this project, and what its sources name"
        );
    }
}

/// Modules of a crate that are one concept, and so may need each other.
const CONCEPTS: [(&str, &[&str]); 4] = [
    // What a step does, and what the steps of a build share.
    ("build", &["ops", "engine"]),
    // Base images: where a name leads, and the registries that it leads to.
    ("build", &["sources", "registries"]),
    // A word is expanded to words.
    ("parser", &["expand", "word"]),
    // The grammar, and what can be wrong with a file: what is wrong is said in terms of the grammar, and each part of
    // that says what is wrong with it. A check is one more thing that can be wrong.
    (
        "parser",
        &[
            "diagnostic",
            "directive",
            "dockerfile",
            "flag",
            "frontend",
            "heredoc",
            "ignore",
            "instruction",
            "keyword",
            "kind",
            "lint",
            "message",
            "misread",
            "mount",
            "parse",
            "render",
            "secrets",
            "stage",
        ],
    ),
];

/// The arrows between concepts: the modules of one are a single point, called after the first.
fn of_concepts(
    arrows: &BTreeMap<String, BTreeSet<String>>,
    folder: &str,
) -> BTreeMap<String, BTreeSet<String>> {
    let concept = |module: &String| -> String {
        let mut concepts = CONCEPTS.iter().filter(|(of, _)| *of == folder);
        let found = concepts.find(|(_, modules)| modules.contains(&module.as_str()));
        found.map_or_else(|| module.clone(), |(_, modules)| modules[0].to_owned())
    };
    let mut between: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (module, targets) in arrows {
        let from = concept(module);
        let to = targets.iter().map(concept).filter(|to| *to != from);
        between
            .entry(from.clone())
            .or_default()
            .extend(to.collect::<Vec<_>>());
    }
    between
}

#[test]
fn modules_do_not_need_each_other() {
    for folder in [
        "rootdir",
        "parser",
        "solver",
        "sandbox",
        "oci",
        "registry",
        "layer",
        "store",
        "rootfs",
        "container",
        "build",
    ] {
        let arrows = of_concepts(&arrows_between_modules(folder), folder);
        assert!(arrows.len() > 3, "{folder}: the modules were not found");
        for module in arrows.keys() {
            let mut way = vec![module.as_str()];
            assert!(
                !leads_back(&arrows, module, &mut way, &mut BTreeSet::new()),
                "{folder}: {}",
                way.join(" -> ")
            );
        }
    }
}

fn is_ours(name: &str) -> bool {
    CRATES.iter().any(|(_, ours, _)| *ours == name)
}

/// The crates of this project that the code below a folder names in paths.
fn crates_named_in(folder: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for (_, _, code) in code_lines(&sources(folder)) {
        for (at, _) in code.match_indices("::") {
            let name = last_word(&code[..at]);
            if is_ours(name) {
                found.insert(name.to_owned());
            }
        }
    }
    found
}

fn last_word(code: &str) -> &str {
    let start = code
        .rfind(|c: char| !c.is_alphanumeric() && c != '_')
        .map_or(0, |at| at + 1);
    &code[start..]
}

/// Which top module of a crate names which, directly or by what the crate's root passes on.
fn arrows_between_modules(folder: &str) -> BTreeMap<String, BTreeSet<String>> {
    let root = checkout().join(folder).join("src");
    let lib = fs::read_to_string(root.join("lib.rs")).expect("a library");
    let mut arrows: BTreeMap<String, BTreeSet<String>> = lib
        .lines()
        .filter_map(|line| line.trim_start_matches("pub ").strip_prefix("mod "))
        .map(|module| (module.trim_end_matches(';').to_owned(), BTreeSet::new()))
        .collect();
    let mut passed_on = BTreeMap::new();
    for statement in lib.split(';').filter_map(|text| text.split("pub use ").nth(1)) {
        let (module, names) = statement.split_once("::").unwrap_or((statement, ""));
        for name in words(names) {
            passed_on.insert(name, module.to_owned());
        }
    }
    for path in sources(&format!("{folder}/src")) {
        let inside = path.strip_prefix(&root).expect("a source of this crate");
        let module = inside.components().next().expect("a file has a name");
        let module = module.as_os_str().to_string_lossy().replace(".rs", "");
        let code: Vec<String> = code_lines(&[path]).into_iter().map(|(_, _, code)| code).collect();
        for named in named_in_own_crate(&code.join("\n")) {
            let target = passed_on.get(&named).unwrap_or(&named);
            if *target != module
                && arrows.contains_key(target)
                && let Some(targets) = arrows.get_mut(&module)
            {
                targets.insert(target.clone());
            }
        }
    }
    arrows
}

/// What stands behind `crate::`: one name, or the first of each path in braces.
fn named_in_own_crate(code: &str) -> Vec<String> {
    let mut named = Vec::new();
    for rest in code.split("crate::").skip(1) {
        match rest.strip_prefix('{') {
            None => named.extend(words(rest).into_iter().next()),
            Some(group) => {
                let group = group.split("};").next().unwrap_or("");
                named.extend(group.split(',').filter_map(|path| words(path).into_iter().next()));
            }
        }
    }
    named
}

fn words(text: &str) -> Vec<String> {
    text.split(|c: char| !c.is_alphanumeric() && c != '_')
        .filter(|word| !word.is_empty())
        .map(str::to_owned)
        .collect()
}

/// Whether the arrows lead from the last module of `way` to its first; then `way` is the circle.
fn leads_back<'a>(
    arrows: &'a BTreeMap<String, BTreeSet<String>>,
    start: &str,
    way: &mut Vec<&'a str>,
    seen: &mut BTreeSet<&'a str>,
) -> bool {
    let Some(targets) = way.last().and_then(|last| arrows.get(*last)) else {
        return false;
    };
    for target in targets {
        way.push(target);
        if target == start || seen.insert(target) && leads_back(arrows, start, way, seen) {
            return true;
        }
        way.pop();
    }
    false
}
