//! What every keyword's parser works with: the logical line, its heredocs, and where errors go.

use std::ops::Range;

use crate::diagnostic::Diagnostic;
use crate::expand::{self, Escape, ExpandErrorKind, Mode};
use crate::heredoc::Heredoc;
use crate::json::{self, Array};
use crate::kind::Kind;
use crate::line::Logical;
use crate::{Span, Word};

/// One instruction while it is parsed.
pub(crate) struct Context<'a> {
    pub(crate) source: &'a str,
    pub(crate) logical: &'a Logical,
    pub(crate) escape: Escape,
    /// The keyword in the logical line.
    pub(crate) keyword: Range<usize>,
    /// The heredocs, until the instruction takes them.
    pub(crate) heredocs: Vec<Heredoc>,
    pub(crate) diagnostics: &'a mut Vec<Diagnostic>,
}

impl Context<'_> {
    /// A part of the logical line.
    pub(crate) fn text(&self, range: &Range<usize>) -> &str {
        self.logical.text.get(range.clone()).unwrap_or_default()
    }

    /// Where it stands in the source.
    pub(crate) fn span(&self, range: &Range<usize>) -> Span {
        self.logical.span(range)
    }

    pub(crate) fn report(&mut self, diagnostic: Diagnostic) {
        self.diagnostics.push(diagnostic);
    }

    pub(crate) fn error(&mut self, kind: Kind, range: &Range<usize>) {
        let span = self.span(range);
        self.report(Diagnostic::error(kind, span));
    }

    /// Reports that arguments are missing; the keyword is the guilty word.
    pub(crate) fn missing(&mut self, keyword: &'static str, expected: &'static str) {
        let span = self.span(&self.keyword.clone());
        self.report(Diagnostic::error(
            Kind::MissingArguments { keyword, expected },
            span,
        ));
    }

    /// A word that is expanded; one that is malformed is reported here, though it stays in the tree.
    pub(crate) fn word(&mut self, range: Range<usize>) -> Word {
        let word = self.raw_word(range, Mode::Quoted);
        self.check(&word);
        word
    }

    /// A word that is never expanded.
    pub(crate) fn literal(&self, range: Range<usize>) -> Word {
        self.raw_word(range, Mode::Literal)
    }

    fn raw_word(&self, range: Range<usize>, mode: Mode) -> Word {
        let text = self.text(&range).to_owned();
        let span = self.span(&range);
        let exact = span.text(self.source) == text;
        Word {
            text,
            span,
            exact,
            mode,
            escape: self.escape,
        }
    }

    /// A word whose text was decoded (quotes of a flag, JSON escapes): `exact` says that nothing changed.
    pub(crate) fn decoded_word(&mut self, text: &str, range: Range<usize>, exact: bool) -> Word {
        let span = self.span(&range);
        let exact = exact && span.text(self.source) == text;
        let word = Word {
            text: text.to_owned(),
            span,
            exact,
            mode: Mode::Quoted,
            escape: self.escape,
        };
        self.check(&word);
        word
    }

    /// The value of a flag as a word.
    pub(crate) fn flag_word(&mut self, value: &str, range: Range<usize>, exact: bool) -> Word {
        self.decoded_word(value, range, exact)
    }

    fn check(&mut self, word: &Word) {
        if let Err(error) = expand::check(word) {
            let diagnostic = match error.kind {
                ExpandErrorKind::UnsupportedModifier(_) => {
                    Diagnostic::error(Kind::Expand(error.kind), error.span)
                        .with_help("known are `:-` `-` `:+` `+` `:?` `?` `#` `##` `%` `%%` `/` and `//`")
                }
                ExpandErrorKind::UnclosedQuote(_) => Diagnostic::error(Kind::Expand(error.kind), error.span)
                    .with_help(format!(
                        "write `{}` before a quote that is meant literally",
                        self.escape.char()
                    )),
                _ => Diagnostic::error(Kind::Expand(error.kind), error.span),
            };
            self.report(diagnostic);
        }
    }

    /// From the first word that begins with `#`, not before the word at `from`, to the end.
    pub(crate) fn comment(&self, words: &[Range<usize>], from: usize) -> Option<Range<usize>> {
        let behind = words.get(from..)?;
        let first = behind.iter().find(|word| self.text(word).starts_with('#'))?;
        Some(first.start..words.last()?.end)
    }

    /// Says that what looks like a comment is data, as in BuildKit.
    pub(crate) fn warn_of_comment(&mut self, words: &[Range<usize>], from: usize, part: &'static str) {
        if let Some(range) = self.comment(words, from) {
            let kind = Kind::TrailingComment {
                comment: self.text(&range).to_owned(),
                part,
            };
            let span = self.span(&range);
            self.report(Diagnostic::warning(kind, span).with_help(OWN_LINE));
        }
    }

    /// The range without white space at either end.
    pub(crate) fn trim(&self, range: Range<usize>) -> Range<usize> {
        let text = self.text(&range);
        let start = range.start + (text.len() - text.trim_start().len());
        let end = start + text.trim().len();
        start..end
    }

    /// Words between white space; quotes mean nothing here, as in BuildKit.
    pub(crate) fn split(&self, range: &Range<usize>) -> Vec<Range<usize>> {
        let mut words = Vec::new();
        let mut start = None;
        for (at, ch) in self.text(range).char_indices() {
            if is_blank(ch) {
                words.extend(start.take().map(|start| start..range.start + at));
            } else {
                start.get_or_insert(range.start + at);
            }
        }
        words.extend(start.map(|start| start..range.end));
        words
    }

    /// The JSON form, when the text is in it. `Err` when it is a JSON array of other things, which is reported.
    pub(crate) fn json(&mut self, range: &Range<usize>) -> Result<Option<Vec<json::Element>>, ()> {
        let shift = |inner: Range<usize>| range.start + inner.start..range.start + inner.end;
        match json::array(self.text(range)) {
            Array::Other => Ok(None),
            Array::Strings(mut elements) => {
                for element in &mut elements {
                    element.inner = shift(element.inner.clone());
                }
                Ok(Some(elements))
            }
            Array::NotStrings(inner) => {
                let span = self.span(&shift(inner));
                let quoted = format!("\"{}\"", span.text(self.source));
                let mut diagnostic = Diagnostic::error(Kind::NotStrings, span);
                if !quoted.contains(['[', '{', '\n', '\\']) {
                    diagnostic = diagnostic.with_suggestion(quoted);
                }
                self.report(diagnostic);
                Err(())
            }
        }
    }

    /// The JSON form or words between white space, as ADD, COPY and VOLUME take it.
    pub(crate) fn list(&mut self, range: &Range<usize>) -> Option<Vec<Word>> {
        match self.json(range) {
            Err(()) => None,
            Ok(Some(elements)) => Some(
                elements
                    .into_iter()
                    .map(|e| self.decoded_word(&e.text, e.inner, e.exact))
                    .collect(),
            ),
            Ok(None) => Some(self.paths(range)),
        }
    }

    /// Words between white space; of quotes that a space tears apart only the first is reported.
    fn paths(&mut self, range: &Range<usize>) -> Vec<Word> {
        let end = range.end;
        let mut torn = false;
        let mut words = Vec::new();
        for range in self.split(range) {
            let word = self.raw_word(range.clone(), Mode::Quoted);
            match expand::check(&word) {
                Err(error) if matches!(error.kind, ExpandErrorKind::UnclosedQuote(_)) => {
                    if !torn {
                        let diagnostic = Diagnostic::error(Kind::Expand(error.kind), error.span).with_help(
                            "a path with a space in it needs the JSON form: `[\"a path\", \"...\"]`",
                        );
                        self.report(diagnostic);
                    }
                    torn = true;
                }
                Err(error) if error.kind == ExpandErrorKind::UnclosedBrace && range.end < end => {
                    let diagnostic = Diagnostic::error(Kind::Expand(error.kind), error.span).with_help(
                        "a word ends at a space, inside of `${...}` too; the JSON form takes it: `[\"${...}\", \"...\"]`",
                    );
                    self.report(diagnostic);
                }
                _ => self.check(&word),
            }
            words.push(word);
        }
        words
    }
}

/// What to do about a comment behind arguments.
pub(crate) const OWN_LINE: &str = "a comment needs a line of its own";

/// White space that separates words in BuildKit.
pub(crate) fn is_blank(ch: char) -> bool {
    matches!(ch, ' ' | '\t' | '\u{b}' | '\u{c}' | '\r' | '\n')
}
