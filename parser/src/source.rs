//! The source as lines: byte offset to line and column, and bytes to text.

use crate::Span;

/// Where an offset is, counted from one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Position {
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
}

/// Finds lines of one source text without scanning it again.
#[derive(Clone, Debug)]
pub struct LineIndex<'a> {
    source: &'a str,
    starts: Vec<usize>,
    /// How many characters there are before each block: a line may be the whole file.
    before_block: Vec<usize>,
}

/// Bytes that are counted at once.
const BLOCK: usize = 1024;

impl<'a> LineIndex<'a> {
    /// Scans `source` once.
    pub fn new(source: &'a str) -> Self {
        let mut starts = vec![0];
        starts.extend(
            source
                .bytes()
                .enumerate()
                .filter(|(_, b)| *b == b'\n')
                .map(|(i, _)| i + 1),
        );
        let mut before_block = vec![0];
        let mut characters = 0;
        before_block.extend(source.as_bytes().chunks(BLOCK).map(|block| {
            characters += count(block);
            characters
        }));
        Self {
            source,
            starts,
            before_block,
        }
    }

    /// The text that was indexed.
    pub fn source(&self) -> &'a str {
        self.source
    }

    /// How many lines there are; a final newline does not begin another one.
    pub fn line_count(&self) -> usize {
        match self.starts.last() {
            Some(&last) if last == self.source.len() => self.starts.len() - 1,
            _ => self.starts.len(),
        }
    }

    /// The line of `offset`, from 1.
    pub fn line(&self, offset: usize) -> usize {
        self.starts.partition_point(|&start| start <= offset)
    }

    /// Line and column of `offset`; an offset past the end is taken as the end. A byte order mark has no column.
    pub fn position(&self, offset: usize) -> Position {
        let mut offset = offset.min(self.source.len());
        while !self.source.is_char_boundary(offset) {
            offset -= 1;
        }
        let line = self.line(offset);
        let start = self.starts[line - 1];
        let marked = line == 1 && offset > 0 && self.source.starts_with('\u{feff}');
        Position {
            line,
            column: self.characters(offset) - self.characters(start) - usize::from(marked) + 1,
        }
    }

    /// How many characters there are before an offset.
    fn characters(&self, offset: usize) -> usize {
        let block = offset / BLOCK;
        let rest = self
            .source
            .as_bytes()
            .get(block * BLOCK..offset)
            .unwrap_or_default();
        self.before_block.get(block).copied().unwrap_or_default() + count(rest)
    }

    /// The span of a line (from 1) without its line end; `None` when there is no such line.
    pub fn line_span(&self, line: usize) -> Option<Span> {
        let start = *self.starts.get(line.checked_sub(1)?)?;
        let end = self.starts.get(line).map_or(self.source.len(), |next| next - 1);
        let text = self.source.get(start..end)?;
        Some(Span::new(start, start + text.trim_end_matches('\r').len()))
    }

    /// The text of a line (from 1) without its line end and byte order mark.
    pub fn line_text(&self, line: usize) -> &'a str {
        let text = self.line_span(line).map_or("", |span| span.text(self.source));
        if line == 1 {
            text.trim_start_matches('\u{feff}')
        } else {
            text
        }
    }
}

/// The characters that begin in these bytes of a text.
fn count(bytes: &[u8]) -> usize {
    bytes.iter().filter(|byte| **byte & 0xc0 != 0x80).count()
}

/// The source is not UTF-8.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DecodeError {
    /// Offset of the first byte that is not UTF-8.
    pub offset: usize,
    /// That byte.
    pub byte: u8,
    /// Where it is: the column counts the characters before it.
    pub position: Position,
}

impl std::fmt::Display for DecodeError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Position { line, column } = self.position;
        write!(
            f,
            "line {line}, column {column}: byte 0x{:02x} is not UTF-8",
            self.byte
        )
    }
}

impl std::error::Error for DecodeError {}

/// The bytes as text. A byte order mark stays; the parser skips it.
///
/// # Errors
/// Names the first byte that is not UTF-8, and its line.
pub fn decode(bytes: &[u8]) -> Result<&str, DecodeError> {
    std::str::from_utf8(bytes).map_err(|error| {
        let offset = error.valid_up_to();
        let valid = bytes
            .get(..offset)
            .and_then(|b| std::str::from_utf8(b).ok())
            .unwrap_or_default();
        DecodeError {
            offset,
            byte: bytes.get(offset).copied().unwrap_or_default(),
            position: LineIndex::new(valid).position(offset),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_count_characters() {
        let index = LineIndex::new("\u{feff}FROM a\r\nRUN ä b\n");
        assert_eq!(index.line_count(), 2);
        assert_eq!(index.position(3), Position { line: 1, column: 1 });
        let b = index.source().find(" b").unwrap_or_default();
        assert_eq!(index.position(b), Position { line: 2, column: 6 });
        assert_eq!(index.line_text(1), "FROM a");
        assert_eq!(index.line_text(2), "RUN ä b");
        assert_eq!(index.line_text(9), "");
        assert_eq!(index.position(9999).line, 3);
    }

    #[test]
    fn columns_of_long_lines() {
        let source = format!(
            "\u{feff}a{}\n{}b",
            "\u{e4}".repeat(3000),
            "\u{6f22}c".repeat(2000)
        );
        let index = LineIndex::new(&source);
        for offset in (0..=source.len()).filter(|at| source.is_char_boundary(*at)) {
            let before = &source[..offset];
            let line = before.rsplit('\n').next().unwrap_or_default();
            let column = line.trim_start_matches('\u{feff}').chars().count() + 1;
            assert_eq!(index.position(offset).column, column, "{offset}");
        }
    }

    #[test]
    fn names_the_byte_that_is_not_utf8() {
        let error = decode(b"FROM a\nRUN \xc3\xa4 \xff\n").unwrap_err();
        assert_eq!(
            (error.byte, error.position),
            (0xff, Position { line: 2, column: 7 })
        );
        assert_eq!(error.to_string(), "line 2, column 7: byte 0xff is not UTF-8");
        assert_eq!(decode("ü".as_bytes()), Ok("ü"));
    }
}
