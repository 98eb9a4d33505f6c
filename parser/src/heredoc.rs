//! `<<EOF`: finding markers in a line, reading bodies, and what a body says.

use std::ops::Range;

use crate::diagnostic::Diagnostic;
use crate::expand::{Escape, ExpandError, Expanded, Mode, Scope};
use crate::kind::Kind;
use crate::line::{Logical, PhysicalLines};
use crate::{Span, Word};

/// A here-document of ADD, COPY or RUN.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Heredoc {
    /// The delimiter, quotes removed. For COPY and ADD it is the file's name.
    pub name: String,
    /// The file descriptor before `<<`; 0 when there is none.
    pub fd: u32,
    /// Whether the body is expanded: no part of the delimiter was quoted.
    pub expand: bool,
    /// `<<-`: leading tabs of the body and the terminator are dropped.
    pub strip_tabs: bool,
    /// The marker in the instruction's line.
    pub marker: Span,
    /// The body as it stands in the source, with line ends; tabs are still there. Where the line of the marker ends
    /// with CRLF, so does the file, and what the writer meant to have in the body are lines that end with LF.
    pub body: Word,
    /// The line that ends it.
    pub terminator: Span,
}

impl Heredoc {
    /// The body with tabs stripped where `<<-` asks for it, not expanded.
    pub fn content(&self) -> String {
        if self.strip_tabs {
            self.body
                .text
                .split_inclusive('\n')
                .map(|line| line.trim_start_matches('\t'))
                .collect()
        } else {
            self.body.text.clone()
        }
    }

    /// The content with variables replaced, unless the delimiter was quoted. Quotes in it are literal, and the
    /// escape character is always a backslash.
    ///
    /// # Errors
    /// When a substitution is malformed.
    pub fn expand(&self, scope: &dyn Scope) -> Result<Expanded, ExpandError> {
        if !self.expand {
            return Ok(Expanded {
                value: self.content(),
                ..Expanded::default()
            });
        }
        if self.strip_tabs {
            let body = Word {
                text: self.content(),
                exact: false,
                ..self.body.clone()
            };
            return body.expand(scope);
        }
        self.body.expand(scope)
    }
}

/// A marker, before its body is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Marker {
    name: String,
    fd: u32,
    expand: bool,
    strip_tabs: bool,
    pub(crate) range: Range<usize>,
}

/// The markers in `text[range]`, which is shell text or the arguments of COPY. With a quote that is not closed
/// there are none, as in BuildKit.
pub(crate) fn markers(text: &str, range: Range<usize>) -> Vec<Marker> {
    let part = text.get(range.clone()).unwrap_or_default();
    if !part.contains("<<") {
        return Vec::new();
    }
    let Some(words) = words(part) else {
        return Vec::new();
    };
    words
        .into_iter()
        .filter_map(|word| {
            let mut marker = marker(part.get(word.clone())?)?;
            marker.range = range.start + word.start..range.start + word.end;
            Some(marker)
        })
        .collect()
}

/// Whether all of `text` is one marker.
pub(crate) fn is_marker(text: &str) -> bool {
    marker(text).is_some()
}

/// Words as a shell splits them, with the white space after `<<` inside the word, as BuildKit has it; `None` when
/// a quote is not closed. Shell arithmetic is no place for a heredoc: `$((1 << 4))` is all one word.
fn words(text: &str) -> Option<Vec<Range<usize>>> {
    let mut words = Vec::new();
    let mut start = None;
    let mut chars = text.char_indices().peekable();
    while let Some((at, ch)) = chars.next() {
        if ch.is_whitespace() {
            words.extend(start.take().map(|start| start..at));
            continue;
        }
        start.get_or_insert(at);
        match ch {
            '\\' => {
                chars.next();
            }
            '\'' => {
                chars.find(|(_, ch)| *ch == '\'')?;
            }
            '"' => loop {
                match chars.next()?.1 {
                    '"' => break,
                    '\\' => {
                        chars.next();
                    }
                    _ => {}
                }
            },
            '$' => {
                let rest = text.get(at..).unwrap_or_default();
                if rest.starts_with("$((") {
                    // One that is not closed takes the rest of the line: no later one has to look again.
                    let end = rest.find("))").map_or(text.len(), |length| at + length + 2);
                    while chars.next_if(|(next, _)| *next < end).is_some() {}
                }
            }
            '<' => {
                let pair = chars.next_if(|(_, ch)| *ch == '<').is_some();
                let here_string = pair && chars.next_if(|(_, ch)| *ch == '<').is_some();
                if pair && !here_string {
                    chars.next_if(|(_, ch)| *ch == '-');
                    while chars.next_if(|(_, ch)| ch.is_whitespace()).is_some() {}
                }
            }
            _ => {}
        }
    }
    words.extend(start.map(|start| start..text.trim_end().len().max(start)));
    Some(words)
}

