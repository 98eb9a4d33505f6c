//! A word as it was written, before expansion. The expansion itself is `expand.rs`.

use crate::Span;
use crate::expand::{self, Escape, ExpandError, Expanded, Mode, Scope};

/// One argument, not yet expanded: quotes, escapes and `$` are still in it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Word {
    /// The raw text; continuations are already joined.
    pub text: String,
    /// Where it stands in the source.
    pub span: Span,
    /// Whether the text is the source at `span`, byte for byte, so that offsets carry over.
    #[cfg_attr(feature = "serde", serde(skip))]
    pub(crate) exact: bool,
    /// How it is expanded.
    #[cfg_attr(feature = "serde", serde(skip))]
    pub(crate) mode: Mode,
    /// The escape character of its file.
    #[cfg_attr(feature = "serde", serde(skip))]
    pub(crate) escape: Escape,
}

impl Word {
    /// A word that stands in no source, for instance one that the caller makes up.
    pub fn synthetic(text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            span: Span::default(),
            exact: false,
            mode: Mode::Quoted,
            escape: Escape::Backslash,
        }
    }

    /// The value in `scope`, as one string. Quotes are removed, variables replaced; nothing is split.
    ///
    /// # Errors
    /// When quotes or substitutions are malformed, or a `${v:?message}` asks for it.
    pub fn expand(&self, scope: &dyn Scope) -> Result<Expanded, ExpandError> {
        expand::expand(self, scope)
    }

    /// The value in `scope`, split at white space that is not quoted, as EXPOSE does it.
    ///
    /// # Errors
    /// As [`Word::expand`].
    pub fn expand_list(&self, scope: &dyn Scope) -> Result<(Vec<String>, Expanded), ExpandError> {
        expand::expand_list(self, scope)
    }

    /// Whether expansion may change with the scope: there is a `$` in it.
    pub fn has_variables(&self) -> bool {
        self.mode != Mode::Literal && self.text.contains('$')
    }

    /// The span of a part of the text; the whole word where the text is not the source.
    pub fn part(&self, start: usize, end: usize) -> Span {
        if self.exact {
            Span::new(self.span.start + start, self.span.start + end)
        } else {
            self.span
        }
    }
}
