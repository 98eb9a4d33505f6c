//! The shape of the source is a test too: which crate knows which, where `unsafe` may stand, who may print, and that
//! the commands in the documentation exist. Reads the checkout, not the program.

mod arrows;
mod errors;
mod process;
mod sizes;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use crate::harness::base::checkout;

const CRATES: [&str; 11] = [
    "rootdir",
    "rootfs",
    "build",
    "container",
    "layer",
    "oci",
    "parser",
    "solver",
    "store",
    "sandbox",
    "registry",
];

#[test]
fn each_large_dependency_has_one_home() {
    // `src` is the root package, whose Cargo.toml is the workspace's.
    let homes: &[(&str, &[&str])] = &[
        ("petgraph", &["solver"]),
        ("nix", &["sandbox"]),
        ("ureq", &["registry"]),
        ("rustls", &["registry"]),
        ("clap", &["."]),
        ("indicatif", &["."]),
        ("console", &["."]),
    ];
    for (name, allowed) in homes {
        for folder in CRATES.iter().chain(&["."]) {
            let has = dependencies(folder).contains(*name);
            assert!(
                !has || allowed.contains(folder),
                "`{name}` lives in {allowed:?}, not in `{folder}`"
            );
        }
    }
}

#[test]
fn unsafe_stands_in_one_file() {
    let only = checkout().join("sandbox/src/sys.rs");
    for (path, line, code) in code_lines(&all_sources()) {
        let is_unsafe = [
            "unsafe {",
            "unsafe fn",
            "unsafe impl",
            "unsafe extern",
            "allow(unsafe_code)",
        ]
        .iter()
        .any(|word| code.contains(word));
        assert!(!is_unsafe || path == only, "{}:{line}: {code}", path.display());
    }
}

#[test]
fn pure_crates_touch_nothing_outside() {
    let outside = [
        "std::fs",
        "std::env",
        "std::process",
        "std::net",
        "std::os::unix",
        "SystemTime",
        "File::open",
        "rand::",
    ];
    for (path, line, code) in code_lines(&[sources("parser/src"), sources("solver/src")].concat()) {
        for word in outside {
            assert!(
                !code.contains(word),
                "{}:{line}: `{word}` in a crate without files, environment or clock",
                path.display()
            );
        }
    }
}

#[test]
fn only_the_command_line_prints() {
    let may = [
        checkout().join("src/cli"),
        checkout().join("src/ui"),
        checkout().join("src/main.rs"),
    ];
    for (path, line, code) in code_lines(&all_sources()) {
        // What tests of a crate share is no part of the library.
        let is_for_tests = path.ends_with("src/testing.rs");
        if is_for_tests || may.iter().any(|place| path.starts_with(place)) {
            continue;
        }
        for word in ["println!(", "print!(", "eprint!(", "dbg!("] {
            // Text with the macro's name in it, such as the one above, is followed by a quote.
            assert!(!code.contains(word), "{}:{line}: {word}", path.display());
        }
    }
}

/// Where a path of a context or an image comes by, what would follow its links is denied: by clippy, which knows what a
/// name means. Here stands that it is asked, and that every exception says whose path it is.
#[test]
fn paths_of_contexts_and_images_are_read_below_their_root() {
    const DENIED: &str = "#![cfg_attr(not(test), deny(clippy::disallowed_methods))]";
    for root in [
        "src/lib.rs",
        "build/src/lib.rs",
        "container/src/lib.rs",
        "rootfs/src/lib.rs",
        "layer/src/lib.rs",
        "store/src/image/source/mod.rs",
    ] {
        let text = fs::read_to_string(checkout().join(root)).expect("a source can be read");
        assert!(text.lines().any(|line| line == DENIED), "{root} does not deny it");
    }
    let lists = fs::read_to_string(checkout().join("clippy.toml")).expect("the lists of clippy");
    for method in [
        "std::fs::File::open",
        "std::fs::OpenOptions::open",
        "std::fs::read",
        "std::fs::read_to_string",
        "std::fs::metadata",
        "std::fs::write",
        "std::path::Path::canonicalize",
        "std::path::Path::exists",
        "rustix::fs::open",
    ] {
        assert!(lists.contains(&format!("\"{method}\"")), "{method} is not denied");
    }
    let mut exceptions = 0;
    for (path, line, code) in code_lines(&all_sources()) {
        if !code.contains("clippy::disallowed_methods") || code == DENIED {
            continue;
        }
        exceptions += 1;
        let says_why = code.starts_with("#[expect(clippy::disallowed_methods, reason = \"");
        assert!(says_why, "{}:{line}: whose path is it?", path.display());
    }
    assert!(exceptions > 20, "only {exceptions} were found");
}

