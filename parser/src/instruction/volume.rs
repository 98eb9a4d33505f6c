//! VOLUME: mount points of the container.

use crate::Word;

/// `VOLUME path...` or `VOLUME ["path", ...]`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Volume {
    /// The paths, not expanded.
    pub paths: Vec<Word>,
}
