//! Why a word cannot be expanded: data and words.

use std::fmt;

use crate::Span;
use crate::expand::{MAX_DEPTH, MAX_VALUE};

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
    /// `${v/p}` without the second slash.
    MissingSlash,
    /// `${}`, `${{`, `${:`.
    BadSubstitution,
    /// `${v:=w}`, `${v:0:2}`, `${!v}`.
    UnsupportedModifier(String),
    /// A pattern with an escape that has no meaning.
    InvalidPattern(String),
    /// `${v?message}`: the variable is not set.
    NotSet {
        /// The variable.
        name: String,
        /// The text after `?`, expanded; maybe empty.
        message: String,
    },
    /// `${v:?message}`: the variable is set to nothing.
    Empty {
        /// The variable.
        name: String,
        /// The text after `?`, expanded; maybe empty.
        message: String,
    },
    /// More than 64 substitutions in one another.
    TooDeep,
    /// The value is longer than [`MAX_VALUE`].
    TooLong,
    /// The pattern and the value are so long that matching would take minutes.
    TooComplex,
}

impl ExpandErrorKind {
    /// Whether it depends on the values of variables, so that the text alone is well-formed.
    pub fn depends_on_values(&self) -> bool {
        matches!(
            self,
            ExpandErrorKind::NotSet { .. }
                | ExpandErrorKind::Empty { .. }
                | ExpandErrorKind::TooLong
                | ExpandErrorKind::TooComplex
        )
    }
}

impl fmt::Display for ExpandErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ExpandErrorKind::UnclosedQuote('"') => f.write_str("a double quote is not closed"),
            ExpandErrorKind::UnclosedQuote(_) => f.write_str("a single quote is not closed"),
            ExpandErrorKind::UnclosedBrace => f.write_str("a substitution is not closed: `}` is missing"),
            ExpandErrorKind::MissingSlash => f.write_str("a replacement needs a second `/`"),
            ExpandErrorKind::BadSubstitution => f.write_str("a substitution without a variable"),
            ExpandErrorKind::UnsupportedModifier(modifier) => {
                write!(f, "unsupported modifier `{modifier}` in a substitution")
            }
            ExpandErrorKind::InvalidPattern(escape) => write!(f, "`{escape}` means nothing in a pattern"),
            ExpandErrorKind::NotSet { name, message } if message.is_empty() => {
                write!(f, "`{name}` is not set")
            }
            ExpandErrorKind::NotSet { name, message } => write!(f, "`{name}` is not set: {message}"),
            ExpandErrorKind::Empty { name, message } if message.is_empty() => write!(f, "`{name}` is empty"),
            ExpandErrorKind::Empty { name, message } => write!(f, "`{name}` is empty: {message}"),
            ExpandErrorKind::TooDeep => write!(f, "substitutions are nested more than {MAX_DEPTH} deep"),
            ExpandErrorKind::TooLong => write!(f, "the value is longer than {MAX_VALUE} bytes"),
            ExpandErrorKind::TooComplex => {
                f.write_str("the pattern and the value are too long to be matched")
            }
        }
    }
}

impl fmt::Display for ExpandError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.kind.fmt(f)
    }
}

impl std::error::Error for ExpandError {}
