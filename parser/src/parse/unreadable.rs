//! What keeps an instruction from being read: merge conflicts, quotes that are left open, bytes that are no text, characters
//! that look like others.

use super::Parser;
use crate::diagnostic::Diagnostic;
use crate::expand::ExpandErrorKind;
use crate::heredoc;
use crate::keyword::ConflictMarker;
use crate::kind::Kind;
use crate::line::{Logical, PhysicalLines};
use crate::{Span, lookalike};

impl Parser<'_> {
    /// Bodies of heredocs of an instruction that cannot be read would be unknown instructions, line by line. Looking
    /// ahead costs the rest of the file, so it is not done for ever.
    pub(super) fn skip_bodies(&mut self, logical: &Logical, start: usize) {
        if self.lookaheads > 0 && logical.text.contains("<<") {
            self.lookaheads -= 1;
            let markers = heredoc::markers(&logical.text, start..logical.text.len());
            let mut ahead = self.lines.clone();
            let mut ignored = Vec::new();
            heredoc::read_bodies(markers, logical, &mut ahead, &mut ignored);
            if ignored.is_empty() {
                self.lines = ahead;
            }
        }
    }

    /// Whether a marker of a merge conflict stands in the lines since `start`. All are one error, and what they tear
    /// apart is none.
    pub(super) fn conflict(&mut self, start: usize) -> bool {
        let text = self.lines.text_since(start);
        // What the first line begins with is no instruction in any case; elsewhere `=======` may be text.
        let first = ConflictMarker::read(text.lines().next().unwrap_or_default()).is_some();
        if self.conflict.is_none() && !first && !text.contains("<<<<<<<") {
            return false;
        }
        let mut found = false;
        for line in PhysicalLines::new(text, 0) {
            let Some(marker) = ConflictMarker::read(line.text) else {
                continue;
            };
            let span = Span::new(start + line.start, start + line.start + 7);
            match (self.conflict, marker) {
                (None, marker) if marker == ConflictMarker::Begin || line.start == 0 => {
                    self.conflict = Some(self.diagnostics.len());
                    self.diagnostics.push(
                        Diagnostic::error(Kind::MergeConflict, span)
                            .with_help("keep one side, or join both, and remove the lines with the markers"),
                    );
                }
                (None, _) => continue,
                (Some(index), marker) => {
                    let label = match marker {
                        ConflictMarker::Begin => "another one",
                        ConflictMarker::Middle => "the other side",
                        ConflictMarker::End => "its end",
                    };
                    // Who has more of them does not need each pointed at.
                    if let Some(first) = self.diagnostics.get_mut(index).filter(|d| d.secondary.len() < 8) {
                        first.secondary.push((span, label.to_owned()));
                    }
                }
            }
            self.torn = true;
            found = true;
        }
        found
    }

    /// A flag that takes the rest of the instruction: what the instruction says cannot be known.
    pub(super) fn open_quote(&mut self, logical: &Logical, (at, quote): (usize, char)) {
        self.skip_bodies(logical, at + 1);
        let kind = Kind::Expand(ExpandErrorKind::UnclosedQuote(quote));
        let span = logical.span(&(at..at + 1));
        let help = "everything behind it belongs to the flag: close it where the value ends";
        self.diagnostics
            .push(Diagnostic::error(kind, span).with_help(help));
    }

    /// Only the first is reported: a file in another encoding has one in every word.
    pub(super) fn nul_byte(&mut self, span: Span) {
        if std::mem::replace(&mut self.nul, true) {
            return;
        }
        let mut diagnostic = Diagnostic::error(Kind::NulByte, span);
        let nuls = self.source.bytes().filter(|byte| *byte == 0).count();
        if nuls > self.source.len() / 3 {
            diagnostic = diagnostic.with_help("the file looks like UTF-16; save it as UTF-8");
        }
        self.diagnostics.push(diagnostic);
    }
}

/// Names a character that looks like another one, or like none, in the first error of an instruction that has no other
/// explanation.
pub(super) fn lookalikes(source: &str, logical: &Logical, found: &mut [Diagnostic]) {
    let Some(first) = found.iter_mut().find(|diagnostic| diagnostic.is_error()) else {
        return;
    };
    let text = match first.kind {
        // Words that ran together because of it, or apart.
        Kind::MissingArguments { .. } | Kind::MissingEquals { .. } => logical.text.as_str(),
        _ if first.help.is_none() || matches!(first.kind, Kind::InvalidPort { .. }) => {
            first.span.text(source)
        }
        _ => return,
    };
    if let Some(lookalike) = lookalike::find(text) {
        first.help = Some(lookalike.to_string());
        first.suggestion = None;
    }
}
