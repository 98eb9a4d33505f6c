//! Words between the keyword and the arguments that were meant as flags, and are none.

use std::ops::Range;

use crate::diagnostic::Diagnostic;
use crate::flag::{FlagType, RawFlag};
use crate::instruction::Context;
use crate::kind::Kind;
use crate::lookalike;

/// The flags that a keyword knows.
type KnownFlags = [(&'static str, FlagType)];

/// Reports a flag whose value stands behind a space, that has the wrong dashes, or that stands behind the arguments;
/// `true` when there was one, so that what the arguments are is not known.
pub(crate) fn check(
    cx: &mut Context<'_>,
    keyword: &'static str,
    last: Option<&RawFlag>,
    args: &Range<usize>,
    known: &KnownFlags,
) -> bool {
    let before = cx.text(&(0..args.start)).trim_end();
    // After a `--` all is as it stands, and in the JSON form too.
    if known.is_empty() || before.ends_with(" --") || cx.text(args).starts_with('[') {
        return false;
    }
    let words = cx.split(args);
    let diagnostic = apart(cx, keyword, last, &words, known)
        .or_else(|| dashes(cx, words.first()?, known))
        .or_else(|| behind(cx, keyword, &words, known));
    let Some(diagnostic) = diagnostic else {
        return false;
    };
    cx.report(diagnostic);
    true
}

/// `--platform linux/arm64`, when what follows reads as a value.
fn apart(
    cx: &Context<'_>,
    keyword: &str,
    last: Option<&RawFlag>,
    words: &[Range<usize>],
    known: &KnownFlags,
) -> Option<Diagnostic> {
    let flag = last.filter(|flag| flag.value().is_none())?;
    let (name, _) = known
        .iter()
        .find(|(name, takes)| *name == flag.name() && *takes != FlagType::Bool)?;
    let (first, value) = (words.first()?, cx.text(words.first()?));
    let is_value = match (keyword, *name) {
        ("FROM", _) => words
            .get(1)
            .is_some_and(|word| !cx.text(word).eq_ignore_ascii_case("as")),
        ("COPY" | "ADD", _) => words.len() > 2,
        ("HEALTHCHECK", _) => !["CMD", "NONE"]
            .iter()
            .any(|word| value.eq_ignore_ascii_case(word)),
        ("RUN", "network") => matches!(value, "default" | "none" | "host"),
        ("RUN", "security") => matches!(value, "sandbox" | "insecure"),
        _ => value.contains('='),
    };
    if !is_value || value.len() > 200 {
        return None;
    }
    let kind = Kind::FlagNeedsValue {
        flag: (*name).to_owned(),
    };
    let span = cx.span(&(flag.range().start..first.end));
    let joined = format!("--{name}={value}");
    Some(
        Diagnostic::error(kind, span)
            .with_help(format!("write `{joined}`"))
            .with_suggestion(joined),
    )
}

/// `-from=a`, or with a dash that a word processor made of two.
fn dashes(cx: &Context<'_>, word: &Range<usize>, known: &KnownFlags) -> Option<Diagnostic> {
    let text = cx.text(word);
    let bare = text.trim_start_matches(|ch| ch == '-' || lookalike::is_dash(ch));
    if bare.len() == text.len() || !is_known(bare, known) {
        return None;
    }
    let kind = Kind::FlagDashes {
        word: text.to_owned(),
    };
    Some(Diagnostic::error(kind, cx.span(word)).with_suggestion(format!("--{bare}")))
}

/// `COPY a /b --chown=1`, `HEALTHCHECK CMD --interval=5s true`.
fn behind(cx: &Context<'_>, keyword: &str, words: &[Range<usize>], known: &KnownFlags) -> Option<Diagnostic> {
    let (words, help) = match keyword {
        "COPY" | "ADD" => (words, "flags stand before the source"),
        "HEALTHCHECK" => (words.get(1..2)?, "flags stand before `CMD`"),
        _ => return None,
    };
    let bare = |word: &&Range<usize>| cx.text(word).strip_prefix("--");
    let guilty = words
        .iter()
        .find(|word| bare(word).is_some_and(|bare| is_known(bare, known)))?;
    let kind = Kind::MisplacedFlag {
        flag: bare(&guilty)?.split('=').next()?.to_owned(),
    };
    Some(Diagnostic::error(kind, cx.span(guilty)).with_help(help))
}

fn is_known(bare: &str, known: &KnownFlags) -> bool {
    let name = bare.split('=').next().unwrap_or_default();
    known.iter().any(|(known, _)| *known == name)
}

#[cfg(test)]
mod tests {
    fn told(line: &str) -> Vec<(String, Option<String>)> {
        let parsed = crate::parse(&format!("FROM a\n{line}\n"));
        parsed
            .diagnostics
            .into_iter()
            .map(|d| (d.message(), d.help))
            .collect()
    }

    #[test]
    fn one_error_says_what_to_write() {
        let check = |line: &str, message: &str, help: &str| {
            assert_eq!(
                told(line),
                [(message.to_owned(), Some(help.to_owned()))],
                "{line}"
            );
        };
        let needs = |flag: &str| format!("the flag `--{flag}` needs a value");
        check(
            "FROM --platform linux/amd64 x",
            &needs("platform"),
            "write `--platform=linux/amd64`",
        );
        check(
            "FROM --platform linux/amd64 x AS y",
            &needs("platform"),
            "write `--platform=linux/amd64`",
        );
        check("COPY --from foo a b", &needs("from"), "write `--from=foo`");
        check("ADD --chown 1:1 a b", &needs("chown"), "write `--chown=1:1`");
        check(
            "HEALTHCHECK --interval 5s CMD true",
            &needs("interval"),
            "write `--interval=5s`",
        );
        check(
            "RUN --mount type=cache,target=/x make",
            &needs("mount"),
            "write `--mount=type=cache,target=/x`",
        );
        check(
            "RUN --network none make",
            &needs("network"),
            "write `--network=none`",
        );
        check(
            "ONBUILD COPY --from foo a b",
            &needs("from"),
            "write `--from=foo`",
        );
        let dashes = |word: &str| format!("`{word}` is no flag: a flag begins with `--`");
        check(
            "COPY -from=foo a /x",
            &dashes("-from=foo"),
            "did you mean `--from=foo`?",
        );
        check(
            "COPY \u{2014}from=foo a /x",
            &dashes("\u{2014}from=foo"),
            "did you mean `--from=foo`?",
        );
        check(
            "HEALTHCHECK \u{2013}interval=5s CMD x",
            &dashes("\u{2013}interval=5s"),
            "did you mean `--interval=5s`?",
        );
        check(
            "RUN -mount=type=tmpfs,target=/x y",
            &dashes("-mount=type=tmpfs,target=/x"),
            "did you mean `--mount=type=tmpfs,target=/x`?",
        );
        check(
            "FROM -platform=linux/arm64 x",
            &dashes("-platform=linux/arm64"),
            "did you mean `--platform=linux/arm64`?",
        );
        let behind = |flag: &str| format!("the flag `--{flag}` stands behind the arguments");
        check(
            "COPY a /x --chown=1:1",
            &behind("chown"),
            "flags stand before the source",
        );
        check(
            "ADD a --link /x",
            &behind("link"),
            "flags stand before the source",
        );
        check(
            "HEALTHCHECK CMD --interval=5s x",
            &behind("interval"),
            "flags stand before `CMD`",
        );
    }

    #[test]
    fn what_is_an_argument_stays_one() {
        for fine in [
            "COPY -- -from=foo --link /x",
            "COPY [\"--chown=1\", \"/x\"]",
            "COPY -a --b /x",
            "RUN -x",
            "RUN a --mount=x",
            "HEALTHCHECK CMD a --interval=5s",
            "CMD -x",
        ] {
            assert_eq!(told(fine), [], "{fine}");
        }
        let no_help = |line: &str| told(line).into_iter().all(|(_, help)| help.is_none());
        for line in [
            "FROM --platform x",
            "FROM --platform x AS y",
            "COPY --from a b",
            "RUN --mount make",
        ] {
            assert!(no_help(line), "{line}");
        }
    }
}
