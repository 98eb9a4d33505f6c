//! MAINTAINER: the author, deprecated.

use std::ops::Range;

use crate::Word;
use crate::instruction::Context;

/// `MAINTAINER text`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Maintainer {
    /// The rest of the line; not expanded.
    pub name: Word,
}

impl Maintainer {
    pub(crate) fn parse(cx: &mut Context<'_>, args: &Range<usize>) -> Option<Maintainer> {
        if args.is_empty() {
            cx.missing("MAINTAINER", "a name");
            return None;
        }
        Some(Maintainer {
            name: cx.literal(args.clone()),
        })
    }
}