#[test]
fn nothing_is_left_to_do() {
    for (path, line, code) in code_lines(&all_sources()) {
        for word in ["todo!(", "unimplemented!("] {
            assert!(!code.contains(word), "{}:{line}: {word}", path.display());
        }
    }
}

#[test]
fn each_file_says_what_lives_in_it() {
    for path in all_sources() {
        let text = fs::read_to_string(&path).expect("a source can be read");
        let head = text.lines().find(|line| !line.trim().is_empty()).unwrap_or("");
        assert!(head.starts_with("//!"), "{} has no module head", path.display());
    }
}

#[test]
fn no_file_is_a_drawer_of_odds_and_ends() {
    for path in all_sources() {
        let name = path.file_stem().and_then(|name| name.to_str()).unwrap_or("");
        assert!(
            !["utils", "util", "common", "helpers", "misc"].contains(&name),
            "{}",
            path.display()
        );
    }
}

#[test]
fn examples_are_complete() {
    let examples = checkout().join("examples/Dockerfiles");
    let overview = fs::read_to_string(examples.join("README.md")).expect("the examples have an overview");
    let tests = fs::read_to_string(checkout().join("tests/it/examples.rs")).expect("the examples have tests");
    let mut count = 0;
    for entry in fs::read_dir(&examples)
        .expect("there are examples")
        .flatten()
        .filter(|entry| entry.path().is_dir())
    {
        let name = entry.file_name().into_string().expect("a plain name");
        assert!(
            entry.path().join("Dockerfile").is_file(),
            "{name} has no Dockerfile"
        );
        let readme = fs::read_to_string(entry.path().join("README.md")).unwrap_or_default();
        assert!(
            readme.starts_with(&format!("# {name}\n")),
            "{name} has no README.md of that title"
        );
        assert!(
            readme.contains("rbuild ") && readme.contains("rbuild run "),
            "{name}: how is it built and run?"
        );
        assert!(
            overview.contains(&format!("]({name})")),
            "{name} is not in the overview"
        );
        assert!(
            tests.contains(&format!("examples/Dockerfiles/{name}\"")),
            "{name} is not tested"
        );
        count += 1;
    }
    assert!(count >= 5);
}

/// Recipes and maps are read by those who look for a file: each that they name in whole is there.
#[test]
fn files_that_the_guides_name_are_there() {
    let mut seen = 0;
    for guide in ["CONTRIBUTING.md", "ARCHITECTURE.md"] {
        let text = fs::read_to_string(checkout().join(guide)).expect("a guide");
        for word in text.split('`').skip(1).step_by(2) {
            let folder = word.split('/').next().unwrap_or_default();
            let folders = ["src", "tests", "docs", "testdata", "fuzz"];
            let is_ours = CRATES.contains(&folder) || folders.contains(&folder);
            if !is_ours || !word.contains('/') || word.contains(['<', '*', '{', ' ', '…']) {
                continue;
            }
            assert!(checkout().join(word).exists(), "{guide} names {word}");
            seen += 1;
        }
    }
    assert!(seen > 80, "only {seen} were found");
}

#[test]
fn commands_in_the_documentation_exist() {
    let mut documents = vec![checkout().join("justfile"), checkout().join(".ci/run")];
    for folder in ["", "docs", "examples/Dockerfiles"] {
        documents.extend(markdown(&checkout().join(folder)));
    }
    let mut seen = BTreeSet::new();
    for document in documents {
        let text = fs::read_to_string(&document).unwrap_or_default();
        for word in text.split(|c: char| c.is_whitespace() || "\"`'()[]{}|;,$:".contains(c)) {
            let word = word.trim_end_matches(['.', '…']);
            let ours = ["scripts/", "examples/Dockerfiles/", "./scripts/"]
                .iter()
                .any(|prefix| word.starts_with(prefix));
            if !ours || word.contains(['<', '*', '>']) {
                continue;
            }
            assert!(
                checkout().join(word).exists(),
                "{} names {word}, which is not there",
                document.display()
            );
            seen.insert(word.to_owned());
        }
    }
    assert!(
        seen.iter().any(|word| word.starts_with("scripts/")),
        "nothing was found: the test looks in the wrong place"
    );
    for script in fs::read_dir(checkout().join("scripts"))
        .expect("there are scripts")
        .flatten()
    {
        let executable = rustix::fs::access(script.path(), rustix::fs::Access::EXEC_OK).is_ok();
        assert!(executable, "{} is not executable", script.path().display());
    }
}

