//! `--name=value` between the keyword and the arguments: reading them, and checking them against what a keyword
//! knows.

use std::ops::Range;

use crate::instruction::Context;
use crate::kind::Kind;
use crate::{Diagnostic, Span, Word, misread, suggest};

/// A flag as written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RawFlag {
    /// `--name=value`, quotes removed.
    text: String,
    /// Where the name ends in it.
    name_end: usize,
    /// Where it stands in the logical line.
    range: Range<usize>,
    /// Nothing was quoted or escaped, so offsets carry over.
    exact: bool,
    /// A quote that is not closed, and where it stands: all that follows is in the flag.
    open_quote: Option<(usize, char)>,
}

impl RawFlag {
    fn new(text: String, range: Range<usize>, exact: bool) -> RawFlag {
        let name_end = text.find('=').unwrap_or(text.len());
        RawFlag {
            text,
            name_end,
            range,
            exact,
            open_quote: None,
        }
    }

    /// The name without dashes.
    pub(crate) fn name(&self) -> &str {
        self.text.get(2..self.name_end).unwrap_or_default()
    }

    /// What follows `=`.
    pub(crate) fn value(&self) -> Option<&str> {
        self.text.get(self.name_end + 1..)
    }

    /// Where the whole flag stands.
    pub(crate) fn range(&self) -> Range<usize> {
        self.range.clone()
    }

    /// Where `--name` stands; the whole flag when it was quoted.
    fn name_range(&self) -> Range<usize> {
        if self.exact {
            self.range.start..self.range.start + 2 + self.name().len()
        } else {
            self.range.clone()
        }
    }

    /// Where the value stands; the whole flag when it was quoted.
    pub(crate) fn value_range(&self) -> Range<usize> {
        match self.value() {
            Some(value) if self.exact => self.range.end - value.len()..self.range.end,
            _ => self.range.clone(),
        }
    }
}

/// Reads the flags at the start of `text[start..]`; returns them and where the arguments begin. `--` ends them.
/// A backslash escapes here whatever `# escape=` says, as in BuildKit.
pub(crate) fn read(text: &str, start: usize) -> (Vec<RawFlag>, usize) {
    let mut flags = Vec::new();
    let mut pos = start;
    loop {
        let rest = text.get(pos..).unwrap_or_default();
        pos += rest.len() - rest.trim_start().len();
        let rest = text.get(pos..).unwrap_or_default();
        if !rest.starts_with("--") {
            return (flags, pos);
        }
        let begin = pos;
        let plain = rest.find(char::is_whitespace).unwrap_or(rest.len());
        let first = rest.get(..plain).unwrap_or_default();
        if first.len() > 2 && !first.contains(['"', '\'', '\\']) {
            pos += plain;
            flags.push(RawFlag::new(first.to_owned(), begin..pos, true));
            continue;
        }
        let mut word = String::new();
        let mut exact = true;
        let mut quote = None;
        let mut chars = rest.char_indices().peekable();
        let mut end = text.len();
        while let Some((at, ch)) = chars.next() {
            match ch {
                '\\' => {
                    exact = false;
                    if let Some((_, escaped)) = chars.next() {
                        word.push(escaped);
                    }
                }
                _ if quote.is_some_and(|(_, open)| open == ch) => quote = None,
                _ if quote.is_some() => word.push(ch),
                '"' | '\'' => {
                    exact = false;
                    quote = Some((begin + at, ch));
                }
                _ if ch.is_whitespace() => {
                    end = begin + at;
                    break;
                }
                _ => word.push(ch),
            }
        }
        pos = end;
        if word == "--" {
            let rest = text.get(pos..).unwrap_or_default();
            return (flags, pos + (rest.len() - rest.trim_start().len()));
        }
        flags.push(RawFlag {
            open_quote: quote,
            ..RawFlag::new(word, begin..end, exact)
        });
    }
}

/// The quote of a flag that is not closed. BuildKit lets it swallow the arguments, which nobody can have wanted.
pub(crate) fn open_quote(flags: &[RawFlag]) -> Option<(usize, char)> {
    flags.last()?.open_quote
}

/// What a flag takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FlagType {
    /// Nothing, `true` or `false`.
    Bool,
    /// One value.
    Value,
    /// One value, and the flag may be repeated.
    List,
}

/// The checked flags of one instruction.
pub(crate) struct Flags {
    flags: Vec<RawFlag>,
}

