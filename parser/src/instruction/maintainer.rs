//! MAINTAINER: the author, deprecated.

use crate::Word;

/// `MAINTAINER text`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Maintainer {
    /// The rest of the line; not expanded.
    pub name: Word,
}
