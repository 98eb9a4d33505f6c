//! The first word of an instruction: which keyword it is, or which was meant.

use std::ops::Range;

use crate::diagnostic::Diagnostic;
use crate::instruction::{KEYWORDS, is_blank};
use crate::kind::Kind;
use crate::line::Logical;
use crate::suggest;

/// A keyword and where its arguments begin.
pub(crate) struct Head {
    pub(crate) range: Range<usize>,
    /// In upper case; `None` when there is no such keyword.
    pub(crate) name: Option<&'static str>,
    pub(crate) after: usize,
}

impl Head {
    /// Reads the first word of `text[start..]`.
    pub(crate) fn read(text: &str, start: usize) -> Head {
        let rest = text.get(start..).unwrap_or_default();
        let begin = start + (rest.len() - rest.trim_start().len());
        let rest = text.get(begin..).unwrap_or_default().trim_end();
        let end = begin + rest.find(is_blank).unwrap_or(rest.len());
        let word = text.get(begin..end).unwrap_or_default();
        let name = KEYWORDS
            .iter()
            .copied()
            .find(|keyword| keyword.eq_ignore_ascii_case(word));
        Head {
            range: begin..end,
            name,
            after: end,
        }
    }
}

/// An instruction that is not there. `unfinished`: the line above reads as if it went on.
pub(crate) fn unknown_instruction(logical: &Logical, range: &Range<usize>, unfinished: bool) -> Diagnostic {
    let word = logical.text.get(range.clone()).unwrap_or_default();
    let kind = Kind::UnknownInstruction {
        keyword: word.to_owned(),
    };
    let diagnostic = Diagnostic::error(kind, logical.span(range));
    if unfinished {
        return diagnostic.with_help("if this continues the line above, that line needs a `\\` at its end");
    }
    match suggest::nearest(word, KEYWORDS.iter().copied()) {
        Some(nearest) => diagnostic.with_suggestion(nearest),
        None if word.starts_with("//") => diagnostic.with_help("a comment begins with `#`"),
        None => diagnostic,
    }
}

/// Whether a shell line clearly goes on.
pub(crate) fn is_unfinished(text: &str) -> bool {
    let text = text.trim_end();
    ["&&", "||", "|", ";", ","].iter().any(|end| text.ends_with(end))
}
