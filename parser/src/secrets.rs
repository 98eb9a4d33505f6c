//! Values that no message shows: those of ARG and ENV whose names say that they are secret. Logs are read by more
//! people than Dockerfiles.

use std::borrow::Cow;

use crate::Span;
use crate::instruction::KEYWORDS;

/// Whether a variable's name says that its value is secret, and nothing says otherwise.
pub fn is_secret_name(name: &str) -> bool {
    const SECRET: &[&str] = &[
        "apikey",
        "auth",
        "credential",
        "credentials",
        "key",
        "password",
        "pword",
        "passwd",
        "secret",
        "token",
    ];
    const HARMLESS: &[&str] = &["public", "file", "version"];
    let lower = name.to_lowercase();
    let words = || lower.split(['_', '-', '.']);
    words().any(|word| SECRET.contains(&word)) && !words().any(|word| HARMLESS.contains(&word))
}

/// A Dockerfile with asterisks in place of such values, each byte by one, so that what stands where stays. The file need
/// not be one that parses.
pub fn hidden_in_file(source: &str) -> Cow<'_, str> {
    painted(source, values_in_file(source))
}

/// A message with `NAME=value` of such names without its value.
pub fn hidden(text: &str) -> Cow<'_, str> {
    let mut shown = String::new();
    let mut copied = 0;
    for (_, value) in pairs(text) {
        if value.start < copied {
            continue;
        }
        let length = Value::default().end(value.text(text), |ch| ch.is_whitespace() || ch == '`');
        let end = value.start + length;
        if is_shown_value(text.get(value.start..end).unwrap_or_default()) {
            shown += text.get(copied..value.start).unwrap_or_default();
            shown += "***";
            copied = end;
        }
    }
    if copied == 0 {
        return Cow::Borrowed(text);
    }
    Cow::Owned(shown + text.get(copied..).unwrap_or_default())
}

/// `NAME=` of secret names, and the text behind each: where it may be a value.
fn pairs(text: &str) -> impl Iterator<Item = (&str, Span)> {
    text.match_indices('=').filter_map(|(at, _)| {
        let before = text.get(..at)?;
        let is_of_name = |ch: char| ch.is_alphanumeric() || matches!(ch, '_' | '-' | '.');
        let name = before.rsplit(|ch| !is_of_name(ch)).next()?;
        is_secret_name(name).then(|| (name, Span::new(at + 1, text.len())))
    })
}

/// Whether a value says anything: what is taken from a variable, left open or painted over does not.
fn is_shown_value(value: &str) -> bool {
    let value = value.trim_matches(['"', '\'']);
    let name = value.strip_prefix('$').map(|name| name.trim_matches(['{', '}']));
    let is_reference = name.is_some_and(|name| {
        name.bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
    });
    !is_reference && !value.bytes().all(|byte| matches!(byte, b'.' | b'*'))
}

/// Reads a value that may have quotes, over several lines.
#[derive(Default)]
struct Value {
    quote: Option<char>,
}

impl Value {
    /// Where the value ends in `text`.
    fn end(&mut self, text: &str, is_end: impl Fn(char) -> bool) -> usize {
        let mut is_escaped = false;
        for (at, ch) in text.char_indices() {
            match (self.quote, ch) {
                _ if is_escaped => is_escaped = false,
                (_, '\\') => is_escaped = true,
                (Some(quote), ch) if ch == quote => self.quote = None,
                (Some(_), _) => {}
                (None, '"' | '\'') => self.quote = Some(ch),
                (None, ch) if is_end(ch) => return at,
                _ => {}
            }
        }
        text.len()
    }
}

/// What stands in the lines of an instruction.
enum Inside {
    /// Nothing that is looked for.
    Other,
    /// Pairs; the last one's value may go on.
    Pairs(Value),
    /// A value.
    Value,
}

fn values_in_file(source: &str) -> Vec<Span> {
    let mut spans = Vec::new();
    let mut inside: Option<Inside> = None;
    let mut offset = 0;
    for line in source.split_inclusive('\n') {
        let start = offset;
        offset += line.len();
        let trimmed = line.trim();
        if trimmed.is_empty() || trimmed.starts_with('#') {
            continue;
        }
        let is_continued = trimmed.ends_with(['\\', '`']);
        let body = start + (line.len() - line.trim_start().len());
        let text = if is_continued {
            &trimmed[..trimmed.len() - 1]
        } else {
            trimmed
        };
        let (mut this, skip) = match inside.take() {
            Some(this @ (Inside::Pairs(_) | Inside::Value)) => (this, 0),
            // Which character continues a line is not known here, and a command may end with either.
            Some(Inside::Other) if !declares(text) => (Inside::Other, 0),
            Some(Inside::Other) | None => begin(text),
        };
        collect(&mut this, text, skip, body, &mut spans);
        if is_continued {
            inside = Some(this);
        }
    }
    spans
}

