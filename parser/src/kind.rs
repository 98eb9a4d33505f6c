//! What can be wrong with a Dockerfile, as data.

/// The kinds of diagnostics.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Kind {
    /// There is no instruction in the file.
    NoInstructions,
}
