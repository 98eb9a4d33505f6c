//! `<<EOF`: markers and bodies.

use crate::expand::{ExpandError, Expanded, Scope};
use crate::{Span, Word};

/// A here-document of ADD, COPY or RUN.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Heredoc {
    /// The delimiter, quotes removed. For COPY and ADD it is the file's name.
    pub name: String,
    /// The file descriptor before `<<`; 0 when there is none.
    pub fd: u32,
    /// Whether the body is expanded: no part of the delimiter was quoted.
    pub expand: bool,
    /// `<<-`: leading tabs of the body and the terminator are dropped.
    pub strip_tabs: bool,
    /// The marker in the instruction's line.
    pub marker: Span,
    /// The body as it stands in the source, with line ends; tabs are still there.
    pub body: Word,
    /// The line that ends it.
    pub terminator: Span,
}

impl Heredoc {
    /// The body with tabs stripped where `<<-` asks for it, not expanded.
    pub fn content(&self) -> String {
        self.body.text.clone()
    }

    /// The content with variables replaced, unless the delimiter was quoted. Quotes in it are literal.
    ///
    /// # Errors
    /// When a substitution is malformed.
    pub fn expand(&self, scope: &dyn Scope) -> Result<Expanded, ExpandError> {
        self.body.expand(scope)
    }
}
