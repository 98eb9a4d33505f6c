//! Output of steps as lines: pieces to lines, and lines to text that a terminal may be given.

use std::collections::VecDeque;

/// A line that does not end is cut after so many bytes, so that memory stays flat.
const LONGEST: usize = 64 * 1024;

/// Makes lines of pieces.
#[derive(Debug, Default)]
pub struct LineSplitter {
    partial: Vec<u8>,
}

impl LineSplitter {
    /// Takes a piece and gives away each line that is whole now, without its end.
    pub fn push(&mut self, mut piece: &[u8], line: &mut dyn FnMut(&[u8])) {
        while let Some(end) = piece.iter().position(|byte| *byte == b'\n') {
            let (head, rest) = (&piece[..end], &piece[end + 1..]);
            if self.partial.is_empty() {
                line(head);
            } else {
                self.partial.extend_from_slice(head);
                line(&self.partial);
                self.partial.clear();
            }
            piece = rest;
        }
        self.partial.extend_from_slice(piece);
        while self.partial.len() > LONGEST {
            let rest = self.partial.split_off(character_end(&self.partial, LONGEST));
            line(&self.partial);
            self.partial = rest;
        }
    }

    /// Gives away what did not end.
    pub fn flush(&mut self, line: &mut dyn FnMut(&[u8])) {
        if !self.partial.is_empty() {
            line(&self.partial);
            self.partial.clear();
        }
    }

    /// What has no end yet.
    pub fn partial(&self) -> &[u8] {
        &self.partial
    }
}

/// The last place not behind `at` where no UTF-8 character is cut.
fn character_end(bytes: &[u8], at: usize) -> usize {
    let continues = |place: &usize| bytes.get(*place).is_some_and(|byte| byte & 0xc0 == 0x80);
    (at.saturating_sub(3)..=at)
        .rev()
        .find(|place| !continues(place))
        .unwrap_or(at)
}

/// The last lines of a step.
#[derive(Debug)]
pub struct Tail {
    lines: VecDeque<Vec<u8>>,
    keep: usize,
}

impl Default for Tail {
    fn default() -> Self {
        Self::keeping(Self::LINES)
    }
}

impl Tail {
    /// How many lines are kept, unless said otherwise.
    pub const LINES: usize = 20;
    /// How much of each.
    const WIDTH: usize = 4096;

    /// An empty one, for so many lines.
    pub fn keeping(keep: usize) -> Self {
        let lines = VecDeque::new();
        Self { lines, keep }
    }

    /// Adds a line.
    pub fn push(&mut self, line: &[u8]) {
        let mut place = if self.lines.len() == self.keep {
            self.lines.pop_front()
        } else {
            None
        }
        .unwrap_or_default();
        place.clear();
        place.extend_from_slice(&line[..line.len().min(Self::WIDTH)]);
        self.lines.push_back(place);
    }

    /// The lines as text, oldest first.
    pub fn lines(&self) -> Vec<String> {
        self.lines.iter().map(|line| clean(line)).collect()
    }
}

/// A line as text without anything that could move the cursor, change colours, ring or rename the window. What a
/// carriage return wrote over is gone, as it would be on a terminal; bytes that are not UTF-8 are replaced.
pub fn clean(line: &[u8]) -> String {
    let shown = line
        .split(|byte| *byte == b'\r')
        .rev()
        .find(|part| !part.is_empty())
        .unwrap_or_default();
    let text = String::from_utf8_lossy(shown);
    let mut characters = text.chars().peekable();
    let mut out = String::with_capacity(text.len());
    while let Some(character) = characters.next() {
        match character {
            '\x1b' => skip_escape(&mut characters),
            '\t' => out.push('\t'),
            // C0, DEL and C1 controls; the marks that reorder text.
            character if character.is_control() => {}
            '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {}
            character => out.push(character),
        }
    }
    out
}

/// Behind ESC: `[` parameters and a final byte; a string up to BEL or ESC `\`; or one character and its intermediates
/// (ECMA-48 5.3 to 5.6).
fn skip_escape(characters: &mut std::iter::Peekable<std::str::Chars<'_>>) {
    match characters.next() {
        Some('[') => {
            while characters.next_if(|c| ('\x20'..='\x3f').contains(c)).is_some() {}
            let _ = characters.next_if(|c| ('\x40'..='\x7e').contains(c));
        }
        Some(']' | 'P' | 'X' | '^' | '_') => {
            while let Some(character) = characters.next() {
                if character == '\x07' || (character == '\x1b' && characters.next_if_eq(&'\\').is_some()) {
                    break;
                }
            }
        }
        Some('\x20'..='\x2f') => {
            while characters.next_if(|c| ('\x20'..='\x2f').contains(c)).is_some() {}
            characters.next();
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(pieces: &[&[u8]]) -> Vec<String> {
        let mut splitter = LineSplitter::default();
        let mut lines = Vec::new();
        let mut take = |line: &[u8]| lines.push(String::from_utf8_lossy(line).into_owned());
        pieces.iter().for_each(|piece| splitter.push(piece, &mut take));
        splitter.flush(&mut take);
        lines
    }

    #[test]
    fn pieces_become_lines_wherever_they_are_cut() {
        let text = "one\n\ntwo é\nlast";
        for cut in 0..=text.len() {
            let (head, tail) = text.as_bytes().split_at(cut);
            assert_eq!(split(&[head, tail]), ["one", "", "two é", "last"], "cut at {cut}");
        }
        assert!(split(&[b""]).is_empty());
    }

    #[test]
    fn a_line_without_end_is_cut_between_characters() {
        let line = "é".repeat(LONGEST);
        let parts = split(&[b"x", line.as_bytes()]);
        assert!(
            parts
                .iter()
                .all(|part| part.len() <= LONGEST && !part.contains(char::REPLACEMENT_CHARACTER))
        );
        assert_eq!(parts.concat(), format!("x{line}"));
    }

    #[test]
    fn escapes_and_controls_are_taken_out() {
        for (dirty, expected) in [
            ("\x1b[1;31mred\x1b[0m", "red"),
            ("\x1b]0;title\x07text", "text"),
            ("\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\", "link"),
            ("\x1b(Bplain", "plain"),
            ("bell\x07 back\x08 tab\t.", "bell back tab\t."),
            ("\u{9b}2Jc1", "2Jc1"),
            ("10%\r50%\r100%", "100%"),
            ("done\r", "done"),
            ("\x1b[", ""),
            ("\x1b", ""),
            ("\x1b]never ends", ""),
            ("ab\u{202e}cd", "abcd"),
        ] {
            assert_eq!(clean(dirty.as_bytes()), expected, "{dirty:?}");
        }
        assert_eq!(clean(b"\xff\xfeok"), "\u{fffd}\u{fffd}ok");
    }

    #[test]
    fn the_tail_keeps_the_last_lines() {
        let mut tail = Tail::default();
        (0..50).for_each(|index| tail.push(format!("line {index}").as_bytes()));
        let lines = tail.lines();
        assert_eq!(
            (lines.len(), lines[0].as_str(), lines[19].as_str()),
            (20, "line 30", "line 49")
        );
    }
}
