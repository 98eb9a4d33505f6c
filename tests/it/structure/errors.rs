//! Errors are data below the program: what a user is told beside them, which exit code they have and how they are drawn
//! is in `src/report` alone.

use super::{CRATES, code_lines, sources};
use crate::harness::base::checkout;

/// Where something comes out of a type that says only "an error": file, and what hides it there.
const OPENED: [(&str, &str); 6] = [
    ("solver/src/solve.rs", "the payload of a panic"),
    (
        "registry/src/transport_error.rs",
        "what ureq and rustls hide in `std::io::Error`",
    ),
    (
        "store/src/blob.rs",
        "our own error, which went through `std::io::Write`",
    ),
    (
        "store/src/image/error.rs",
        "our own error, which went through `std::io::Write`",
    ),
    (
        "store/src/image/export",
        "our own error, which went through `std::io::Write`",
    ),
    (
        "store/src/image/source/mod.rs",
        "our own error, which went through `std::io::Write`",
    ),
];

#[test]
fn nothing_below_the_program_asks_which_error_it_has() {
    for (path, line, code) in code_lines(&below_the_program()) {
        let asks = ["downcast_ref", "downcast::<", "downcast("]
            .iter()
            .any(|word| code.contains(word));
        let is_known = OPENED
            .iter()
            .any(|(place, _)| path.starts_with(checkout().join(place)));
        assert!(!asks || is_known, "{}:{line}: {code}", path.display());
    }
}

#[test]
fn errors_of_the_library_carry_no_ready_sentences() {
    let mut fields = 0;
    for (path, line, code) in code_lines(&sources("build/src")) {
        let is_error = path.starts_with(checkout().join("build/src/error")) || path.ends_with("error.rs");
        if !is_error || path.starts_with(checkout().join("build/src/worker")) {
            continue;
        }
        fields += usize::from(code.contains(": String,"));
        for word in [
            "message: String",
            "text: Option<String>",
            "help:",
            "hint:",
            "hints:",
            "exit_code",
            "Vec<String>",
            "dyn Error",
        ] {
            let may = code.starts_with("tail: Vec<String>");
            assert!(may || !code.contains(word), "{}:{line}: {code}", path.display());
        }
    }
    assert!(fields > 20, "only {fields} fields were found");
}

#[test]
fn what_to_do_is_the_programs_to_say() {
    for (path, line, code) in code_lines(&below_the_program()) {
        let advises = ["fn hint(", "fn fix(", "fn advice(", "sudo ", "rbuild login"]
            .iter()
            .any(|word| code.contains(word));
        assert!(!advises, "{}:{line}: {code}", path.display());
    }
}

#[test]
fn words_for_users_are_the_programs() {
    for (path, line, code) in code_lines(&sources("build/src")) {
        let words = [
            "rbuild doctor",
            "--root",
            "RBUILD_ROOT",
            "rbuild prune",
            "struct Failure",
            "enum Kind {",
        ];
        let found = words.iter().find(|word| code.contains(**word));
        assert!(found.is_none(), "{}:{line}: {code}", path.display());
    }
}

fn below_the_program() -> Vec<std::path::PathBuf> {
    CRATES
        .iter()
        .flat_map(|folder| sources(&format!("{folder}/src")))
        .collect()
}
