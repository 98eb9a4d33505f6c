//! FROM: begins a stage.

use crate::{Span, Word};

/// `FROM [--platform=p] base [AS name]`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct From {
    /// `--platform=`, with global ARGs.
    pub platform: Option<Word>,
    /// Image, earlier stage, named context or `scratch`, with global ARGs.
    pub base: Word,
    /// The name given by AS.
    pub name: Option<StageName>,
}

/// The name of a stage.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct StageName {
    /// In lower case: names are compared without case.
    pub value: String,
    /// As written.
    pub text: String,
    /// Where it stands.
    pub span: Span,
    /// The `AS` keyword.
    pub as_keyword: Span,
    /// `AS` as written.
    pub as_text: String,
}