/// Whether a line begins as an `ENV` or `ARG` does.
fn declares(text: &str) -> bool {
    let mut words = text
        .split_whitespace()
        .filter(|word| !word.eq_ignore_ascii_case("ONBUILD"));
    let word = words.next().unwrap_or_default();
    ["ENV", "ARG"]
        .iter()
        .any(|keyword| keyword.eq_ignore_ascii_case(word))
}

/// What an instruction is, and where in its first line to look.
fn begin(text: &str) -> (Inside, usize) {
    let word_at = |from: usize| {
        let rest = text.get(from..).unwrap_or_default();
        let start = from + (rest.len() - rest.trim_start().len());
        let rest = text.get(start..).unwrap_or_default();
        (start, rest.split_whitespace().next().unwrap_or_default())
    };
    let (mut start, mut word) = word_at(0);
    if word.eq_ignore_ascii_case("ONBUILD") {
        (start, word) = word_at(start + word.len());
    }
    let keyword = KEYWORDS.iter().find(|keyword| keyword.eq_ignore_ascii_case(word));
    match keyword {
        Some(&"ENV" | &"ARG") => {
            let (name_at, name) = word_at(start + word.len());
            // `ENV NAME value`, as was usual once, and as in YAML.
            let is_old =
                keyword == Some(&"ENV") && !name.contains('=') && is_secret_name(name.trim_end_matches(':'));
            match is_old {
                true => (Inside::Value, name_at + name.len()),
                false => (Inside::Pairs(Value::default()), name_at),
            }
        }
        Some(_) => (Inside::Other, 0),
        // It may be the rest of one, behind a line end that was not escaped, or one that was mistyped.
        None if word.ends_with(':') && is_secret_name(word.trim_end_matches(':')) => {
            (Inside::Value, start + word.len())
        }
        None => (Inside::Pairs(Value::default()), start),
    }
}

/// Adds the values in one line; `offset` is where `text` stands.
fn collect(inside: &mut Inside, text: &str, skip: usize, offset: usize, spans: &mut Vec<Span>) {
    let rest = text.get(skip..).unwrap_or_default();
    let first_span = spans.len();
    let mut add = |from: usize, to: usize| {
        let value = text.get(from..to).unwrap_or_default();
        if is_shown_value(value.trim()) {
            spans.push(Span::new(offset + from, offset + to));
        }
    };
    match inside {
        Inside::Other => {}
        Inside::Value => add(skip, text.len()),
        Inside::Pairs(open) => {
            let mut at = skip;
            if open.quote.is_some() {
                at = open.end(rest, char::is_whitespace);
                add(0, at);
            }
            let first = at;
            for (_, value) in pairs(text.get(first..).unwrap_or_default()) {
                let from = first + value.start;
                if from < at {
                    continue;
                }
                let mut value = Value::default();
                at = from + value.end(text.get(from..).unwrap_or_default(), char::is_whitespace);
                add(from, at);
                if at == text.len() {
                    *open = value;
                }
            }
            add_bare(text, skip, offset, first_span, spans);
        }
    }
}

/// Adds the words behind a secret name that has no `=`: its value, to whoever wrote it.
fn add_bare(text: &str, skip: usize, offset: usize, first_span: usize, spans: &mut Vec<Span>) {
    let known = spans.get(first_span..).unwrap_or_default().to_vec();
    let mut known = known.iter().peekable();
    let mut is_behind_name = false;
    let mut at = skip;
    for word in text
        .get(skip..)
        .unwrap_or_default()
        .split_inclusive(char::is_whitespace)
    {
        let start = at;
        at += word.len();
        let word = word.trim_end();
        let place = Span::new(offset + start, offset + start + word.len());
        while known.peek().is_some_and(|span| span.end <= place.start) {
            known.next();
        }
        let is_known = known.peek().is_some_and(|span| span.start < place.end);
        if is_known || word.contains('=') {
            is_behind_name = false;
        } else if is_behind_name && !word.is_empty() && is_shown_value(word) {
            spans.push(place);
        } else {
            is_behind_name |= is_secret_name(word);
        }
    }
    if let Some(spans) = spans.get_mut(first_span..) {
        spans.sort_by_key(|span| span.start);
    }
}

