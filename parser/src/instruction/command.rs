//! The shell form and the exec form of a command.

use crate::{Heredoc, Span};

/// The command of RUN, CMD, ENTRYPOINT or HEALTHCHECK.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Command {
    /// Where it stands in the instruction's line.
    pub span: Span,
    /// How it is written.
    pub form: CommandForm,
}

/// The two forms.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
pub enum CommandForm {
    /// Text for the shell. Empty when there are no arguments.
    Shell {
        /// The line: continuations joined, nothing expanded.
        text: String,
        /// Bodies of the heredocs in it (RUN only), in order.
        heredocs: Vec<Heredoc>,
    },
    /// Arguments without a shell, nothing expanded.
    Exec(Vec<String>),
}

impl Command {
    /// Whether there is nothing to run: `CMD []` or `CMD`.
    pub fn is_empty(&self) -> bool {
        match &self.form {
            CommandForm::Shell { text, .. } => text.is_empty(),
            CommandForm::Exec(args) => args.is_empty(),
        }
    }
}
