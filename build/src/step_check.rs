//! [`StepCheck`]: what a check found that only a step can ask.

use dockerfile_parser::lint::Rule;

/// A word of a COPY or ADD.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum CopyPart {
    /// A source, by its place.
    Source(usize),
    /// The destination.
    Dest,
    /// `--chown`.
    Owner,
}

/// One finding of a step.
#[derive(Debug, Clone)]
pub struct StepCheck {
    /// The check.
    pub rule: Rule,
    /// The word that it is about.
    pub part: CopyPart,
    /// One line.
    pub message: String,
    /// What to do.
    pub help: Option<String>,
}