/// Reads one word as `[fd]<<[-]delimiter`.
fn marker(word: &str) -> Option<Marker> {
    let (fd, rest) = word.split_once("<<")?;
    if !fd.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let (strip_tabs, rest) = match rest.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, rest),
    };
    let rest = rest.trim_start();
    if rest.contains('<') {
        return None;
    }
    let (name, quoted) = unquote(rest)?;
    Some(Marker {
        expand: !quoted,
        fd: if fd.is_empty() { 0 } else { fd.parse().ok()? },
        strip_tabs,
        range: 0..0,
        name,
    })
}

/// One word without its quotes, and whether it had any (a backslash is none, as in BuildKit); `None` when it is
/// empty or several words.
fn unquote(text: &str) -> Option<(String, bool)> {
    let mut name = String::new();
    let mut quoted = false;
    let mut chars = text.chars().peekable();
    while let Some(ch) = chars.next() {
        match ch {
            '\'' => {
                quoted = true;
                loop {
                    match chars.next()? {
                        '\'' => break,
                        ch => name.push(ch),
                    }
                }
            }
            '"' => {
                quoted = true;
                loop {
                    match chars.next()? {
                        '"' => break,
                        '\\' if matches!(chars.peek(), Some('"' | '$' | '\\')) => name.extend(chars.next()),
                        ch => name.push(ch),
                    }
                }
            }
            '\\' => name.extend(chars.next()),
            ch if ch.is_whitespace() => return None,
            ch => name.push(ch),
        }
    }
    (!name.is_empty()).then_some((name, quoted))
}

/// Reads the bodies that belong to `markers`, in order. One that does not end takes the rest of the file.
pub(crate) fn read_bodies(
    markers: Vec<Marker>,
    logical: &Logical,
    lines: &mut PhysicalLines<'_>,
    diagnostics: &mut Vec<Diagnostic>,
) -> Vec<Heredoc> {
    let mut heredocs = Vec::new();
    let mut open = false;
    let is_crlf = lines.text_since(0).ends_with("\r\n");
    for marker in markers {
        let span = logical.span(&marker.range);
        let start = lines.offset();
        let mut end = start;
        let mut text = "";
        let mut terminator = None;
        let mut nearly = None;
        for line in lines.by_ref() {
            let candidate = if marker.strip_tabs {
                line.text.trim_start_matches('\t')
            } else {
                line.text
            };
            if candidate == marker.name {
                terminator = Some(line.span());
                break;
            }
            if nearly.is_none() && line.text.trim() == marker.name {
                nearly = Some(line.span());
            }
            end = line.end;
        }
        if end > start {
            text = lines.text_since(start).get(..end - start).unwrap_or_default();
        }
        if terminator.is_none() && !open {
            // The others cannot end either: one message is enough.
            open = true;
            let mut diagnostic = unterminated(&marker, span);
            if let Some(nearly) = nearly {
                diagnostic =
                    diagnostic.with_secondary(nearly, "the white space keeps this line from ending it");
            }
            diagnostics.push(diagnostic);
        }
        heredocs.push(Heredoc {
            name: marker.name,
            fd: marker.fd,
            expand: marker.expand,
            strip_tabs: marker.strip_tabs,
            marker: span,
            body: Word {
                exact: !(is_crlf && text.contains("\r\n")),
                text: match is_crlf {
                    true => text.replace("\r\n", "\n"),
                    false => text.to_owned(),
                },
                span: Span::new(start, end),
                mode: Mode::RawQuotes,
                escape: Escape::Backslash,
            },
            terminator: terminator.unwrap_or(Span::at(end)),
        });
    }
    heredocs
}

