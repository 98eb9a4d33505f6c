//! ENV: environment of the image and of later steps.

use std::ops::Range;

use crate::Word;
use crate::diagnostic::Diagnostic;
use crate::instruction::{Context, OWN_LINE, words};
use crate::kind::Kind;

/// `ENV key=value...` or the old `ENV key value`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Env {
    /// The pairs in order.
    pub pairs: Vec<KeyValue>,
}

/// One pair of ENV or LABEL; both words are expanded.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct KeyValue {
    /// The key.
    pub key: Word,
    /// The value, maybe empty.
    pub value: Word,
    /// Written as `key value`, without `=`.
    pub legacy: bool,
}

/// What to do about `NAME = value`.
pub(super) const NO_SPACE: &str = "no space stands before or after `=`";

/// `"name=value"`: the first quote opens before the name and closes behind the `=`.
pub(super) fn quoted_pair(
    cx: &Context<'_>,
    keyword: &'static str,
    word: &Range<usize>,
) -> Option<Diagnostic> {
    let text = cx.text(word);
    let quote = text.chars().next().filter(|ch| matches!(ch, '"' | '\''))?;
    let inner = text.get(1..)?;
    let (name, value) = inner.split_once('=')?;
    if name.contains([quote, '\\', '`']) {
        return None;
    }
    let diagnostic = Diagnostic::error(Kind::QuotedPair { keyword }, cx.span(word));
    Some(match value.strip_suffix(quote) {
        Some(plain) if !plain.contains(quote) && plain.len() < 200 => {
            diagnostic.with_suggestion(format!("{name}={quote}{plain}{quote}"))
        }
        _ => diagnostic.with_help("quotes stand around the value alone"),
    })
}

impl Env {
    pub(crate) fn parse(cx: &mut Context<'_>, args: &Range<usize>) -> Option<Env> {
        KeyValue::parse_all(cx, "ENV", args).map(|pairs| Env { pairs })
    }
}

impl KeyValue {
    /// Pairs of ENV or LABEL. Whether the first word has a `=` decides between the two forms.
    pub(crate) fn parse_all(
        cx: &mut Context<'_>,
        keyword: &'static str,
        args: &Range<usize>,
    ) -> Option<Vec<KeyValue>> {
        let words = words::split(cx.text(args), args.start, cx.escape);
        let Some(first) = words.first() else {
            cx.missing(keyword, "a name and a value");
            return None;
        };
        if !cx.text(first).contains('=') {
            return KeyValue::parse_legacy(cx, keyword, args).map(|pair| vec![pair]);
        }
        let mut pairs = Vec::new();
        for (index, word) in words.iter().enumerate() {
            let text = cx.text(word);
            match text.find('=') {
                None => {
                    let kind = Kind::MissingEquals {
                        keyword,
                        word: text.to_owned(),
                    };
                    let apart = words
                        .get(index + 1)
                        .is_some_and(|next| cx.text(next).starts_with('='));
                    let mut diagnostic = Diagnostic::error(kind, cx.span(word));
                    if text.starts_with('#') {
                        diagnostic = diagnostic.with_help(OWN_LINE);
                    } else if apart {
                        diagnostic = diagnostic.with_help(NO_SPACE);
                    } else if let Some(KeyValue { value, .. }) = pairs.last() {
                        diagnostic = if value.text.is_empty() {
                            diagnostic.with_help(NO_SPACE)
                        } else {
                            diagnostic
                                .with_secondary(value.span, "the value before it ends here")
                                .with_help("quote a value that has spaces in it")
                        };
                    }
                    cx.report(diagnostic);
                    return None;
                }
                Some(0) => {
                    let span = cx.span(word);
                    let mut diagnostic = Diagnostic::error(Kind::BlankName { keyword }, span);
                    if !pairs.is_empty() {
                        diagnostic = diagnostic.with_help(NO_SPACE);
                    }
                    cx.report(diagnostic);
                    return None;
                }
                Some(at) => {
                    if let Some(diagnostic) = quoted_pair(cx, keyword, word) {
                        cx.report(diagnostic);
                        return None;
                    }
                    let key = cx.word(word.start..word.start + at);
                    let value = cx.word(word.start + at + 1..word.end);
                    pairs.push(KeyValue {
                        key,
                        value,
                        legacy: false,
                    });
                }
            }
        }
        Some(pairs)
    }

    /// `key rest of the line`.
    fn parse_legacy(cx: &mut Context<'_>, keyword: &'static str, args: &Range<usize>) -> Option<KeyValue> {
        let end = cx.split(args).first().map_or(args.end, |first| first.end);
        let value = cx.trim(end..args.end);
        if value.is_empty() {
            let name = cx.text(args).to_owned();
            let span = cx.span(args);
            let kind = Kind::MissingArguments {
                keyword,
                expected: "a value for the name",
            };
            let suggestion = match name.split_once(':') {
                // As in YAML, without its space.
                Some((name, value)) => format!("{name}={value}"),
                None => format!("{name}="),
            };
            cx.report(Diagnostic::error(kind, span).with_suggestion(suggestion));
            return None;
        }
        let key = cx.word(args.start..end);
        let value = cx.word(value);
        Some(KeyValue {
            key,
            value,
            legacy: true,
        })
    }
}
