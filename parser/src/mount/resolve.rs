//! Options of a mount: names, values, defaults, and which go together.

use crate::Span;
use crate::expand::{ExpandError, Scope};
use crate::mount::{Mount, MountType, ResolvedMount};

/// Why a mount is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MountError {
    /// What is wrong.
    pub kind: MountErrorKind,
    /// Where in the source.
    pub span: Span,
}

/// The ways in which a mount is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MountErrorKind {
    /// A value does not expand.
    Expand(ExpandError),
}

impl Mount {
    /// Expands and checks every option. `scope` is for all values; `from_scope` for `from=`, which sees global
    /// ARGs only, because stages depend on it.
    ///
    /// # Errors
    /// The first option that is wrong.
    pub fn resolve(&self, _scope: &dyn Scope, _from_scope: &dyn Scope) -> Result<ResolvedMount, MountError> {
        Err(MountError {
            kind: MountErrorKind::Expand(ExpandError {
                kind: crate::expand::ExpandErrorKind::UnclosedBrace,
                span: self.span,
            }),
            span: self.span,
        })
    }
}

pub(crate) fn static_type(_mount: &Mount) -> Option<MountType> {
    None
}
