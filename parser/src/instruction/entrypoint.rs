//! ENTRYPOINT: what a container runs.

use std::ops::Range;

use crate::instruction::{Command, Context};

/// `ENTRYPOINT ["a", "b"]` or `ENTRYPOINT text`. An empty one clears what was inherited.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Entrypoint {
    /// The command.
    pub command: Command,
}

impl Entrypoint {
    pub(crate) fn parse(cx: &mut Context<'_>, args: &Range<usize>) -> Option<Entrypoint> {
        Command::parse(cx, args).map(|command| Entrypoint { command })
    }
}
