//! Draws diagnostics as text: values in, a string out, no colour, no terminal. Values of secrets are painted over.
//!
//! ```
//! let source = "FROM alpine\nRNU make\n";
//! let parsed = dockerfile_parser::parse(source);
//! assert_eq!(
//!     dockerfile_parser::render::render("Dockerfile", source, &parsed.diagnostics[0]),
//!     "error: unknown instruction `RNU`\n \
//!       --> Dockerfile:2:1\n  \
//!        |\n\
//!      2 | RNU make\n  \
//!        | ^^^\n  \
//!        |\n\
//!      help: did you mean `RUN`?\n"
//! );
//! ```

use crate::diagnostic::{Diagnostic, Severity};
use crate::kind::Kind;
use crate::{LineIndex, Span, secrets};

/// Columns of a source line that are shown; a longer one is cut around what matters.
const WIDTH: usize = 120;

/// Diagnostics that [`render_all`] draws; who has more errors than that mends the first ones first.
const SHOWN: usize = 100;

/// One place of a diagnostic.
struct Mark<'a> {
    line: usize,
    span: Span,
    label: &'a str,
    primary: bool,
}

/// Draws one diagnostic, with a final newline. `path` is how the file is called in the message.
pub fn render(path: &str, source: &str, diagnostic: &Diagnostic) -> String {
    render_with(
        path,
        &LineIndex::new(&secrets::hidden_in_file(source)),
        diagnostic,
    )
}

/// Draws all diagnostics of a file, an empty line between them.
pub fn render_all(path: &str, source: &str, diagnostics: &[Diagnostic]) -> String {
    let source = secrets::hidden_in_file(source);
    let index = LineIndex::new(&source);
    let mut drawn: Vec<String> = diagnostics
        .iter()
        .take(SHOWN)
        .map(|d| render_with(path, &index, d))
        .collect();
    if diagnostics.len() > SHOWN {
        drawn.push(format!("... and {} more\n", diagnostics.len() - SHOWN));
    }
    drawn.join("\n")
}

fn render_with(path: &str, index: &LineIndex<'_>, diagnostic: &Diagnostic) -> String {
    let severity = match diagnostic.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
    };
    let mut marks: Vec<Mark<'_>> = diagnostic
        .secondary
        .iter()
        .map(|(span, label)| Mark {
            line: index.line(span.start),
            span: *span,
            label,
            primary: false,
        })
        .collect();
    let primary = diagnostic.span;
    let label = diagnostic.label.as_deref().unwrap_or_default();
    marks.push(Mark {
        line: index.line(primary.start),
        span: primary,
        label,
        primary: true,
    });
    marks.sort_by_key(|mark| (mark.line, mark.span.start, !mark.primary));

    let width = marks.last().map_or(1, |mark| mark.line.to_string().len());
    let gutter = " ".repeat(width);
    let position = index.position(primary.start);
    let mut out = format!("{severity}: {}\n", diagnostic.message());
    out += &format!(
        "{gutter}--> {path}:{}:{}\n{gutter} |\n",
        position.line, position.column
    );
    let mut shown = 0;
    for mark in &marks {
        let window = Window::new(index, mark);
        if mark.line != shown {
            match mark.line - shown {
                _ if shown == 0 => {}
                1 => {}
                2 => {
                    out += &row(
                        &(shown + 1).to_string(),
                        width,
                        &plain(index.line_text(shown + 1)),
                    )
                }
                _ => out += "...\n",
            }
            out += &row(&mark.line.to_string(), width, &window.text);
            shown = mark.line;
        }
        let sign = if mark.primary { "^" } else { "-" };
        let underline = sign.repeat(window.length.max(1));
        let text = format!("{}{underline} {}", " ".repeat(window.start), one_line(mark.label));
        out += &row("", width, text.trim_end());
    }
    if diagnostic.help.is_some() || matches!(diagnostic.kind, Kind::Check { .. }) {
        out += &format!("{gutter} |\n");
    }
    if let Some(help) = &diagnostic.help {
        out += &format!("help: {}\n", one_line(help));
    }
    if let Kind::Check { rule, .. } = &diagnostic.kind {
        out += &format!("check: {}, {}\n", rule.name(), rule.url());
    }
    out
}

fn row(number: &str, width: usize, text: &str) -> String {
    let space = if text.is_empty() { "" } else { " " };
    format!("{number:>width$} |{space}{text}\n")
}

/// What is shown of a line, and where the mark is in it.
struct Window {
    text: String,
    start: usize,
    length: usize,
}

