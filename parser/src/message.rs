//! The words of every kind of diagnostic.

use crate::kind::Kind;

pub(crate) fn message(kind: &Kind) -> String {
    match kind {
        Kind::NoInstructions => "the file has no instructions".into(),
    }
}

pub(crate) fn code(kind: &Kind) -> &'static str {
    match kind {
        Kind::NoInstructions => "no-instructions",
    }
}
