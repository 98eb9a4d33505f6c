//! A function fits on a screen.

use super::all_sources;
use crate::harness::base::checkout;
use std::fs;
use std::path::Path;

/// Lines of a function from its name to its last brace.
const SCREEN: usize = 70;

/// File, function, why it is longer: tables, in which each entry is read alone.
const TABLES: [(&str, &str, &str); 5] = [
    (
        "parser/src/message.rs",
        "message",
        "the words of each kind of diagnostic",
    ),
    (
        "solver/src/miss/words.rs",
        "fmt",
        "the words of each reason for a miss",
    ),
    ("src/report/host.rs", "words", "what to do about each obstacle"),
    (
        "src/report/step.rs",
        "without_remedy",
        "what is known of each way to fail",
    ),
    (
        "build/src/ops/definition.rs",
        "exec_mount",
        "the fields of each kind of mount",
    ),
];

/// File and function: not split yet. Nothing is added here.
const LONG: [(&str, &str); 5] = [
    ("build/src/export/archive.rs", "with_export"),
    ("build/src/ops/exec.rs", "run"),
    ("build/src/ops/mounts.rs", "one"),
    ("src/options/mod.rs", "from_args"),
    ("src/options/output.rs", "parse"),
];

/// The functions of a source with their lengths. The sources are formatted, so the brace that ends a function stands as
/// deep as the line on which it begins, and nothing in between does.
fn functions(path: &Path) -> Vec<(String, usize)> {
    let text = fs::read_to_string(path).expect("a source can be read");
    let text = text
        .split("\n#[cfg(test)]\nmod tests {")
        .next()
        .unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    let depth = |line: &str| line.len() - line.trim_start().len();
    let mut found = Vec::new();
    for (at, line) in lines.iter().enumerate() {
        let code = line.trim_start();
        let Some((before, rest)) = code.split_once("fn ") else {
            continue;
        };
        let words = [
            "pub",
            "pub(crate)",
            "pub(super)",
            "const",
            "unsafe",
            "extern",
            "\"C\"",
        ];
        if !before.split_whitespace().all(|word| words.contains(&word)) {
            continue;
        }
        let ends = |line: &&str| depth(line) == depth(lines[at]) && line.trim_start().starts_with('}');
        let is_declared = lines[at..]
            .iter()
            .find(|line| line.ends_with('{') || line.ends_with(';') || line.ends_with('}'))
            .is_some_and(|line| !line.ends_with('{'));
        if is_declared {
            continue;
        }
        let length = lines[at..].iter().position(ends).map_or(0, |end| end + 1);
        let name = rest.split(|c: char| !c.is_alphanumeric() && c != '_').next();
        found.push((name.unwrap_or_default().to_owned(), length));
    }
    found
}

#[test]
fn a_function_fits_on_a_screen() {
    let listed = || TABLES.iter().map(|(file, name, _)| (*file, *name)).chain(LONG);
    let mut found = Vec::new();
    let mut seen = 0;
    for path in all_sources() {
        let file = path.strip_prefix(checkout()).expect("a source of the checkout");
        let file = file.display().to_string();
        for (name, length) in functions(&path) {
            seen += 1;
            if length <= SCREEN {
                continue;
            }
            let listed = listed().find(|(of, listed)| *of == file && *listed == name);
            assert!(listed.is_some(), "{file}: `{name}` has {length} lines");
            found.extend(listed);
        }
    }
    assert!(seen > 2000, "only {seen} were found");
    for (file, name) in listed() {
        assert!(found.contains(&(file, name)), "{file}: `{name}` is short by now");
    }
}