/// The text with asterisks for all but blanks in the spans.
fn painted(text: &str, spans: Vec<Span>) -> Cow<'_, str> {
    if spans.is_empty() {
        return Cow::Borrowed(text);
    }
    let mut painted = String::with_capacity(text.len());
    let mut copied = 0;
    for span in spans {
        painted += text.get(copied..span.start).unwrap_or_default();
        for ch in span.text(text).chars() {
            match ch {
                ch if ch.is_whitespace() => painted.push(ch),
                ch => painted.extend(std::iter::repeat_n('*', ch.len_utf8())),
            }
        }
        copied = span.end;
    }
    Cow::Owned(painted + text.get(copied..).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        for name in [
            "API_TOKEN",
            "AWS_SECRET_ACCESS_KEY",
            "password",
            "GIT-AUTH",
            "MY_CREDENTIALS",
            "APIKEY",
        ] {
            assert!(is_secret_name(name), "{name}");
        }
        for name in [
            "KEYBOARD",
            "PUBLIC_KEY",
            "TOKEN_FILE",
            "AUTHOR",
            "SECRET_VERSION",
            "MONKEY",
            "",
        ] {
            assert!(!is_secret_name(name), "{name}");
        }
    }

    #[test]
    fn values_in_messages_are_left_out() {
        let cases = [
            ("`API_TOKEN=abc` has no name", "`API_TOKEN=***` has no name"),
            (
                "did you mean `A=1 DB_PASSWORD=\"a b\" C=2`?",
                "did you mean `A=1 DB_PASSWORD=*** C=2`?",
            ),
            ("TOKEN=a TOKEN='b", "TOKEN=*** TOKEN=***"),
            (
                "write `KEY=\"...\"` or `KEY=...`",
                "write `KEY=\"...\"` or `KEY=...`",
            ),
            ("`TOKEN=$TOKEN` `TOKEN=${T}`", "`TOKEN=$TOKEN` `TOKEN=${T}`"),
            ("`TOKEN=${T:-abc}`", "`TOKEN=***`"),
            ("a == b, A=B", "a == b, A=B"),
        ];
        for (text, expected) in cases {
            assert_eq!(hidden(text), expected);
        }
    }

    #[test]
    fn values_in_files_are_painted_over() {
        let cases = [
            ("ENV A=1 TOKEN=abc B=2", "ENV A=1 TOKEN=*** B=2"),
            ("RUN v=`x`\nENV TOKEN=abc", "RUN v=`x`\nENV TOKEN=***"),
            ("env token abc d\u{e9}", "env token *** ***"),
            ("ENV TOKEN: abc", "ENV TOKEN: ***"),
            ("ENV TOKEN = abc", "ENV TOKEN * ***"),
            ("ENV TOKEN=\"a b\" X=1", "ENV TOKEN=** ** X=1"),
            ("ENV TOKEN=\"a b", "ENV TOKEN=** *"),
            ("ENV TOKEN=a\\ b X=1", "ENV TOKEN=** * X=1"),
            ("ENV \"TOKEN=abc\"", "ENV \"TOKEN=****"),
            ("ONBUILD ENV TOKEN abc", "ONBUILD ENV TOKEN ***"),
            ("ARG A TOKEN abc KEY=k B", "ARG A TOKEN *** KEY=* B"),
            ("ENV A=1 TOKEN abc", "ENV A=1 TOKEN ***"),
            ("ARG TOKEN=$TOKEN KEY=${KEY}", "ARG TOKEN=$TOKEN KEY=${KEY}"),
            ("ARG TOKEN=${T:-abc}", "ARG TOKEN=*********"),
            ("RUN x --key=y TOKEN=z", "RUN x --key=y TOKEN=z"),
            ("ENVV TOKEN=abc", "ENVV TOKEN=***"),
            ("TOKEN=abc", "TOKEN=***"),
            ("  TOKEN: abc", "  TOKEN: ***"),
            ("- TOKEN=abc", "- TOKEN=***"),
            (
                "ENV A=1 \\\n  # a comment\n  TOKEN=abc \\\n\n  B=2\nRUN TOKEN=x",
                "ENV A=1 \\\n  # a comment\n  TOKEN=*** \\\n\n  B=2\nRUN TOKEN=x",
            ),
            ("ENV TOKEN=\"a \\\n  b\" C=c", "ENV TOKEN=** \\\n  ** C=c"),
            (
                "ENV TOKEN a \\\r\n  b\r\nLABEL KEY=x\r\n",
                "ENV TOKEN * \\\r\n  *\r\nLABEL KEY=x\r\n",
            ),
            ("RUN a \\\n TOKEN=x", "RUN a \\\n TOKEN=x"),
        ];
        for (text, expected) in cases {
            let shown = hidden_in_file(text);
            assert_eq!(shown, expected);
            assert_eq!(shown.len(), text.len(), "{text}");
        }
    }
}
