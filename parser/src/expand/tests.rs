use super::*;

fn scope(name: &str) -> Option<String> {
    let value = match name {
        "PWD" => "/home",
        "SHELL" => "bash",
        "EMPTY" => "",
        "IMAGE" => "registry.example/team/app:1.2.3-alpine",
        "SPACED" => " a  b ",
        "STAR" => "*",
        "Ü" => "umlaut",
        _ => return None,
    };
    Some(value.to_owned())
}

fn word(text: &str) -> Word {
    Word::synthetic(text)
}

fn value(text: &str) -> Result<String, ExpandErrorKind> {
    word(text).expand(&scope).map(|e| e.value).map_err(|e| e.kind)
}

#[test]
fn plain_and_quoted() {
    for (text, expected) in [
        ("hello", "hello"),
        ("he'll'o", "hello"),
        ("he'll", "?"),
        ("'hello", "?"),
        ("'hello there'", "hello there"),
        ("'he$PWD'", "he$PWD"),
        ("'he\\'o", "he\\o"),
        ("\"he\"l'l'o", "hello"),
        ("\"he'llo\"", "he'llo"),
        ("\"he$PWD\"", "he/home"),
        ("\"he\\$PWD\"", "he$PWD"),
        ("\"he\\\"llo\"", "he\"llo"),
        ("\"he\\\\llo\"", "he\\llo"),
        ("\"he\\llo\"", "he\\llo"),
        ("\"he`llo\"", "he`llo"),
        ("he\\llo", "hello"),
        ("he\\\\llo", "he\\llo"),
        ("hello\\", "hello"),
        ("\"hello\\", "?"),
        ("a\\ b", "a b"),
        ("\\'a", "'a"),
        ("\\$PWD", "$PWD"),
        ("\\\\$PWD", "\\/home"),
        ("", ""),
        ("\"\"", ""),
        ("''", ""),
    ] {
        match value(text) {
            Ok(got) => assert_eq!(got, expected, "{text}"),
            Err(kind) => {
                assert_eq!(expected, "?", "{text}: {kind}");
                assert!(
                    matches!(kind, ExpandErrorKind::UnclosedQuote(_)),
                    "{text}: {kind}"
                );
            }
        }
    }
}

#[test]
fn variables() {
    for (text, expected) in [
        ("$PWD", "/home"),
        ("${PWD}", "/home"),
        ("he$PWDx", "he"),
        ("he${PWD}x", "he/homex"),
        ("$PWD/$SHELL", "/home/bash"),
        ("$UNSET", ""),
        ("${UNSET}", ""),
        ("$", "$"),
        ("a$", "a$"),
        ("$.", "$."),
        ("$/x", "$/x"),
        ("$1", ""),
        ("$12a", "a"),
        ("$@", ""),
        ("$#", ""),
        ("$?x", "x"),
        ("$$", ""),
        ("$Ü", "umlaut"),
        ("\"$SHELL\"'$SHELL'", "bash$SHELL"),
        ("$'x'", "$x"),
        ("${PWD}${SHELL}", "/homebash"),
    ] {
        assert_eq!(value(text).as_deref(), Ok(expected), "{text}");
    }
}

#[test]
fn defaults() {
    for (text, expected) in [
        ("${UNSET:-w}", "w"),
        ("${UNSET-w}", "w"),
        ("${EMPTY:-w}", "w"),
        ("${EMPTY-w}", ""),
        ("${PWD:-w}", "/home"),
        ("${PWD-w}", "/home"),
        ("${UNSET:+w}", ""),
        ("${UNSET+w}", ""),
        ("${EMPTY:+w}", ""),
        ("${EMPTY+w}", "w"),
        ("${PWD:+w}", "w"),
        ("${PWD+w}", "w"),
        ("${PWD:?no}", "/home"),
        ("${EMPTY?no}", ""),
        ("${UNSET:-}", ""),
        ("${UNSET:-$SHELL}", "bash"),
        ("${UNSET:-${SHELL}}", "bash"),
        ("${UNSET:-${EMPTY:-${SHELL}x}y}z", "bashxyz"),
        ("${UNSET:-a b}", "a b"),
        ("${UNSET:-'a}b'}", "a}b"),
        ("${UNSET:-\"a b\"}", "a b"),
        ("\"${UNSET:-\"a b\"}\"", "a b"),
        ("${UNSET:-a\\}b}", "a}b"),
        ("${UNSET:-a:b}", "a:b"),
        ("a${UNSET:+x}b", "ab"),
    ] {
        assert_eq!(value(text).as_deref(), Ok(expected), "{text}");
    }
}

#[test]
fn errors_by_request() {
    let not_set = |name: &str, message: &str| ExpandErrorKind::NotSet {
        name: name.into(),
        message: message.into(),
    };
    assert_eq!(value("${UNSET:?give one}"), Err(not_set("UNSET", "give one")));
    assert_eq!(value("${UNSET?$SHELL}"), Err(not_set("UNSET", "bash")));
    assert_eq!(value("${UNSET?}"), Err(not_set("UNSET", "")));
    let empty = ExpandErrorKind::Empty {
        name: "EMPTY".into(),
        message: "m".into(),
    };
    assert_eq!(value("${EMPTY:?m}"), Err(empty));
}

