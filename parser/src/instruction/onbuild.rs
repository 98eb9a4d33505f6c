//! ONBUILD: an instruction for the child image.

use crate::dockerfile::Instruction;

/// `ONBUILD INSTRUCTION`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct OnBuild {
    /// What is stored in the image: the instruction as one line, heredoc bodies appended.
    pub text: String,
    /// The same, parsed.
    pub instruction: Box<Instruction>,
}

/// Keywords that cannot be a trigger.
pub(crate) const FORBIDDEN: &[&str] = &["FROM", "MAINTAINER", "ONBUILD"];
