//! ENTRYPOINT: what a container runs.

use crate::instruction::Command;

/// `ENTRYPOINT ["a", "b"]` or `ENTRYPOINT text`. An empty one clears what was inherited.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Entrypoint {
    /// The command.
    pub command: Command,
}
