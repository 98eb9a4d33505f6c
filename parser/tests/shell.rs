//! Expansion agrees with the machine's `/bin/sh` where Dockerfiles and POSIX mean the same: variables, `:-` `-` `:+` `+`
//! `#` `##` `%` `%%`, both quotes, backslashes. Values of an assignment are compared: nothing is split or globbed there.
#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::process::Command;

use dockerfile_parser::parse;
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;

/// What is set; `unset` is not.
const VARIABLES: &[(&str, &str)] = &[
    ("path", "ab/ba/a.b.a"),
    ("same", "aaaa"),
    ("word", "b"),
    ("empty", ""),
];

fn name() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec!["path", "same", "word", "empty", "unset"])
}

fn literal() -> impl Strategy<Value = String> {
    "[ab./:_-]{0,3}"
}

/// `${v#p}` and its like.
fn trimmed() -> impl Strategy<Value = String> {
    let operator = prop::sample::select(vec!["#", "##", "%", "%%"]);
    (name(), operator, "[ab./*?]{0,4}").prop_map(|(name, op, pattern)| format!("${{{name}{op}{pattern}}}"))
}

/// A word in which no quote is needed.
fn word() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        literal(),
        "'[ab $\\\\\"]{0,3}'",
        "\\\\[ab$'\" \\\\]",
        name().prop_map(|name| format!("${{{name}}}")),
        name().prop_map(|name| format!("${name}/")),
        trimmed(),
        (literal(), name(), literal())
            .prop_map(|(before, name, after)| format!("\"{before} ${{{name}}} {after}\"")),
        trimmed().prop_map(|trimmed| format!("\"{trimmed}\"")),
        "\"[ab ']{0,3}(\\\\[$\"\\\\ab])?\"",
    ];
    leaf.prop_recursive(3, 12, 3, |inner| {
        let operator = prop::sample::select(vec![":-", "-", ":+", "+"]);
        prop_oneof![
            prop::collection::vec(inner.clone(), 1..4).prop_map(|pieces| pieces.concat()),
            (name(), operator, inner).prop_map(|(name, op, word)| format!("${{{name}{op}{word}}}")),
        ]
    })
}

#[test]
fn words_have_the_value_that_they_have_in_a_shell() {
    let mut runner = TestRunner::deterministic();
    let words: Vec<String> = (0..2_000)
        // A backslash and a blank at the end of the line would continue it.
        .map(|_| word().new_tree(&mut runner).unwrap().current() + ".")
        .collect();
    let mut script: String = VARIABLES
        .iter()
        .map(|(name, value)| format!("{name}='{value}'\n"))
        .collect();
    for word in &words {
        writeln!(script, "value={word}\nprintf '%s\\n' \"$value\"").unwrap();
    }
    let output = Command::new("/bin/sh").arg("-c").arg(&script).output().unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let expected = String::from_utf8(output.stdout).unwrap();
    assert_eq!(expected.lines().count(), words.len());

    let scope: BTreeMap<String, String> = VARIABLES
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect();
    for (word, expected) in words.iter().zip(expected.lines()) {
        let parsed = parse(&format!("FROM scratch\nENV value={word}\n"));
        assert!(!parsed.has_errors(), "{word}: {:?}", parsed.diagnostics);
        let dockerfile_parser::InstructionKind::Env(env) = &parsed.dockerfile.stages[0].instructions[0].kind
        else {
            unreachable!("{word}")
        };
        assert_eq!(env.pairs.len(), 1, "{word}");
        assert_eq!(
            env.pairs[0].value.expand(&scope).unwrap().value,
            expected,
            "{word}"
        );
    }
}