#[test]
fn trimming_and_replacing() {
    for (text, expected) in [
        ("${IMAGE#*/}", "team/app:1.2.3-alpine"),
        ("${IMAGE##*/}", "app:1.2.3-alpine"),
        ("${IMAGE%-*}", "registry.example/team/app:1.2.3"),
        ("${IMAGE%%:*}", "registry.example/team/app"),
        ("${IMAGE%.*}", "registry.example/team/app:1.2"),
        ("${IMAGE#nothing}", "registry.example/team/app:1.2.3-alpine"),
        ("${IMAGE#registry?example/}", "team/app:1.2.3-alpine"),
        ("${IMAGE/e/E}", "rEgistry.example/team/app:1.2.3-alpine"),
        ("${IMAGE//e/E}", "rEgistry.ExamplE/tEam/app:1.2.3-alpinE"),
        ("${IMAGE/*\\/}", "?"),
        ("${IMAGE/*\\//}", "app:1.2.3-alpine"),
        ("${PWD/\\/home/x}", "x"),
        ("${PWD//\\//-}", "-home"),
        ("${IMAGE//[a-z]/}", "registry.example/team/app:1.2.3-alpine"),
        ("${STAR#\\*}", ""),
        ("${PWD#$PWD}", ""),
        ("${PWD/$PWD/$SHELL}", "bash"),
        ("${PWD/home/\\$1}", "/\\$1"),
        ("${UNSET#x}", ""),
        ("${UNSET/x/y}", ""),
        ("${SHELL%h}", "bas"),
    ] {
        match value(text) {
            Ok(got) => assert_eq!(got, expected, "{text}"),
            Err(kind) => assert_eq!((expected, kind), ("?", ExpandErrorKind::MissingSlash), "{text}"),
        }
    }
}

#[test]
fn malformed() {
    use ExpandErrorKind as K;
    for (text, kind) in [
        ("${}", K::BadSubstitution),
        ("${{", K::BadSubstitution),
        ("${:-x}", K::BadSubstitution),
        ("${", K::UnclosedBrace),
        ("${PWD", K::UnclosedBrace),
        ("${PWD:", K::UnclosedBrace),
        ("${PWD:-x", K::UnclosedBrace),
        ("${PWD:-${SHELL}", K::UnclosedBrace),
        ("${PWD/a", K::MissingSlash),
        ("${PWD/a/b", K::UnclosedBrace),
        ("${.}", K::UnsupportedModifier(".".into())),
        ("${PWD:=x}", K::UnsupportedModifier(":=".into())),
        ("${PWD:0:2}", K::UnsupportedModifier(":0".into())),
        ("${PWD^^}", K::UnsupportedModifier("^".into())),
        ("${!PWD}", K::UnsupportedModifier("P".into())),
        ("${PWD x}", K::UnsupportedModifier(" ".into())),
        ("${PWD#\\x}", K::InvalidPattern("\\x".into())),
    ] {
        assert_eq!(value(text), Err(kind), "{text}");
    }
}

#[test]
fn lists_split_outside_quotes() {
    let list = |text: &str| word(text).expand_list(&scope).unwrap().0;
    assert_eq!(list("$SPACED"), ["a", "b"]);
    assert_eq!(list("x$SPACED"), ["x", "a", "b"]);
    assert_eq!(list("\"$SPACED\""), [" a  b "]);
    assert_eq!(list("a\\ b 'c d'"), ["a b", "c d"]);
    assert_eq!(list("$UNSET"), Vec::<String>::new());
    assert_eq!(list("80 $EMPTY 443"), ["80", "443"]);
}

#[test]
fn backtick_escape() {
    let mut text = word("c:\\a`$PWD`` $PWD");
    text.escape = Escape::Backtick;
    assert_eq!(text.expand(&scope).unwrap().value, "c:\\a$PWD` /home");
}

#[test]
fn heredoc_bodies_keep_quotes() {
    let mut text = word("it's \"$SHELL\" \\$x \\\\ ${UNSET:-'d'}\n");
    text.mode = Mode::RawQuotes;
    assert_eq!(text.expand(&scope).unwrap().value, "it's \"bash\" $x \\ 'd'\n");
}

#[test]
fn reports_what_was_read_and_where() {
    let mut text = word("a$UNSET${NO:-$SHELL}$SHELL${NOPE#x}");
    text.exact = true;
    text.span = Span::new(100, 100 + text.text.len());
    let expanded = text.expand(&scope).unwrap();
    assert_eq!(expanded.used, ["SHELL"]);
    assert_eq!(
        expanded.undefined,
        [
            ("UNSET".to_owned(), Span::new(101, 107)),
            ("NOPE".to_owned(), Span::new(126, 135))
        ]
    );
    let mut text = word("ab${PWD:=x}");
    text.exact = true;
    assert_eq!(text.expand(&scope).unwrap_err().span, Span::new(7, 9));
}

#[test]
fn no_stack_overflow_and_no_explosion() {
    assert_eq!(value(&"${a:-".repeat(100_000)), Err(ExpandErrorKind::TooDeep));
    let big = "x".repeat(MAX_VALUE / 2 + 1);
    let doubling = |_: &str| Some(big.clone());
    assert_eq!(
        word("$a$a").expand(&doubling).map_err(|e| e.kind),
        Err(ExpandErrorKind::TooLong)
    );
}

#[test]
fn without_special_characters_it_is_the_identity() {
    for text in ["a b", "ä", "x=y", "{a}", "}", "a/b#c%d", "~"] {
        assert_eq!(value(text).as_deref(), Ok(text));
    }
}
