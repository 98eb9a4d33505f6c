//! WORKDIR: the directory of later steps and of the container.

use crate::Word;

/// `WORKDIR path`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Workdir {
    /// Absolute, or relative to the one before; not expanded.
    pub path: Word,
}