impl Flags {
    /// Checks names, repetition and the shape of values; what is wrong is reported and left out. `None` when so much
    /// is wrong that the arguments are not what they seem.
    pub(crate) fn check(
        cx: &mut Context<'_>,
        keyword: &'static str,
        mut flags: Vec<RawFlag>,
        args: &Range<usize>,
        known: &[(&'static str, FlagType)],
    ) -> Option<Flags> {
        let told = cx.diagnostics.len();
        let misread = misread::check(cx, keyword, flags.last(), args, known);
        if misread {
            flags.pop_if(|last| last.value().is_none());
        }
        let mut good: Vec<RawFlag> = Vec::new();
        let mut first: Vec<(&str, Range<usize>)> = Vec::new();
        for flag in flags {
            let Some((name, flag_type)) = known.iter().find(|(known, _)| *known == flag.name()) else {
                let diagnostic = unknown(cx, keyword, &flag, known);
                cx.report(diagnostic);
                continue;
            };
            if *flag_type != FlagType::List {
                if let Some((_, first)) = first.iter().find(|(first, _)| first == name) {
                    let (span, first) = (cx.span(&flag.range), cx.span(first));
                    let kind = Kind::RepeatedFlag {
                        flag: (*name).to_owned(),
                    };
                    cx.report(Diagnostic::error(kind, span).with_secondary(first, "first given here"));
                    continue;
                }
                first.push((name, flag.range.clone()));
            }
            let name = || (*name).to_owned();
            let bad = match (flag_type, flag.value()) {
                (FlagType::Bool, None) => None,
                (FlagType::Bool, Some(value)) => match value.to_ascii_lowercase().as_str() {
                    "true" | "false" => None,
                    "" => Some(Kind::FlagNeedsValue { flag: name() }),
                    _ => Some(Kind::FlagNotBoolean {
                        flag: name(),
                        value: value.to_owned(),
                    }),
                },
                (_, None) => Some(Kind::FlagNeedsValue { flag: name() }),
                (_, Some(_)) => None,
            };
            match bad {
                Some(kind) => {
                    let span = cx.span(&flag.value_range());
                    cx.report(Diagnostic::error(kind, span));
                }
                None => good.push(flag),
            }
        }
        // A flag that is wrong was meant as the arguments that are missing: one error is enough.
        let stands_for_args = args.is_empty() && cx.diagnostics.len() > told;
        (!misread && !stands_for_args).then_some(Flags { flags: good })
    }

    /// The flag as written.
    pub(crate) fn get(&self, name: &str) -> Option<&RawFlag> {
        self.flags.iter().find(|flag| flag.name() == name)
    }

    /// All of a flag that may be repeated.
    pub(crate) fn all(&self, name: &str) -> impl Iterator<Item = &RawFlag> {
        self.flags.iter().filter(move |flag| flag.name() == name)
    }

    /// A boolean flag, when it was given.
    pub(crate) fn bool(&self, name: &str) -> Option<bool> {
        self.get(name).map(|flag| {
            flag.value()
                .is_none_or(|value| value.eq_ignore_ascii_case("true"))
        })
    }

    /// The value as a word; an empty one is as none.
    pub(crate) fn word(&self, cx: &mut Context<'_>, name: &str) -> Option<Word> {
        let flag = self.get(name)?;
        let value = flag.value().filter(|value| !value.is_empty())?;
        Some(cx.flag_word(value, flag.value_range(), flag.exact))
    }

    /// The value and where it stands.
    pub(crate) fn value(&self, cx: &Context<'_>, name: &str) -> Option<(String, Span)> {
        let flag = self.get(name)?;
        Some((
            flag.value().unwrap_or_default().to_owned(),
            cx.span(&flag.value_range()),
        ))
    }
}

impl RawFlag {
    /// Whether offsets in the value are offsets in the logical line.
    pub(crate) fn is_exact(&self) -> bool {
        self.exact
    }
}

fn unknown(
    cx: &Context<'_>,
    keyword: &'static str,
    flag: &RawFlag,
    known: &[(&'static str, FlagType)],
) -> Diagnostic {
    let name = flag.name();
    let span = cx.span(&flag.name_range());
    let diagnostic = Diagnostic::error(
        Kind::UnknownFlag {
            keyword,
            flag: name.to_owned(),
        },
        span,
    );
    if let Some(nearest) = suggest::nearest(name, known.iter().map(|(known, _)| *known)) {
        return diagnostic.with_suggestion(format!("--{nearest}"));
    }
    match (keyword, name) {
        ("ADD", "from") => diagnostic.with_help("only `COPY` takes files from a stage or an image"),
        ("ADD", "parents") => diagnostic.with_help("only `COPY` has `--parents`"),
        ("COPY", "checksum" | "keep-git-dir" | "unpack") => {
            diagnostic.with_help(format!("only `ADD` has `--{name}`"))
        }
        ("FROM", "after") => {
            diagnostic.with_help("stages wait for what they copy from; there is no `--after`")
        }
        _ if known.is_empty() => {
            let json = match keyword {
                "CMD" | "ENTRYPOINT" | "SHELL" | "VOLUME" => " or into the JSON form",
                _ => "",
            };
            diagnostic.with_help(format!(
                "`{keyword}` has no flags; arguments that begin with `--` go after a `--`{json}"
            ))
        }
        _ => {
            let names: Vec<String> = known.iter().map(|(name, _)| format!("`--{name}`")).collect();
            diagnostic.with_help(format!("`{keyword}` knows {}", names.join(", ")))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(text: &str) -> (Vec<String>, &str) {
        let (flags, rest) = read(text, 0);
        (flags.into_iter().map(|f| f.text).collect(), &text[rest..])
    }

    #[test]
    fn reads_until_the_first_argument() {
        let check = |text: &str, flags: &[&str], rest: &str| {
            assert_eq!(
                split(text),
                (flags.iter().map(|f| f.to_string()).collect(), rest),
                "{text}"
            );
        };
        check("  a --b", &[], "a --b");
        check("--a --b=c d --e", &["--a", "--b=c"], "d --e");
        check("--a='x y' \"z\"", &["--a=x y"], "\"z\"");
        check("--a=x\\ y z", &["--a=x y"], "z");
        check("--a=\"x\\\"y\" z", &["--a=x\"y"], "z");
        check("--a -- --b", &["--a"], "--b");
        check("--", &[], "");
        check("--a", &["--a"], "");
        check("--a='open x", &["--a=open x"], "");
        check("-a --b", &[], "-a --b");
        check("--ä=ö x", &["--ä=ö"], "x");
    }

    #[test]
    fn quotes_that_are_not_closed() {
        let open = |text: &str| open_quote(&read(text, 0).0);
        assert_eq!(open("--a=\"x y"), Some((4, '"')));
        assert_eq!(open("--b --a='x\" y"), Some((8, '\'')));
        assert_eq!(open("--a=\"x\\\" y"), Some((4, '"')));
        for closed in ["--a=\"x y\"", "--a=x\\\" y", "--a=x \"y", "-- \"y", ""] {
            assert_eq!(open(closed), None, "{closed}");
        }
    }
}
