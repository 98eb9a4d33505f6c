//! `docs/rules.md` and the table in `docs/checks.md` are made from the rules' own definitions.
//! `RBUILD_UPDATE_GOLDENS=1` rewrites both; the difference is reviewed like code.
#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use dockerfile_parser::lint::Rule;

const BEGIN: &str = "<!-- begin: made by parser/tests/checks_page.rs -->\n";
const END: &str = "<!-- end -->\n";

fn page(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs").join(name)
}

/// The first sentence of a rule's documentation; a full stop inside of backticks ends none.
fn first_sentence(docs: &str) -> &str {
    let mut in_code = false;
    for (at, ch) in docs.char_indices() {
        match ch {
            '`' => in_code = !in_code,
            '.' if !in_code && docs[at + 1..].starts_with(' ') => return &docs[..=at],
            _ => {}
        }
    }
    docs
}

fn table() -> String {
    let mut text = String::from("| rule | says | asked by default |\n|---|---|---|\n");
    for rule in Rule::ALL {
        let definition = rule.definition();
        let name = rule.name();
        let (docs, default) = (
            first_sentence(definition.docs),
            if definition.default { "yes" } else { "no" },
        );
        writeln!(
            text,
            "| [{name}](rules.md#{}) | {docs} | {default} |",
            name.to_lowercase()
        )
        .unwrap();
    }
    text
}

fn rules() -> String {
    let mut text = String::from(
        "# Rules\n\nEach check of [checks.md](checks.md) with its reason, a Dockerfile in which it finds something, and the \
         same without the fault.\n\nThis page is made by `parser/tests/checks_page.rs` from the rules themselves; \
         `RBUILD_UPDATE_GOLDENS=1 cargo test -p dockerfile-parser --test checks_page` rewrites it.\n",
    );
    for rule in Rule::ALL {
        let definition = rule.definition();
        write!(text, "\n## {}\n\n{}\n", rule.name(), definition.docs).unwrap();
        if !definition.default {
            write!(
                text,
                "\nOff by default: `# check=experimental={}` asks it.\n",
                rule.name()
            )
            .unwrap();
        }
        for (title, example) in [("Found", definition.bad), ("Not found", definition.good)] {
            write!(text, "\n{title}:\n\n```dockerfile\n{}\n```\n", example.trim_end()).unwrap();
        }
        if definition.buildkit {
            write!(text, "\nBuildKit has this rule too: <{}>.\n", rule.url()).unwrap();
        } else {
            text.push_str("\nThis rule is rbuild's own.\n");
        }
    }
    text
}

fn compare(path: &Path, expected: &str, got: &str) {
    if std::env::var_os("RBUILD_UPDATE_GOLDENS").is_some() {
        fs::write(path, got).unwrap();
        return;
    }
    assert!(
        expected == got,
        "{} is not what the rules say; RBUILD_UPDATE_GOLDENS=1 rewrites it",
        path.display()
    );
}

#[test]
fn the_page_of_rules_says_what_the_rules_say() {
    let path = page("rules.md");
    compare(&path, &fs::read_to_string(&path).unwrap_or_default(), &rules());
}

#[test]
fn the_table_of_checks_names_every_rule() {
    let path = page("checks.md");
    let text = fs::read_to_string(&path).unwrap();
    let (before, rest) = text.split_once(BEGIN).unwrap();
    let (_, after) = rest.split_once(END).unwrap();
    compare(&path, &text, &format!("{before}{BEGIN}{}{END}{after}", table()));
}

#[test]
fn a_sentence_ends_where_it_ends() {
    assert_eq!(first_sentence("`COPY . .` copies. More."), "`COPY . .` copies.");
    assert_eq!(first_sentence("One only."), "One only.");
}
