//! CMD: what a container runs, or the arguments of its entry point.

use crate::instruction::Command;

/// `CMD ["a", "b"]` or `CMD text`. An empty one clears what was inherited.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Cmd {
    /// The command.
    pub command: Command,
}
