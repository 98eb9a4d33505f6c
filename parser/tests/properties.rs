//! What holds for every text: no panic, the source comes back, spans are inside, and time is bounded.
#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

#[path = "../benches/large/inputs.rs"]
mod inputs;

use dockerfile_parser::lint::{self, LintInput};
use dockerfile_parser::render::render_all;
use dockerfile_parser::{IgnoreFile, Scope, Word, glob, parse, parse_onbuild_trigger};
use proptest::prelude::*;

/// Texts that look like Dockerfiles: pieces that mean something, in any order.
fn dockerfile() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "FROM",
        "RUN",
        "COPY",
        "ADD",
        "ARG",
        "ENV",
        "LABEL",
        "CMD",
        "ENTRYPOINT",
        "EXPOSE",
        "VOLUME",
        "USER",
        "WORKDIR",
        "SHELL",
        "ONBUILD",
        "HEALTHCHECK",
        "STOPSIGNAL",
        "MAINTAINER",
        "NONE",
        "AS",
        "a",
        "b",
        "/x",
        "a=b",
        "=",
        "80/tcp",
        "--from=",
        "--mount=type=cache,target=",
        "--link",
        "--",
        "--chown=1",
        "--exclude=*",
        "--x=",
        "<<EOF",
        "<<-'E F'",
        "EOF",
        "E F",
        "\n",
        "\n",
        "\n",
        "\r\n",
        " ",
        " ",
        " ",
        "\t",
        "\\\n",
        "\\",
        "`",
        "# ",
        "#",
        "# escape=`\n",
        "# check=skip=all\n",
        "[",
        "]",
        "\"",
        "\"a\"",
        ",",
        "'",
        "$",
        "${",
        "}",
        "$A",
        "${A:-",
        "${A#",
        "${A/",
        "/",
        "*",
        "?",
        ":",
        "é",
        "漢",
        "\u{feff}",
        "\u{0}",
        "\u{a0}",
        "1",
        "0",
        "!",
    ]);
    prop::collection::vec(piece, 0..60).prop_map(|pieces| pieces.concat())
}

fn check_all(source: &str) {
    let parsed = parse(source);
    assert_eq!(parsed.dockerfile.to_source(), source);
    assert_eq!(parse(&parsed.dockerfile.to_source()), parsed);
    for line in parsed.dockerfile.lines() {
        assert!(
            line.span.end <= source.len() && source.get(line.keyword.range()).is_some(),
            "{line:?}"
        );
        assert!(
            !line.keyword.text(source).replace("\\\n", "").is_empty(),
            "{line:?}"
        );
    }
    let mut diagnostics = parsed.diagnostics.clone();
    diagnostics.extend(lint::check(&parsed.dockerfile, &LintInput::default()));
    for diagnostic in &diagnostics {
        let spans = diagnostic
            .secondary
            .iter()
            .map(|(span, _)| span)
            .chain([&diagnostic.span]);
        for span in spans {
            assert!(source.get(span.range()).is_some(), "{diagnostic:?}");
        }
        let message = diagnostic.message();
        assert!(
            !message.is_empty() && !message.ends_with('.') && !message.contains('\n'),
            "{message}"
        );
    }
    let drawn = render_all("f", source, &diagnostics);
    assert!(
        !drawn.chars().any(|ch| ch.is_control() && ch != '\n'),
        "{drawn:?}"
    );
    // Whatever a trigger is, it is stored as a text that parses to itself.
    for stage in &parsed.dockerfile.stages {
        for instruction in &stage.instructions {
            if let dockerfile_parser::InstructionKind::OnBuild(onbuild) = &instruction.kind
                && parsed.dockerfile.directives.escape.is_none()
                && !parsed.has_errors()
            {
                let trigger = parse_onbuild_trigger(&onbuild.text);
                let keyword = trigger.as_ref().map(dockerfile_parser::Instruction::keyword);
                assert_eq!(keyword.ok(), Some(onbuild.instruction.keyword()), "{onbuild:?}");
            }
        }
    }
}