fn unterminated(marker: &Marker, span: Span) -> Diagnostic {
    let help = format!("a line with nothing but `{}` ends it", marker.name);
    let diagnostic = Diagnostic::error(
        Kind::UnterminatedHeredoc {
            name: marker.name.clone(),
        },
        span,
    );
    if marker.name.bytes().all(|b| b.is_ascii_digit()) {
        return diagnostic
            .with_help("if this is a shift and not a heredoc, write it as `$((1 << 4))`, or quote it");
    }
    diagnostic.with_help(help)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(text: &str) -> Vec<String> {
        markers(text, 0..text.len())
            .into_iter()
            .map(|m| {
                let dash = if m.strip_tabs { "-" } else { "" };
                let quote = if m.expand { "" } else { "'" };
                format!("{}{dash}{quote}{}", m.fd, m.name)
            })
            .collect()
    }

    #[test]
    fn finds_markers() {
        assert_eq!(names("<<EOF"), ["0EOF"]);
        assert_eq!(names("cat <<EOF > /x && b"), ["0EOF"]);
        assert_eq!(names("3<<-'E' cat <<\"F G\" <<H\\I"), ["3-'E", "0'F G", "0HI"]);
        assert_eq!(names("cat <<A <<B"), ["0A", "0B"]);
        assert_eq!(names("cat <<$X"), ["0$X"]);
        for none in [
            "cat <<< x",
            "cat <<<x",
            "$((1<<4))",
            "<<- ",
            "<<  ",
            "a<<EOF",
            "'<<EOF'",
            "\"<<EOF\"",
            "\\<<EOF",
            "<<",
            "<<-",
            "<<''",
            "it's <<EOF",
            "<<A<B",
            "99999999999<<EOF",
        ] {
            assert_eq!(names(none), Vec::<String>::new(), "{none}");
        }
        // White space may follow, here and in BuildKit.
        assert_eq!(names("<<  EOF > foo"), ["0EOF"]);
        assert_eq!(names("<< -EOF <<- TABS"), ["0-EOF", "0-TABS"]);
        assert_eq!(names("<<eo'f' <<eo\\'f <<'e'o\\'f"), ["0'eof", "0eo'f", "0'eo'f"]);
        // BuildKit takes shifts for markers; so do we outside of arithmetic.
        assert_eq!(names("echo $((1 << 4)) $(( 1<<4 )) <<E"), ["0E"]);
        assert_eq!(names("let x=1 <<4"), ["04"]);
        assert_eq!(names("let 1<<4 $((1<<5"), ["14"]);
    }

    #[test]
    fn reads_bodies() {
        let source = "RUN <<A <<-B\r\na\nA \nA\r\n\tb\n\t\tc\n\tB\nnext\n";
        let mut lines = PhysicalLines::new(source, 0);
        let first = lines.next().unwrap();
        let logical = Logical::read(first, &mut lines, Escape::Backslash);
        let mut diagnostics = Vec::new();
        let found = markers(&logical.text, 4..logical.text.len());
        let heredocs = read_bodies(found, &logical, &mut lines, &mut diagnostics);
        assert!(diagnostics.is_empty());
        assert_eq!(heredocs[0].content(), "a\nA \n");
        assert_eq!(heredocs[1].body.text, "\tb\n\t\tc\n");
        assert_eq!(heredocs[1].content(), "b\nc\n");
        assert_eq!(heredocs[1].terminator.text(source), "\tB");
        assert_eq!(lines.next().unwrap().text, "next");
    }

    #[test]
    fn line_ends_are_those_that_the_file_means() {
        let content = |source: &str| {
            let mut lines = PhysicalLines::new(source, 0);
            let first = lines.next().unwrap();
            let logical = Logical::read(first, &mut lines, Escape::Backslash);
            let found = markers(&logical.text, 4..logical.text.len());
            read_bodies(found, &logical, &mut lines, &mut Vec::new())[0].content()
        };
        assert_eq!(content("RUN <<A\r\na\r\n\r\nb\rc\nd\r\nA\r\n"), "a\n\nb\rc\nd\n");
        assert_eq!(content("RUN <<-A\r\n\ta\r\n\tA\r\n"), "a\n");
        // In a file that ends its lines with LF, a CR was put there.
        assert_eq!(content("RUN <<A\na\r\nA\n"), "a\r\n");
    }

    #[test]
    fn one_message_when_bodies_do_not_end() {
        let source = "RUN <<A <<B\na\n";
        let mut lines = PhysicalLines::new(source, 0);
        let first = lines.next().unwrap();
        let logical = Logical::read(first, &mut lines, Escape::Backslash);
        let mut diagnostics = Vec::new();
        let found = markers(&logical.text, 4..logical.text.len());
        assert_eq!(
            read_bodies(found, &logical, &mut lines, &mut diagnostics).len(),
            2
        );
        assert_eq!(diagnostics.len(), 1);
        assert_eq!(diagnostics[0].message(), "the heredoc `A` is not terminated");
        assert_eq!(diagnostics[0].span.text(source), "<<A");
    }
}
