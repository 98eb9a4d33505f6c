//! Reads a word once, from left to right, and makes its value and the words it splits into.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::ops::Range;

use crate::Word;
use crate::expand::pattern::{Pattern, PatternError};
use crate::expand::{ExpandError, ExpandErrorKind, Expanded, MAX_DEPTH, MAX_VALUE, Mode, Scope};

pub(super) fn expand(
    word: &Word,
    scope: &dyn Scope,
    split: bool,
) -> Result<(Vec<String>, Expanded), ExpandError> {
    if word.mode == Mode::Literal {
        return Ok((
            vec![word.text.clone()],
            Expanded {
                value: word.text.clone(),
                ..Expanded::default()
            },
        ));
    }
    let mut lexer = Lexer {
        text: &word.text,
        pos: 0,
        escape: word.escape.char(),
        quotes: word.mode == Mode::Quoted,
        scope,
        used: BTreeSet::new(),
        undefined: Vec::new(),
    };
    let result = lexer.until(None, false, split, 0);
    let (used, undefined) = (lexer.used, lexer.undefined);
    match result {
        Ok(sink) => {
            let undefined = undefined
                .into_iter()
                .map(|(name, at)| (name, word.part(at.start, at.end)))
                .collect();
            let used = used.into_iter().collect();
            Ok((
                sink.words.finish(),
                Expanded {
                    value: sink.result,
                    used,
                    undefined,
                },
            ))
        }
        Err(LexError { kind, at }) => Err(ExpandError {
            kind,
            span: word.part(at.start, at.end),
        }),
    }
}

/// An error at a range of the word's text.
struct LexError {
    kind: ExpandErrorKind,
    at: Range<usize>,
}

/// Collects the value and, when asked, the words that it splits into.
#[derive(Default)]
struct Sink {
    result: String,
    words: Words,
}

#[derive(Default)]
struct Words {
    enabled: bool,
    current: String,
    done: Vec<String>,
}

impl Words {
    fn split_at(&mut self, ch: char) {
        if !ch.is_whitespace() {
            self.current.push(ch);
        } else if !self.current.is_empty() {
            self.done.push(std::mem::take(&mut self.current));
        }
    }

    fn finish(mut self) -> Vec<String> {
        if !self.current.is_empty() {
            self.done.push(self.current);
        }
        self.done
    }
}

impl Sink {
    /// A character that splits when it is white space.
    fn plain(&mut self, ch: char) {
        self.result.push(ch);
        if self.words.enabled {
            self.words.split_at(ch);
        }
    }

    /// A character that was quoted or escaped.
    fn quoted(&mut self, ch: char) {
        self.result.push(ch);
        if self.words.enabled {
            self.words.current.push(ch);
        }
    }

    fn quoted_str(&mut self, text: &str) {
        self.result.push_str(text);
        if self.words.enabled {
            self.words.current.push_str(text);
        }
    }

    /// The value of a variable outside quotes: it splits.
    fn substituted(&mut self, text: &str) {
        self.result.push_str(text);
        if self.words.enabled {
            text.chars().for_each(|ch| self.words.split_at(ch));
        }
    }
}

/// Reads a word once, from left to right.
struct Lexer<'a> {
    text: &'a str,
    pos: usize,
    escape: char,
    quotes: bool,
    scope: &'a dyn Scope,
    used: BTreeSet<String>,
    undefined: Vec<(String, Range<usize>)>,
}

