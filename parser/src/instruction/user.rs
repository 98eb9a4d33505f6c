//! USER: who runs later steps and the container.

use crate::Word;

/// `USER user[:group]`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct User {
    /// Names or numbers, not expanded.
    pub user: Word,
}
