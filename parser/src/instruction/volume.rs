//! VOLUME: mount points of the container.

use std::ops::Range;

use crate::Word;
use crate::diagnostic::Diagnostic;
use crate::instruction::Context;
use crate::kind::Kind;

/// `VOLUME path...` or `VOLUME ["path", ...]`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Volume {
    /// The paths, not expanded.
    pub paths: Vec<Word>,
}

impl Volume {
    pub(crate) fn parse(cx: &mut Context<'_>, args: &Range<usize>) -> Option<Volume> {
        let paths = cx.list(args)?;
        if paths.is_empty() {
            cx.missing("VOLUME", "a path");
            return None;
        }
        if let Some(empty) = paths.iter().find(|path| path.text.trim().is_empty()) {
            let span = empty.span;
            cx.report(Diagnostic::error(Kind::EmptyArgument { keyword: "VOLUME" }, span));
            return None;
        }
        if !cx.text(args).contains(['[', '"', '\'']) {
            let words = cx.split(args);
            cx.warn_of_comment(&words, 1, "more paths");
        }
        Some(Volume { paths })
    }
}
