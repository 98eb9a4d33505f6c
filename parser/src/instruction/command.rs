//! The shell form and the exec form of a command.

use std::ops::Range;

use crate::instruction::Context;
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

impl Command {
    /// JSON when it is a JSON array of strings, else shell text; it takes the heredocs.
    pub(crate) fn parse(cx: &mut Context<'_>, args: &Range<usize>) -> Option<Command> {
        let span = cx.span(args);
        let form = match cx.json(args) {
            Err(()) => return None,
            Ok(Some(elements)) => CommandForm::Exec(elements.into_iter().map(|e| e.text).collect()),
            Ok(None) => CommandForm::Shell {
                text: cx.text(args).to_owned(),
                heredocs: std::mem::take(&mut cx.heredocs),
            },
        };
        Some(Command { span, form })
    }
}
