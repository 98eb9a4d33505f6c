//! Quotes, escapes and `${v:-w}`: how a word becomes a value.
//!
//! Which words are expanded, and in which scope, is the lowering's business.

use std::borrow::Cow;
use std::collections::BTreeMap;

use crate::{Span, Word};

/// The escape character of a file: `# escape=`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub enum Escape {
    /// The default.
    #[default]
    Backslash,
    /// For files with Windows paths.
    Backtick,
}

/// How a word is expanded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Mode {
    /// Quotes group and are removed.
    #[default]
    Quoted,
    /// Quotes are ordinary characters: heredoc bodies.
    RawQuotes,
    /// Nothing is expanded.
    Literal,
}

/// Where variables are looked up.
pub trait Scope {
    /// The value of `name`; `None` when it is not set.
    fn get(&self, name: &str) -> Option<Cow<'_, str>>;
}

impl<F: Fn(&str) -> Option<String>> Scope for F {
    fn get(&self, name: &str) -> Option<Cow<'_, str>> {
        self(name).map(Cow::Owned)
    }
}

impl Scope for BTreeMap<String, String> {
    fn get(&self, name: &str) -> Option<Cow<'_, str>> {
        BTreeMap::get(self, name).map(|value| Cow::Borrowed(value.as_str()))
    }
}

/// What expansion gave.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Expanded {
    /// The value.
    pub value: String,
    /// Variables that were read and set, sorted, each once.
    pub used: Vec<String>,
    /// Variables that were read without a default and not set: each name, and where.
    pub undefined: Vec<(String, Span)>,
}

/// Why a word cannot be expanded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExpandError {
    /// What is wrong.
    pub kind: ExpandErrorKind,
    /// Where in the source.
    pub span: Span,
}

/// The ways in which expansion fails.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ExpandErrorKind {
    /// A quote is not closed.
    UnclosedQuote(char),
    /// `${v` without `}`.
    UnclosedBrace,
}

pub(crate) fn expand(word: &Word, _scope: &dyn Scope) -> Result<Expanded, ExpandError> {
    Ok(Expanded {
        value: word.text.clone(),
        ..Expanded::default()
    })
}

pub(crate) fn expand_list(word: &Word, scope: &dyn Scope) -> Result<(Vec<String>, Expanded), ExpandError> {
    let all = expand(word, scope)?;
    Ok((all.value.split_whitespace().map(String::from).collect(), all))
}
