//! FROM: begins a stage.

use std::ops::Range;

use crate::diagnostic::Diagnostic;
use crate::expand::ExpandErrorKind;
use crate::flag::{FlagType, Flags, RawFlag};
use crate::instruction::{Context, OWN_LINE};
use crate::kind::Kind;
use crate::platform::Platform;
use crate::{Span, Word, lookalike};

/// `FROM [--platform=p] base [AS name]`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct From {
    /// `--platform=`, with global ARGs.
    pub platform: Option<Word>,
    /// Image, earlier stage, named context or `scratch`, with global ARGs.
    pub base: Word,
    /// The name given by AS.
    pub name: Option<StageName>,
}

/// The name of a stage.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct StageName {
    /// In lower case: names are compared without case.
    pub value: String,
    /// As written.
    pub text: String,
    /// Where it stands.
    pub span: Span,
    /// The `AS` keyword.
    pub as_keyword: Span,
    /// `AS` as written.
    pub as_text: String,
}

impl From {
    pub(crate) fn parse(cx: &mut Context<'_>, args: &Range<usize>, flags: Vec<RawFlag>) -> Option<From> {
        let flags = Flags::check(cx, "FROM", flags, args, &[("platform", FlagType::Value)])?;
        let platform = flags.word(cx, "platform");
        if let Some(word) = &platform
            && !word.text.contains(['$', '"', '\''])
            && Platform::parse(&word.text, &Platform::new("linux", "amd64", "")).is_err()
        {
            let kind = Kind::InvalidFlagValue {
                flag: "platform",
                value: word.text.clone(),
                expected: "a platform like `linux/arm64`",
            };
            cx.report(Diagnostic::error(kind, word.span));
        }
        let words = cx.split(args);
        let (base, name) = match words.as_slice() {
            [] => {
                cx.missing("FROM", "an image");
                return None;
            }
            [base] if lookalike::find(cx.text(base)).is_some_and(|found| found.is_blank()) => {
                // The help names the character.
                cx.error(Kind::FromArguments, base);
                return None;
            }
            [base] => (base, None),
            [base, keyword, name] if cx.text(keyword).eq_ignore_ascii_case("as") => {
                (base, Some((keyword, name)))
            }
            [base, rest @ ..] => {
                let diagnostic = arguments(cx, base, rest);
                cx.report(diagnostic);
                return None;
            }
        };
        let base = cx.word(base.clone());
        let name = match name {
            None => None,
            Some((keyword, name)) => Some(StageName::parse(cx, keyword, name)?),
        };
        Some(From { platform, base, name })
    }
}

/// What is wrong with FROM when there are too many words.
fn arguments(cx: &Context<'_>, base: &Range<usize>, rest: &[Range<usize>]) -> Diagnostic {
    let guilty = rest.first().map_or(0, |r| r.start)..rest.last().map_or(0, |r| r.end);
    let (image, text) = (cx.text(base), cx.text(&guilty));
    if image
        .rfind("${")
        .is_some_and(|at| !image.get(at..).unwrap_or_default().contains('}'))
    {
        let kind = Kind::Expand(ExpandErrorKind::UnclosedBrace);
        return Diagnostic::error(kind, cx.span(base))
            .with_help("a word ends at a space, inside of `${...}` too; write its text without spaces");
    }
    if lookalike::find(image).is_some_and(|found| found.is_blank()) {
        // The help names the character.
        return Diagnostic::error(Kind::FromArguments, cx.span(base));
    }
    if image.eq_ignore_ascii_case("as") && rest.len() == 1 {
        return Diagnostic::error(Kind::FromArguments, cx.span(base))
            .with_help("the image before `AS` is missing");
    }
    let diagnostic = Diagnostic::error(Kind::FromArguments, cx.span(&guilty));
    match rest {
        _ if text.starts_with("--") => diagnostic.with_help("flags stand before the image"),
        _ if text.starts_with('#') => diagnostic.with_help(OWN_LINE),
        [name] if cx.text(name).eq_ignore_ascii_case("as") => {
            diagnostic.with_help("`AS` is followed by the name of the stage")
        }
        _ if image.ends_with([':', '@', '/']) || text.starts_with([':', '@', '/']) => {
            diagnostic.with_help("no space stands within the name of an image")
        }
        [name] => diagnostic.with_suggestion(format!("AS {}", cx.text(name))),
        _ => diagnostic,
    }
}

impl StageName {
    fn parse(cx: &mut Context<'_>, keyword: &Range<usize>, name: &Range<usize>) -> Option<StageName> {
        let text = cx.text(name).to_owned();
        let value = text.to_lowercase();
        let valid = value.starts_with(|ch: char| ch.is_ascii_lowercase())
            && value
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-_.".contains(&b));
        if !valid {
            let span = cx.span(name);
            cx.report(
                Diagnostic::error(Kind::InvalidStageName { name: text }, span).with_help(
                    "a name begins with a letter and goes on with letters, digits, `-`, `_` and `.`",
                ),
            );
            return None;
        }
        let as_text = cx.text(keyword).to_owned();
        Some(StageName {
            value,
            text,
            span: cx.span(name),
            as_keyword: cx.span(keyword),
            as_text,
        })
    }
}
