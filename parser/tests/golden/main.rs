//! Every folder of `testdata/parser` and `testdata/errors` is a case. `RBUILD_UPDATE_GOLDENS=1` rewrites what is
//! expected; the difference is reviewed like code.
#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod dump;

use std::fs;
use std::path::{Path, PathBuf};

use dockerfile_parser::lint::{self, CheckOptions, LintInput};
use dockerfile_parser::render::render_all;
use dockerfile_parser::{Diagnostic, IgnoreFile, Platform, parse};

fn cases(folder: &str) -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../testdata")
        .join(folder);
    let mut cases: Vec<PathBuf> = fs::read_dir(root)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_dir())
        .collect();
    cases.sort();
    cases
}

/// Compares, or rewrites; returns what differs.
fn compare(path: &Path, got: &str) -> Option<String> {
    if std::env::var_os("RBUILD_UPDATE_GOLDENS").is_some() {
        fs::write(path, got).unwrap();
        return None;
    }
    let expected = fs::read_to_string(path).unwrap_or_default();
    (expected != got).then(|| format!("{}\n--- expected\n{expected}--- got\n{got}", path.display()))
}

fn source(case: &Path) -> String {
    String::from_utf8(fs::read(case.join("Dockerfile")).unwrap()).unwrap()
}

fn fail_if_any(differences: Vec<String>) {
    assert!(
        differences.is_empty(),
        "{} cases differ:\n{}",
        differences.len(),
        differences.join("\n")
    );
}

#[test]
fn trees() {
    let cases = cases("parser");
    assert!(cases.len() >= 40, "only {} cases", cases.len());
    let mut differences = Vec::new();
    for case in cases {
        let source = source(&case);
        let parsed = parse(&source);
        let errors: Vec<&Diagnostic> = parsed.diagnostics.iter().filter(|d| d.is_error()).collect();
        assert!(errors.is_empty(), "{}: {errors:?}", case.display());
        assert_eq!(parsed.dockerfile.to_source(), source, "{}", case.display());
        differences.extend(compare(
            &case.join("ast.txt"),
            &dump::dump(&source, &parsed.dockerfile),
        ));
    }
    fail_if_any(differences);
}

/// Errors of the parser; where there are none, what the checks say for a build of linux/arm64.
#[test]
fn errors() {
    let cases = cases("errors");
    assert!(cases.len() >= 60, "only {} cases", cases.len());
    let mut differences = Vec::new();
    for case in cases {
        let source = source(&case);
        let parsed = parse(&source);
        assert_eq!(parsed.dockerfile.to_source(), source, "{}", case.display());
        let mut found = parsed.diagnostics.clone();
        if !parsed.has_errors() {
            let ignore = fs::read_to_string(case.join("ignore")).unwrap_or_default();
            let ignore = IgnoreFile::parse(&ignore).unwrap();
            let target = Platform::new("linux", "arm64", "");
            let options = CheckOptions {
                experimental_all: true,
                ..CheckOptions::default()
            };
            let input = LintInput {
                target_platform: Some(&target),
                ignore: Some(&ignore),
                options: Some(&options),
                ..LintInput::default()
            };
            found.extend(lint::check(&parsed.dockerfile, &input));
        }
        assert!(!found.is_empty(), "{}: nothing to report", case.display());
        differences.extend(compare(
            &case.join("stderr.txt"),
            &render_all("Dockerfile", &source, &found),
        ));
    }
    fail_if_any(differences);
}
