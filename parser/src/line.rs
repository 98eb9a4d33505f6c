//! Physical lines to logical lines: continuations, comments and blank lines inside them.
//!
//! What the words of a line mean is not known here.

use std::ops::Range;

use crate::Span;
use crate::expand::Escape;

/// One line of the source.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PhysicalLine<'a> {
    /// Without line end.
    pub(crate) text: &'a str,
    /// Offset of the first byte.
    pub(crate) start: usize,
    /// Offset after the line end.
    pub(crate) end: usize,
    /// Number, from 1.
    pub(crate) number: usize,
}

impl PhysicalLine<'_> {
    /// The text without line end.
    pub(crate) fn span(&self) -> Span {
        Span::new(self.start, self.start + self.text.len())
    }
}

/// Walks over the source line by line.
#[derive(Clone, Debug)]
pub(crate) struct PhysicalLines<'a> {
    source: &'a str,
    pos: usize,
    number: usize,
}

impl<'a> PhysicalLines<'a> {
    pub(crate) fn new(source: &'a str, start: usize) -> Self {
        Self {
            source,
            pos: start,
            number: 0,
        }
    }

    /// The number of the line read last.
    pub(crate) fn number(&self) -> usize {
        self.number
    }

    /// Where the next line begins.
    pub(crate) fn offset(&self) -> usize {
        self.pos
    }

    /// The source up to the next line's start, from `start`.
    pub(crate) fn text_since(&self, start: usize) -> &'a str {
        self.source.get(start..self.pos).unwrap_or_default()
    }
}

impl<'a> Iterator for PhysicalLines<'a> {
    type Item = PhysicalLine<'a>;

    fn next(&mut self) -> Option<Self::Item> {
        let rest = self.source.get(self.pos..).filter(|rest| !rest.is_empty())?;
        let length = rest.find('\n').map_or(rest.len(), |newline| newline + 1);
        let text = rest.get(..length)?.trim_end_matches(['\r', '\n']);
        let start = self.pos;
        self.pos += length;
        self.number += 1;
        Some(PhysicalLine {
            text,
            start,
            end: self.pos,
            number: self.number,
        })
    }
}

/// An instruction as one line, and where each part of it came from.
#[derive(Clone, Debug, Default)]
pub(crate) struct Logical {
    /// The joined text.
    pub(crate) text: String,
    /// Pairs of offset in `text` and offset in the source, ascending.
    segments: Vec<(usize, usize)>,
    /// Blank lines inside the continuation.
    pub(crate) empty_continuations: Vec<Span>,
}

impl Logical {
    fn push(&mut self, text: &str, source: usize) {
        if !text.is_empty() {
            self.segments.push((self.text.len(), source));
            self.text.push_str(text);
        }
    }

    /// The offset in the source of the byte at `offset`.
    fn source_offset(&self, offset: usize) -> usize {
        let after = self.segments.partition_point(|(logical, _)| *logical <= offset);
        match after.checked_sub(1).and_then(|index| self.segments.get(index)) {
            Some((logical, source)) => source + (offset - logical),
            None => 0,
        }
    }

    /// Where a part of the text stands in the source.
    pub(crate) fn span(&self, range: &Range<usize>) -> Span {
        let start = self.source_offset(range.start);
        // The end belongs to the byte before it: behind it there may be a continuation.
        match range.end.checked_sub(1) {
            Some(last) if range.end > range.start => Span::new(start, self.source_offset(last) + 1),
            _ => Span::at(start),
        }
    }

    /// Reads the rest of an instruction that begins with `first`, whose leading white space is cut.
    pub(crate) fn read(first: PhysicalLine<'_>, lines: &mut PhysicalLines<'_>, escape: Escape) -> Self {
        let mut logical = Logical::default();
        let text = first.text.trim_start();
        let (text, mut more) = continuation(text, first.start + (first.text.len() - text.len()), escape);
        logical.push(text.0, text.1);
        while more {
            let Some(line) = lines.next() else { break };
            let trimmed = line.text.trim_start();
            if trimmed.is_empty() {
                logical.empty_continuations.push(line.span());
            } else if !trimmed.starts_with('#') {
                let text;
                (text, more) = continuation(line.text, line.start, escape);
                logical.push(text.0, text.1);
            }
        }
        logical
    }
}

/// The line without its continuation character, and whether it had one. The character counts only when it is not
/// escaped by itself; white space may follow it.
fn continuation(text: &str, start: usize, escape: Escape) -> ((&str, usize), bool) {
    match text.trim_end_matches([' ', '\t']).strip_suffix(escape.char()) {
        Some(before) if !before.ends_with(escape.char()) => ((before, start), true),
        _ => ((text, start), false),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(source: &str, escape: Escape) -> (Logical, usize) {
        let mut lines = PhysicalLines::new(source, 0);
        let first = lines.next().unwrap();
        (Logical::read(first, &mut lines, escape), lines.number())
    }

    #[test]
    fn joins_continuations() {
        let source = "  RUN a \\\n# comment\n   b \\ \t\n\n  c\nnext";
        let (logical, number) = read(source, Escape::Backslash);
        assert_eq!(logical.text, "RUN a    b   c");
        assert_eq!(number, 5);
        assert_eq!(logical.empty_continuations.len(), 1);
        for (at, ch) in logical.text.char_indices() {
            let span = logical.span(&(at..at + 1));
            assert_eq!(span.text(source), ch.to_string());
        }
    }

    #[test]
    fn an_escaped_escape_does_not_continue() {
        assert_eq!(read("RUN a\\\\\nb", Escape::Backslash).0.text, "RUN a\\\\");
        assert_eq!(read("RUN a\\\nb", Escape::Backtick).0.text, "RUN a\\");
        assert_eq!(read("RUN a`\r\nb", Escape::Backtick).0.text, "RUN ab");
        assert_eq!(read("RUN a \\", Escape::Backslash).0.text, "RUN a ");
        assert_eq!(read("\\\nRUN a", Escape::Backslash).0.text, "RUN a");
    }

    #[test]
    fn spans_end_before_a_continuation() {
        let source = "RUN ab\\\ncd";
        let (logical, _) = read(source, Escape::Backslash);
        assert_eq!(logical.span(&(4..6)).text(source), "ab");
        assert_eq!(logical.span(&(4..8)).text(source), "ab\\\ncd");
        assert_eq!(logical.span(&(8..8)), Span::at(source.len()));
    }
}
