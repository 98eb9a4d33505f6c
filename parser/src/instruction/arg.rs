//! ARG: build arguments.

use crate::Word;

/// `ARG name[=default]...`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Arg {
    /// What is declared, in order.
    pub declarations: Vec<ArgDeclaration>,
}

/// One `name[=default]`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct ArgDeclaration {
    /// The name. BuildKit expands it, so it is a word.
    pub name: Word,
    /// The default, not expanded.
    pub default: Option<Word>,
}