impl Window {
    fn new(index: &LineIndex<'_>, mark: &Mark<'_>) -> Window {
        let line = index.line_span(mark.line).unwrap_or_default();
        let source = index.source();
        let start = mark.span.start.clamp(line.start, line.end);
        // A span over several lines is underlined to the end of the first one.
        let end = mark.span.end.clamp(start, line.end);
        let part =
            |from: usize, to: usize| plain(Span::new(from, to).text(source).trim_start_matches('\u{feff}'));
        let (before, marked, after) = (part(line.start, start), part(start, end), part(end, line.end));
        let (start, length) = (columns(&before), columns(&marked));
        let text = before + &marked + &after;
        if columns(&text) <= WIDTH {
            return Window { text, start, length };
        }
        // Keep some of what stands before; the mark comes first.
        let skip = start.saturating_sub(WIDTH / 3);
        let (lead, keep) = if skip > 0 {
            ("...", WIDTH - 6)
        } else {
            ("", WIDTH - 3)
        };
        let mut kept = String::new();
        let mut at = 0;
        let mut cut = false;
        for ch in text.chars() {
            if at >= skip + keep {
                cut = true;
                break;
            }
            if at >= skip {
                kept.push(ch);
            }
            at += column(ch);
        }
        let start = start - skip + lead.len();
        let length = length.min(keep.saturating_sub(start.saturating_sub(lead.len())));
        Window {
            text: format!("{lead}{kept}{}", if cut { "..." } else { "" }),
            start,
            length,
        }
    }
}

/// Help and labels may hold words of the file.
fn one_line(text: &str) -> String {
    let shown: String = text.chars().take(400).collect();
    plain(&shown)
}

/// The text as a terminal may show it: tabs are four spaces, control characters are not sent.
fn plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for ch in text.chars() {
        match ch {
            '\t' => out.push_str("    "),
            ch if ch.is_control() || is_invisible(ch) => out.push('\u{fffd}'),
            ch => out.push(ch),
        }
    }
    out
}

/// Characters that reorder or hide text: a message must show them (CVE-2021-42574).
pub(crate) fn is_invisible(ch: char) -> bool {
    matches!(ch, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

fn columns(text: &str) -> usize {
    text.chars().map(column).sum()
}

/// Two columns for East Asian and emoji characters, none for combining ones: close enough for carets.
fn column(ch: char) -> usize {
    match u32::from(ch) {
        0x300..=0x36f | 0xfe00..=0xfe0f => 0,
        0x1100..=0x115f
        | 0x2e80..=0xa4cf
        | 0xac00..=0xd7a3
        | 0xf900..=0xfaff
        | 0xfe30..=0xfe6f
        | 0xff00..=0xff60
        | 0xffe0..=0xffe6
        | 0x1f300..=0x1faff
        | 0x20000..=0x3fffd => 2,
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn draw(source: &str, span: Span, secondary: &[(Span, &str)]) -> String {
        let mut diagnostic = Diagnostic::error(Kind::NoInstructions, span).with_label("here");
        for (span, label) in secondary {
            diagnostic = diagnostic.with_secondary(*span, *label);
        }
        render("f", source, &diagnostic)
    }

    #[test]
    fn lines_between_are_left_out() {
        let source = "FROM a AS b\nx\ny\nCOPY b\n";
        let at = |text: &str| {
            let start = source.find(text).unwrap();
            Span::new(start, start + text.len())
        };
        assert_eq!(
            draw(source, at("COPY"), &[(at("b"), "there")]),
            "error: the file has no instructions\n --> f:4:1\n  |\n1 | FROM a AS b\n  |           - there\n...\n\
             4 | COPY b\n  | ^^^^ here\n"
        );
        assert!(draw(source, at("y"), &[(at("FROM"), "")]).contains("2 | x\n3 | y\n"));
    }

    #[test]
    fn strange_characters_do_not_reach_the_terminal() {
        let source = "\tRUN \u{1b}[31m\u{202e} ä 漢 x";
        let start = source.find('x').unwrap();
        let drawn = draw(source, Span::new(start, start + 1), &[]);
        assert!(
            drawn.contains("1 |     RUN \u{fffd}[31m\u{fffd} ä 漢 x\n"),
            "{drawn}"
        );
        assert!(
            drawn.contains(&format!("  | {}^ here\n", " ".repeat(20))),
            "{drawn}"
        );
    }

    #[test]
    fn long_lines_are_cut_around_the_mark() {
        let source = format!("RUN {}MARK{}", "a".repeat(500_000), "b".repeat(500_000));
        let start = source.find("MARK").unwrap();
        let drawn = draw(&source, Span::new(start, start + 4), &[]);
        assert!(drawn.len() < 600);
        let lines: Vec<&str> = drawn.lines().collect();
        assert_eq!(lines[3].find("MARK"), lines[4].find("^^^^"));
        let whole = draw(&source, Span::new(0, source.len()), &[]);
        assert!(whole.len() < 600, "{}", whole.len());
    }

    #[test]
    fn spans_outside_do_no_harm() {
        assert!(draw("", Span::new(7, 9), &[]).contains("f:1:1"));
        assert!(draw("a\n", Span::at(2), &[]).contains("f:2:1"));
    }
}
