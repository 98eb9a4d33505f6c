//! CMD: what a container runs, or the arguments of its entry point.

use std::ops::Range;

use crate::instruction::{Command, Context};

/// `CMD ["a", "b"]` or `CMD text`. An empty one clears what was inherited.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Cmd {
    /// The command.
    pub command: Command,
}

impl Cmd {
    pub(crate) fn parse(cx: &mut Context<'_>, args: &Range<usize>) -> Option<Cmd> {
        Command::parse(cx, args).map(|command| Cmd { command })
    }
}
