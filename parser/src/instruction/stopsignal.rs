//! STOPSIGNAL: how a container is told to stop.

use crate::Word;

/// `STOPSIGNAL signal`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct StopSignal {
    /// Name or number, not expanded.
    pub signal: Word,
}
