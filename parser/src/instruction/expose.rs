//! EXPOSE: ports that the image listens on.

use std::ops::Range;

use crate::Word;
use crate::instruction::Context;
use crate::kind::Kind;
use crate::port::Ports;

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
        let mut ports = Vec::new();
        for range in words {
            let word = cx.word(range.clone());
            // With quotes or variables it is known only after expansion.
            let plain = !word.text.contains(['$', '"', '\'', '\\', '`']);
            if plain && Ports::parse(&word.text).is_none() {
                cx.error(
                    Kind::InvalidPort {
                        port: word.text.clone(),
                    },
                    &range,
                );
            }
            ports.push(word);
        }
        Some(Expose { ports })
    }
}