impl Lexer<'_> {
    fn peek(&self) -> Option<char> {
        self.text.get(self.pos..)?.chars().next()
    }

    fn next(&mut self) -> Option<char> {
        let ch = self.peek()?;
        self.pos += ch.len_utf8();
        Some(ch)
    }

    fn fail<T>(&self, kind: ExpandErrorKind, start: usize) -> Result<T, LexError> {
        Err(LexError {
            kind,
            at: start..self.pos.max(start),
        })
    }

    /// Reads to `stop`, which is consumed, or to the end. `raw_escapes` keeps the escape character: a pattern
    /// gives it a meaning of its own.
    fn until(
        &mut self,
        stop: Option<(char, ExpandErrorKind, usize)>,
        raw_escapes: bool,
        split: bool,
        depth: usize,
    ) -> Result<Sink, LexError> {
        let mut sink = Sink::default();
        sink.words.enabled = split;
        while let Some(ch) = self.peek() {
            let start = self.pos;
            match ch {
                _ if stop.as_ref().is_some_and(|(stop, ..)| *stop == ch) => {
                    self.next();
                    return Ok(sink);
                }
                '\'' if self.quotes => {
                    self.next();
                    let Some(length) = self.text.get(self.pos..).and_then(|rest| rest.find('\'')) else {
                        self.pos = self.text.len();
                        return self.fail(ExpandErrorKind::UnclosedQuote('\''), start);
                    };
                    let end = self.pos + length;
                    sink.quoted_str(self.text.get(self.pos..end).unwrap_or_default());
                    self.pos = end + 1;
                }
                '"' if self.quotes => self.double_quoted(&mut sink, raw_escapes, depth)?,
                '$' => {
                    let value = self.dollar(depth)?;
                    self.limit(sink.result.len() + value.len(), start)?;
                    sink.substituted(&value);
                }
                _ => {
                    self.next();
                    if ch == self.escape {
                        if raw_escapes {
                            sink.quoted(ch);
                        }
                        // An escape character at the end of a word stands for nothing.
                        if let Some(escaped) = self.next() {
                            sink.quoted(escaped);
                        }
                    } else {
                        sink.plain(ch);
                    }
                }
            }
        }
        match stop {
            Some((_, kind, start)) => self.fail(kind, start),
            None => Ok(sink),
        }
    }

    /// The text between double quotes: only the quote, `$` and the escape character itself can be escaped.
    fn double_quoted(&mut self, sink: &mut Sink, raw_escapes: bool, depth: usize) -> Result<(), LexError> {
        let start = self.pos;
        self.next();
        loop {
            match self.peek() {
                None => return self.fail(ExpandErrorKind::UnclosedQuote('"'), start),
                Some('"') => {
                    self.next();
                    return Ok(());
                }
                Some('$') => {
                    let at = self.pos;
                    let value = self.dollar(depth)?;
                    self.limit(sink.result.len() + value.len(), at)?;
                    sink.quoted_str(&value);
                }
                Some(ch) => {
                    self.next();
                    if ch != self.escape {
                        sink.quoted(ch);
                        continue;
                    }
                    if raw_escapes {
                        sink.quoted(ch);
                    }
                    match self.peek() {
                        None => {}
                        Some(next) if next == '"' || next == '$' || next == self.escape => {
                            self.next();
                            sink.quoted(next);
                        }
                        Some(_) => sink.quoted(ch),
                    }
                }
            }
        }
    }

    fn limit(&self, length: usize, start: usize) -> Result<(), LexError> {
        if length > MAX_VALUE {
            self.fail(ExpandErrorKind::TooLong, start)
        } else {
            Ok(())
        }
    }

    /// `$name`, `${...}`, or a `$` that means nothing.
    fn dollar(&mut self, depth: usize) -> Result<String, LexError> {
        let start = self.pos;
        self.next();
        if self.peek() != Some('{') {
            let name = self.name();
            if name.is_empty() {
                return Ok("$".to_owned());
            }
            return Ok(self.value_or_undefined(&name, start));
        }
        self.next();
        if depth >= MAX_DEPTH {
            return self.fail(ExpandErrorKind::TooDeep, start);
        }
        match self.peek() {
            None => return self.fail(ExpandErrorKind::UnclosedBrace, start),
            Some(ch @ ('{' | '}' | ':')) => {
                self.pos += ch.len_utf8();
                return self.fail(ExpandErrorKind::BadSubstitution, start);
            }
            Some(_) => {}
        }
        let name = self.name();
        let modifier = self.pos;
        match self.next() {
            None => self.fail(ExpandErrorKind::UnclosedBrace, start),
            Some('\n') => {
                self.pos = modifier;
                self.fail(ExpandErrorKind::UnclosedBrace, start)
            }
            Some('}') => Ok(self.value_or_undefined(&name, start)),
            Some(':') => match self.next() {
                None => self.fail(ExpandErrorKind::UnclosedBrace, start),
                Some(ch @ ('-' | '+' | '?')) => self.default_or_error(&name, ch, true, start, depth),
                Some(_) => self.unsupported(modifier),
            },
            Some(ch @ ('-' | '+' | '?')) => self.default_or_error(&name, ch, false, start, depth),
            Some(ch @ ('#' | '%')) => self.trim(&name, ch, start, depth),
            Some('/') => self.replace(&name, start, depth),
            Some(_) => self.unsupported(modifier),
        }
    }

    fn unsupported(&self, modifier: usize) -> Result<String, LexError> {
        let text = self.text.get(modifier..self.pos).unwrap_or_default().to_owned();
        self.fail(ExpandErrorKind::UnsupportedModifier(text), modifier)
    }

    /// Letters, digits and `_`; a run of digits; or one special parameter like `$@`.
    fn name(&mut self) -> String {
        let start = self.pos;
        match self.peek() {
            Some(ch) if ch.is_numeric() => {
                while self.peek().is_some_and(char::is_numeric) {
                    self.next();
                }
            }
            Some('@' | '*' | '#' | '?' | '-' | '$' | '!') => {
                self.next();
            }
            _ => {
                while self.peek().is_some_and(|ch| ch.is_alphanumeric() || ch == '_') {
                    self.next();
                }
            }
        }
        self.text.get(start..self.pos).unwrap_or_default().to_owned()
    }

    fn lookup(&mut self, name: &str) -> Option<String> {
        let value = self.scope.get(name).map(Cow::into_owned);
        if value.is_some() && !self.used.contains(name) {
            self.used.insert(name.to_owned());
        }
        value
    }

    fn value_or_undefined(&mut self, name: &str, start: usize) -> String {
        let value = self.lookup(name);
        if value.is_none() {
            self.undefined.push((name.to_owned(), start..self.pos));
        }
        value.unwrap_or_default()
    }

    fn nested(&mut self, start: usize, raw_escapes: bool, depth: usize) -> Result<String, LexError> {
        let stop = Some(('}', ExpandErrorKind::UnclosedBrace, start));
        self.until(stop, raw_escapes, false, depth + 1)
            .map(|sink| sink.result)
    }

    /// `-`, `+`, `?`, each with or without `:`.
    fn default_or_error(
        &mut self,
        name: &str,
        ch: char,
        empty_is_unset: bool,
        start: usize,
        depth: usize,
    ) -> Result<String, LexError> {
        let word = self.nested(start, false, depth)?;
        let value = self.lookup(name);
        let present = match &value {
            Some(value) => !(empty_is_unset && value.is_empty()),
            None => false,
        };
        match (ch, present) {
            ('-', true) | ('?', true) => Ok(value.unwrap_or_default()),
            ('-', false) | ('+', true) => Ok(word),
            ('+', false) => Ok(String::new()),
            _ if value.is_some() => self.fail(
                ExpandErrorKind::Empty {
                    name: name.to_owned(),
                    message: word,
                },
                start,
            ),
            _ => self.fail(
                ExpandErrorKind::NotSet {
                    name: name.to_owned(),
                    message: word,
                },
                start,
            ),
        }
    }

    /// `#`, `##`, `%`, `%%`.
    fn trim(&mut self, name: &str, ch: char, start: usize, depth: usize) -> Result<String, LexError> {
        let pattern_start = self.pos;
        let word = self.nested(start, true, depth)?;
        let (longest, text) = match word.strip_prefix(ch) {
            Some(rest) => (true, rest),
            None => (false, word.as_str()),
        };
        let pattern = self.pattern(text, pattern_start)?;
        let value = self.value_or_undefined(name, start);
        let kept = if ch == '#' {
            pattern
                .prefix(&value, longest)
                .map(|length| value.get(length..).unwrap_or_default().to_owned())
        } else {
            pattern
                .suffix(&value, longest)
                .map(|at| value.get(..at).unwrap_or_default().to_owned())
        };
        kept.or_else(|PatternError| self.fail(ExpandErrorKind::TooComplex, start))
    }

    /// `/p/r` and `//p/r`.
    fn replace(&mut self, name: &str, start: usize, depth: usize) -> Result<String, LexError> {
        let all = self.peek() == Some('/');
        if all {
            self.next();
        }
        let pattern_start = self.pos;
        let stop = Some(('/', ExpandErrorKind::MissingSlash, start));
        let text = self.until(stop, true, false, depth + 1)?.result;
        let pattern = self.pattern(&text, pattern_start)?;
        let replacement = self.nested(start, true, depth)?;
        let value = self.value_or_undefined(name, start);
        match pattern.replace(&value, &replacement, all, MAX_VALUE) {
            Ok(Some(value)) => Ok(value),
            Ok(None) => self.fail(ExpandErrorKind::TooLong, start),
            Err(PatternError) => self.fail(ExpandErrorKind::TooComplex, start),
        }
    }

    fn pattern(&self, text: &str, start: usize) -> Result<Pattern, LexError> {
        Pattern::new(text).or_else(|escape| self.fail(ExpandErrorKind::InvalidPattern(escape), start))
    }
}
