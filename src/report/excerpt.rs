//! The excerpt: lines of a file with carets below.

use crate::ui::lines::clean;
use crate::ui::{Paint, Style};
use console::measure_text_width;
use std::collections::BTreeMap;
use std::ops::Range;

/// Lines of an instruction that are shown.
const LINES: usize = 6;
/// Columns of a line that are shown.
const COLUMNS: usize = 160;
/// A mark that would be longer stands below the first word only, so that its words are found.
const MARKED: usize = 72;
/// Columns in front of a place that lies far to the right.
const BEFORE: usize = 30;

/// A text file.
#[derive(Debug, Clone, Copy)]
pub struct Source<'a> {
    /// As the user named it.
    pub name: &'a str,
    /// All of it.
    pub text: &'a str,
}

/// A place and what is said about it.
#[derive(Debug, Clone)]
pub struct Label<'a> {
    /// Bytes of the text; what lies outside of it is taken as its end.
    pub span: Range<usize>,
    /// What stands beside the carets; may be empty.
    pub text: &'a str,
}

/// One underlining: columns in characters from 0, the sign, the words.
struct Mark<'a> {
    columns: Range<usize>,
    sign: &'static str,
    text: &'a str,
}

/// The lines to show, with what is marked in them; and whether there are too many.
fn marked<'a>(
    text: &str,
    lines: &[&str],
    labels: impl Iterator<Item = (&'a Label<'a>, &'static str)>,
) -> (BTreeMap<usize, Vec<Mark<'a>>>, bool) {
    let mut marks: BTreeMap<usize, Vec<Mark<'a>>> = BTreeMap::new();
    let mut cut = false;
    for (label, sign) in labels {
        let (first, start) = position(text, label.span.start);
        let (last, end) = position(text, label.span.end.max(label.span.start));
        let end = if last == first {
            end
        } else {
            width_of(lines[first])
        };
        let end = if end.saturating_sub(start) > MARKED {
            start + first_word(lines[first], start)
        } else {
            end
        };
        let mark = Mark {
            columns: start..end.max(start + 1),
            sign,
            text: label.text,
        };
        marks.entry(first).or_default().push(mark);
        // The lines that belong to it, without marks; a span may end behind its last line's end.
        let last = if end == 0 && last > first { last - 1 } else { last };
        cut |= last - first >= LINES;
        for line in (first..=last).take(LINES) {
            marks.entry(line).or_default();
        }
    }
    (marks, cut)
}

/// ` --> file:line:column`, the lines with their marks, and an empty margin; with a final newline.
pub(super) fn draw(
    source: Source<'_>,
    primary: &Label<'_>,
    secondary: &[Label<'_>],
    style: &Style,
) -> String {
    let lines: Vec<&str> = source
        .text
        .split('\n')
        .map(|line| line.trim_end_matches('\r'))
        .collect();
    let (line, column) = position(source.text, primary.span.start);
    let labels = secondary.iter().map(|label| (label, "-"));
    let (marks, cut) = marked(source.text, &lines, labels.chain([(primary, "^")]));
    let margin = marks
        .last_key_value()
        .map_or(1, |(last, _)| (last + 1).to_string().len());
    let rule = style.paint(Paint::Faint, "|");
    let empty = " ".repeat(margin);
    let arrow = style.paint(Paint::Faint, "-->");
    let mut text = format!(
        "{empty}{arrow} {}:{}:{}\n",
        clean(source.name.as_bytes()),
        line + 1,
        column + 1
    );
    text += &format!("{empty} {rule}\n");
    let mut before = None;
    for (number, marks) in &marks {
        if before.is_some_and(|before| before + 1 != *number) {
            text += "...\n";
        }
        before = Some(*number);
        let from = marks.iter().map(|mark| mark.columns.start).min().unwrap_or(0);
        let from = if from > COLUMNS - BEFORE { from - BEFORE } else { 0 };
        let shown = style.paint(Paint::Faint, &format!("{:>margin$} |", number + 1));
        text += format!("{shown} {}", window(lines[*number], from)).trim_end();
        text.push('\n');
        for mark in marks {
            text += &mark.draw(lines[*number], from, &format!("{empty} {rule} "), style);
        }
    }
    if cut {
        text += "...\n";
    }
    text + &format!("{empty} {rule}\n")
}

/// Characters of a line from a column to the next blank.
fn first_word(line: &str, column: usize) -> usize {
    line.chars()
        .skip(column)
        .take_while(|character| !character.is_whitespace())
        .count()
        .min(MARKED)
}

impl Mark<'_> {
    fn draw(&self, line: &str, from: usize, margin: &str, style: &Style) -> String {
        let cut = if from > 0 { 3 } else { 0 };
        let shown = from..from + COLUMNS;
        let (start, end) = (
            self.columns.start.clamp(shown.start, shown.end),
            self.columns.end.min(shown.end),
        );
        let blank = " ".repeat(cut + columns(line, from..start));
        let signs = self.sign.repeat(columns(line, start..end).max(1));
        let words = if self.text.is_empty() {
            String::new()
        } else {
            format!(" {}", self.text)
        };
        let paint = if self.sign == "^" {
            Paint::Bad
        } else {
            Paint::Strong
        };
        format!(
            "{margin}{blank}{}\n",
            style.paint(paint, &format!("{signs}{words}"))
        )
    }
}

/// Line and column in characters, both from 0.
fn position(text: &str, offset: usize) -> (usize, usize) {
    let mut offset = offset.min(text.len());
    while !text.is_char_boundary(offset) {
        offset -= 1;
    }
    let before = &text[..offset];
    let start = before.rfind('\n').map_or(0, |end| end + 1);
    (before.matches('\n').count(), before[start..].chars().count())
}

fn width_of(line: &str) -> usize {
    line.chars().count()
}

/// One character as it is shown: a tab is four columns wide, a control is visible.
fn shown(character: char) -> String {
    match character {
        '\t' => "    ".to_owned(),
        character if clean(character.to_string().as_bytes()).is_empty() => {
            char::REPLACEMENT_CHARACTER.to_string()
        }
        character => character.to_string(),
    }
}

/// How many columns these characters of a line take.
fn columns(line: &str, characters: Range<usize>) -> usize {
    let count = characters.end.saturating_sub(characters.start);
    let missing = characters
        .end
        .saturating_sub(width_of(line).max(characters.start));
    let text: String = line
        .chars()
        .skip(characters.start)
        .take(count)
        .map(shown)
        .collect();
    measure_text_width(&text) + missing
}

/// The part of a line that is shown.
fn window(line: &str, from: usize) -> String {
    let text: String = line.chars().skip(from).take(COLUMNS).map(shown).collect();
    let before = if from > 0 { "..." } else { "" };
    let after = if width_of(line) > from + COLUMNS {
        "..."
    } else {
        ""
    };
    format!("{before}{text}{after}")
}
