//! ENV: environment of the image and of later steps.

use std::ops::Range;

use crate::Word;
use crate::diagnostic::Diagnostic;
use crate::instruction::{Context, words};
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
        for word in words {
            let text = cx.text(&word);
            match text.find('=') {
                None => {
                    let kind = Kind::MissingEquals {
                        keyword,
                        word: text.to_owned(),
                    };
                    let span = cx.span(&word);
                    let mut diagnostic = Diagnostic::error(kind, span);
                    if let Some(KeyValue { value, .. }) = pairs.last() {
                        diagnostic = diagnostic
                            .with_secondary(value.span, "the value before it ends here")
                            .with_help("quote a value that has spaces in it");
                    }
                    cx.report(diagnostic);
                    return None;
                }
                Some(0) => {
                    cx.error(Kind::BlankName { keyword }, &word);
                    return None;
                }
                Some(at) => {
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
            cx.report(Diagnostic::error(kind, span).with_suggestion(format!("{name}=")));
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
