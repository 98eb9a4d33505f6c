//! WORKDIR: the directory of later steps and of the container.

use std::ops::Range;

use crate::Word;
use crate::instruction::Context;

/// `WORKDIR path`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Workdir {
    /// Absolute, or relative to the one before; not expanded.
    pub path: Word,
}

impl Workdir {
    pub(crate) fn parse(cx: &mut Context<'_>, args: &Range<usize>) -> Option<Workdir> {
        if args.is_empty() {
            cx.missing("WORKDIR", "a path");
            return None;
        }
        // A `#` between quotes was meant as it stands.
        if !cx.text(args).contains(['"', '\'']) {
            let words = cx.split(args);
            cx.warn_of_comment(&words, 1, "part of the path");
        }
        Some(Workdir {
            path: cx.word(args.clone()),
        })
    }
}
