//! EXPOSE: ports that the image listens on.

use std::ops::Range;

use crate::Word;
use crate::diagnostic::Diagnostic;
use crate::instruction::{Context, OWN_LINE};
use crate::kind::Kind;
use crate::port::{self, Ports};

/// `EXPOSE port[/proto]...`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Expose {
    /// The ports, not expanded; each may become several ([`Word::expand_list`]).
    pub ports: Vec<Word>,
}

impl Expose {
    pub(crate) fn parse(cx: &mut Context<'_>, args: &Range<usize>) -> Option<Expose> {
        let words = cx.split(args);
        if words.is_empty() {
            cx.missing("EXPOSE", "a port");
            return None;
        }
        let comment = cx.comment(&words, 1).map(|comment| comment.start);
        let mut ports = Vec::new();
        for range in &words {
            let word = cx.word(range.clone());
            // With quotes or variables it is known only after expansion.
            let plain = !word.text.contains(['$', '"', '\'', '\\', '`']);
            if plain && Ports::parse(&word.text).is_none() {
                let is_comment = comment == Some(range.start);
                let kind = Kind::InvalidPort {
                    port: word.text.clone(),
                };
                let help = if is_comment {
                    OWN_LINE.to_owned()
                } else {
                    port::help(&word.text)
                };
                cx.report(Diagnostic::error(kind, word.span).with_help(help));
                if is_comment {
                    break;
                }
            }
            ports.push(word);
        }
        Some(Expose { ports })
    }
}
