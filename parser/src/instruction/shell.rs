//! SHELL: what the shell forms of later instructions run in.

use std::ops::Range;

use crate::diagnostic::Diagnostic;
use crate::instruction::Context;
use crate::kind::Kind;

/// `SHELL ["program", "arg"...]`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Shell {
    /// Program and arguments; never empty, nothing expanded.
    pub args: Vec<String>,
}

impl Shell {
    pub(crate) fn parse(cx: &mut Context<'_>, args: &Range<usize>) -> Option<Shell> {
        if args.is_empty() {
            cx.missing("SHELL", "a program in the JSON form");
            return None;
        }
        match cx.json(args) {
            Err(()) => None,
            Ok(Some(elements)) if elements.is_empty() => {
                cx.missing("SHELL", "a program in the JSON form");
                None
            }
            Ok(Some(elements)) => Some(Shell {
                args: elements.into_iter().map(|e| e.text).collect(),
            }),
            Ok(None) => {
                let mut diagnostic = Diagnostic::error(Kind::ShellNotJson, cx.span(args));
                let text = cx.text(args);
                if !text.contains(['"', '\'', '\\', '[', '`']) {
                    let words: Vec<String> = text
                        .split_whitespace()
                        .map(|word| format!("\"{word}\""))
                        .collect();
                    diagnostic = diagnostic.with_suggestion(format!("[{}]", words.join(", ")));
                }
                cx.report(diagnostic);
                None
            }
        }
    }
}
