//! ARG: build arguments.

use std::ops::Range;

use crate::Word;
use crate::diagnostic::Diagnostic;
use crate::instruction::env::{self, NO_SPACE};
use crate::instruction::{Context, words};
use crate::kind::Kind;

/// `ARG name[=default]...`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Arg {
    /// What is declared, in order.
    pub declarations: Vec<ArgDeclaration>,
}

/// One `name[=default]`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct ArgDeclaration {
    /// The name. BuildKit expands it, so it is a word.
    pub name: Word,
    /// The default, not expanded.
    pub default: Option<Word>,
}

impl Arg {
    pub(crate) fn parse(cx: &mut Context<'_>, args: &Range<usize>) -> Option<Arg> {
        let words = words::split(cx.text(args), args.start, cx.escape);
        if words.is_empty() {
            cx.missing("ARG", "a name");
            return None;
        }
        cx.warn_of_comment(&words, 1, "more names");
        let mut declarations = Vec::new();
        for word in words {
            let text = cx.text(&word);
            let equals = text.find('=').map(|at| word.start + at);
            let name = word.start..equals.unwrap_or(word.end);
            if name.is_empty() {
                let span = cx.span(&word);
                let mut diagnostic = Diagnostic::error(Kind::BlankName { keyword: "ARG" }, span);
                if !declarations.is_empty() {
                    diagnostic = diagnostic.with_help(NO_SPACE);
                }
                cx.report(diagnostic);
                return None;
            }
            if let Some(diagnostic) = env::quoted_pair(cx, "ARG", &word) {
                cx.report(diagnostic);
                return None;
            }
            let name = cx.word(name);
            let default = equals.map(|at| cx.word(at + 1..word.end));
            declarations.push(ArgDeclaration { name, default });
        }
        Some(Arg { declarations })
    }
}