/// A matcher that is obviously right: tries everything.
fn naive(pattern: &[char], path: &[char]) -> bool {
    match pattern {
        [] => path.is_empty(),
        ['*', rest @ ..] => (0..=path.len()).any(|n| !path[..n].contains(&'/') && naive(rest, &path[n..])),
        ['?', rest @ ..] => path.first().is_some_and(|ch| *ch != '/') && naive(rest, &path[1..]),
        [ch, rest @ ..] => path.first() == Some(ch) && naive(rest, &path[1..]),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn dockerfiles_round_trip(source in dockerfile()) {
        check_all(&source);
        check_all(&format!("FROM a\n{source}"));
    }

    #[test]
    fn any_text_round_trips(source in any::<String>()) {
        check_all(&source);
    }

    #[test]
    fn expansion_never_panics(text in "[a${}:+?#%/*\\\\'\" -]{0,40}", value in "[ab/*]{0,20}") {
        let scope = |name: &str| (name == "a").then(|| value.clone());
        let _ = Word::synthetic(text.clone()).expand(&scope);
        let _ = Word::synthetic(text).expand_list(&scope);
    }

    #[test]
    fn expansion_is_the_identity_without_special_characters(text in "[^$\\\\'\"]*") {
        let nothing = |_: &str| None;
        let expanded = Word::synthetic(text.clone()).expand(&nothing).unwrap();
        prop_assert_eq!(expanded.value, text);
        prop_assert!(expanded.used.is_empty() && expanded.undefined.is_empty());
    }

    #[test]
    fn trimmed_prefixes_and_suffixes_agree_with_a_naive_matcher(
        pattern in "[ab*?]{0,5}", value in "[ab]{0,7}"
    ) {
        let scope = |name: &str| (name == "v").then(|| value.clone());
        let expand = |text: String| Word::synthetic(text).expand(&scope).unwrap().value;
        // A leading `#` or `%` would be the modifier; there is none in the alphabet.
        let chars: Vec<char> = pattern.chars().collect();
        let values: Vec<char> = value.chars().collect();
        let ends: Vec<usize> = (0..=values.len()).filter(|n| naive(&chars, &values[..*n])).collect();
        let starts: Vec<usize> = (0..=values.len()).filter(|n| naive(&chars, &values[*n..])).collect();
        let rest = |n: Option<&usize>| value[n.copied().unwrap_or(0)..].to_owned();
        prop_assert_eq!(expand(format!("${{v#{pattern}}}")), rest(ends.first()));
        prop_assert_eq!(expand(format!("${{v##{pattern}}}")), rest(ends.last()));
        let head = |n: Option<&usize>| value[..n.copied().unwrap_or(value.len())].to_owned();
        prop_assert_eq!(expand(format!("${{v%{pattern}}}")), head(starts.last()));
        prop_assert_eq!(expand(format!("${{v%%{pattern}}}")), head(starts.first()));
    }

    #[test]
    fn globs_agree_with_a_naive_matcher(pattern in "[ab/*?]{0,8}", path in "[ab/]{0,10}") {
        let expected = naive(&pattern.chars().collect::<Vec<_>>(), &path.chars().collect::<Vec<_>>());
        prop_assert_eq!(glob::Pattern::new(&pattern).unwrap().matches(&path), expected);
    }

    #[test]
    fn ignore_files_never_panic_and_prune_safely(
        text in "([!]?[ab*?/\\[\\]^.-]{0,6}\n){0,5}", dir in "[ab](/[ab]){0,2}", below in "[ab](/[ab]){0,1}"
    ) {
        if let Ok(ignore) = IgnoreFile::parse(&text) {
            let path = format!("{dir}/{below}");
            if !ignore.decide(&path).excluded {
                prop_assert!(ignore.may_reinclude_below(&dir), "{:?} {}", text, path);
            }
        }
    }

    #[test]
    fn ignore_files_agree_with_a_naive_matcher(
        patterns in prop::collection::vec(("[!]?", "[ab*?]{1,4}(/[ab*?]{1,3}){0,2}"), 0..8), path in "[ab]{1,3}(/[ab]{1,2}){0,3}"
    ) {
        let text: String = patterns.iter().map(|(not, pattern)| format!("{not}{pattern}\n")).collect();
        let ignore = IgnoreFile::parse(&text).unwrap();
        let ends: Vec<usize> = path.match_indices('/').map(|(at, _)| at).chain([path.len()]).collect();
        let matches = |(_, pattern): &(String, String)| ends.iter().any(|end| naive_ignore(pattern, &path[..*end]));
        let last = patterns.iter().rposition(matches);
        let decision = ignore.decide(&path);
        prop_assert_eq!(decision.pattern, last, "{} {}", text, path);
        prop_assert_eq!(decision.excluded, last.is_some_and(|at| patterns[at].0.is_empty()), "{}", text);
    }
}

/// Ignore patterns without sets and backslashes: `naive` and `**`.
fn naive_ignore(pattern: &str, path: &str) -> bool {
    fn from(pattern: &[char], path: &[char]) -> bool {
        match pattern {
            ['*', '*', rest @ ..] => {
                let rest = rest.strip_prefix(&['/']).unwrap_or(rest);
                let below = |at: usize| path[at] == '/' && from(rest, &path[at + 1..]);
                rest.is_empty() || from(rest, path) || (0..path.len()).any(below)
            }
            ['*', rest @ ..] => (0..=path.len()).any(|n| !path[..n].contains(&'/') && from(rest, &path[n..])),
            ['?', rest @ ..] => path.first().is_some_and(|ch| *ch != '/') && from(rest, &path[1..]),
            [ch, rest @ ..] => path.first() == Some(ch) && from(rest, &path[1..]),
            [] => path.is_empty(),
        }
    }
    let chars = |text: &str| text.chars().collect::<Vec<_>>();
    match pattern.strip_prefix("**") {
        Some(name) if !name.contains(['*', '?']) && !name.starts_with('/') => path.ends_with(name),
        _ => from(&chars(pattern), &chars(path)),
    }
}

/// Thousands of patterns about thousands of paths: minutes, if each were asked about each.
#[test]
fn many_ignore_patterns_end() {
    for (name, text) in inputs::ignore_files(500_000) {
        let ignore = IgnoreFile::parse(&text).unwrap();
        let kept = inputs::paths()
            .filter(|path| !ignore.decide(path).excluded)
            .count();
        assert!(kept > 0, "{name}");
    }
}

/// Each of these would take minutes if anything were quadratic. There is no clock here: the test runner has one.
#[test]
fn much_of_anything_ends() {
    for (name, source) in inputs::hostile(250_000) {
        let parsed = parse(&source);
        assert_eq!(parsed.dockerfile.to_source().len(), source.len(), "{name}");
        let mut diagnostics = parsed.diagnostics;
        diagnostics.extend(lint::check(&parsed.dockerfile, &LintInput::default()));
        assert!(render_all("f", &source, &diagnostics).len() < 250_000, "{name}");
    }
}

#[test]
fn ordinary_files_have_no_errors() {
    for (name, source) in inputs::ordinary() {
        let parsed = parse(&source);
        assert!(!parsed.has_errors(), "{name}: {:?}", parsed.diagnostics.first());
        assert_eq!(parsed.dockerfile.to_source(), source, "{name}");
    }
}

#[test]
fn scopes_are_maps_and_closures() {
    let map = std::collections::BTreeMap::from([("a".to_owned(), "1".to_owned())]);
    let scope: &dyn Scope = &map;
    assert_eq!(Word::synthetic("$a$b").expand(scope).unwrap().value, "1");
}