#[test]
fn links_in_the_documentation_lead_somewhere() {
    let mut documents = Vec::new();
    for folder in ["", "docs", "examples/Dockerfiles", "parser", "fuzz"] {
        documents.extend(markdown(&checkout().join(folder)));
    }
    let mut count = 0;
    for document in documents {
        let text = fs::read_to_string(&document).expect("a page can be read");
        for link in prose(&text).split("](").skip(1) {
            let link = link.split(')').next().unwrap_or("");
            if link.starts_with("http") || link.contains(' ') {
                continue;
            }
            count += 1;
            let (path, heading) = link.split_once('#').unwrap_or((link, ""));
            let target = match path {
                "" => document.clone(),
                _ => document.parent().expect("a page is in a folder").join(path),
            };
            assert!(target.exists(), "{}: {link}", document.display());
            if !heading.is_empty() {
                let page = fs::read_to_string(&target).expect("a page can be read");
                let known = prose(&page)
                    .lines()
                    .any(|line| anchor(line) == Some(heading.to_owned()));
                assert!(known, "{}: no heading for {link}", document.display());
            }
        }
    }
    assert!(count > 40, "only {count} links were found");
}

#[test]
fn recipes_name_files_that_are_there() {
    let page =
        fs::read_to_string(checkout().join("CONTRIBUTING.md")).expect("there is a page for contributors");
    let mut count = 0;
    for word in page.split('`').skip(1).step_by(2) {
        let is_path =
            word.contains('/') && (word.ends_with('/') || word.contains(".rs") || word.contains(".md"));
        if !is_path || word.contains(['<', '*', ' ', '…']) {
            continue;
        }
        count += 1;
        assert!(
            checkout().join(word).exists(),
            "CONTRIBUTING.md names {word}, which is not there"
        );
    }
    assert!(count > 30, "only {count} paths were found");
}

/// A page without its examples.
fn prose(page: &str) -> String {
    page.split("\n```").step_by(2).collect()
}

/// What a link calls a heading.
fn anchor(line: &str) -> Option<String> {
    let title = line
        .strip_prefix('#')?
        .trim_start_matches('#')
        .trim()
        .to_lowercase();
    let kept = title
        .chars()
        .filter(|c| c.is_alphanumeric() || " -_".contains(*c));
    Some(kept.collect::<String>().replace(' ', "-"))
}

/// The names under `[dependencies]` of a crate; those for tests alone do not count.
fn dependencies(folder: &str) -> BTreeSet<String> {
    let path = checkout().join(folder).join("Cargo.toml");
    let text = fs::read_to_string(&path).expect("each crate has a Cargo.toml");
    let mut names = BTreeSet::new();
    let mut inside = false;
    for line in text.lines() {
        if line.starts_with('[') {
            inside = line.trim() == "[dependencies]"
                || line.ends_with(".dependencies]") && line.starts_with("[target");
            continue;
        }
        let name = line.split(['.', '=', ' ']).next().unwrap_or("");
        if inside && !name.is_empty() && !name.starts_with('#') {
            names.insert(name.to_owned());
        }
    }
    names
}

/// Every source of the product: not the tests in `tests/`, nor those in files of their own.
fn all_sources() -> Vec<PathBuf> {
    let mut all = sources("src");
    for folder in CRATES {
        all.extend(sources(&format!("{folder}/src")));
    }
    assert!(all.len() > CRATES.len());
    all
}

fn sources(folder: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    collect(&checkout().join(folder), &mut found);
    found.retain(|path| {
        let name = path.file_stem().and_then(|name| name.to_str()).unwrap_or("");
        name != "tests"
            && !name.ends_with("_tests")
            && !path.components().any(|part| part.as_os_str() == "tests")
            || path.starts_with(checkout().join("tests"))
    });
    found.sort();
    found
}

fn collect(dir: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir)
        .unwrap_or_else(|error| panic!("{}: {error}", dir.display()))
        .flatten()
    {
        let path = entry.path();
        if path.is_dir() {
            collect(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// Lines of code with their numbers: comments left out, and what is for unit tests alone.
fn code_lines(paths: &[PathBuf]) -> Vec<(PathBuf, usize, String)> {
    let mut lines = Vec::new();
    for path in paths {
        let text = fs::read_to_string(path).expect("a source can be read");
        let mut numbered = text.lines().zip(1..);
        while let Some((line, number)) = numbered.next() {
            let code = line.trim_start();
            if code == "#[cfg(test)]" {
                let indent = &line[..line.len() - code.len()];
                // The item ends with its line, or with a brace that stands below its beginning.
                numbered.by_ref().find(|(line, _)| {
                    line.strip_prefix(indent)
                        .is_some_and(|rest| rest == "}" || rest.ends_with(';') && !rest.starts_with(' '))
                });
            } else if !code.starts_with("//") {
                let code = code.split(" // ").next().unwrap_or("").to_owned();
                lines.push((path.clone(), number, code));
            }
        }
    }
    lines
}

fn markdown(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.extension().is_some_and(|extension| extension == "md") {
            found.push(path);
        } else if path.is_dir() && path.join("README.md").is_file() && dir.ends_with("Dockerfiles") {
            found.push(path.join("README.md"));
        }
    }
    found
}
