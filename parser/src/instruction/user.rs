//! USER: who runs later steps and the container.

use std::ops::Range;

use crate::Word;
use crate::instruction::Context;

/// `USER user[:group]`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct User {
    /// Names or numbers, not expanded.
    pub user: Word,
}

impl User {
    pub(crate) fn parse(cx: &mut Context<'_>, args: &Range<usize>) -> Option<User> {
        if args.is_empty() {
            cx.missing("USER", "a user");
            return None;
        }
        // A `#` between quotes was meant as it stands.
        if !cx.text(args).contains(['"', '\'']) {
            let words = cx.split(args);
            cx.warn_of_comment(&words, 1, "part of the user");
        }
        Some(User {
            user: cx.word(args.clone()),
        })
    }
}
