//! Quotes, escapes and `${v:-w}`: how a word becomes a value.
//!
//! Which words are expanded, and in which scope, is the lowering's business (`scope.rs` has the scopes).
//! Reading is `lexer.rs`, patterns of `${v#p}` are `pattern.rs`.

mod error;
mod lexer;
mod pattern;

pub use error::{ExpandError, ExpandErrorKind};

use std::borrow::Cow;
use std::collections::BTreeMap;

use crate::{Span, Word};

/// Deepest nesting of `${a:-${b:-...}}`; deeper text is an attack on the stack, not a Dockerfile.
const MAX_DEPTH: usize = 64;

/// Longest value. The kernel takes no environment string over 128 KiB; this stops `ENV a=$a$a` doubling for ever.
pub const MAX_VALUE: usize = 1 << 20;

/// The escape character of a file: `# escape=`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
pub enum Escape {
    /// The default.
    #[default]
    Backslash,
    /// For files with Windows paths.
    Backtick,
}

impl Escape {
    /// The character.
    pub fn char(self) -> char {
        match self {
            Escape::Backslash => '\\',
            Escape::Backtick => '`',
        }
    }
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

pub(crate) fn expand(word: &Word, scope: &dyn Scope) -> Result<Expanded, ExpandError> {
    if is_plain(word) {
        return Ok(Expanded {
            value: word.text.clone(),
            ..Expanded::default()
        });
    }
    lexer::expand(word, scope, false).map(|(_, expanded)| expanded)
}

/// Whether the value is the text, whatever the variables are. Most words are plain, and there are many of them.
pub(crate) fn is_plain(word: &Word) -> bool {
    let escape = word.escape.char() as u8;
    word.mode == Mode::Literal
        || !word
            .text
            .bytes()
            .any(|b| matches!(b, b'$' | b'"' | b'\'') || b == escape)
}

pub(crate) fn expand_list(word: &Word, scope: &dyn Scope) -> Result<(Vec<String>, Expanded), ExpandError> {
    lexer::expand(word, scope, true)
}

/// Whether the word is well-formed, whatever the variables are.
pub(crate) fn check(word: &Word) -> Result<(), ExpandError> {
    if is_plain(word) {
        return Ok(());
    }
    match expand(word, &|_: &str| None) {
        Err(error) if error.kind.depends_on_values() => Ok(()),
        other => other.map(|_| ()),
    }
}

#[cfg(test)]
mod tests;
