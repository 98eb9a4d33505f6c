//! STOPSIGNAL: how a container is told to stop.

use std::ops::Range;

use crate::Word;
use crate::diagnostic::Diagnostic;
use crate::instruction::{Context, OWN_LINE};
use crate::kind::Kind;
use crate::signal;

/// `STOPSIGNAL signal`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct StopSignal {
    /// Name or number, not expanded.
    pub signal: Word,
}

impl StopSignal {
    pub(crate) fn parse(cx: &mut Context<'_>, args: &Range<usize>) -> Option<StopSignal> {
        if args.is_empty() {
            cx.missing("STOPSIGNAL", "a signal");
            return None;
        }
        let signal = cx.word(args.clone());
        if !signal.text.contains(['$', '"', '\'', '\\', '`']) && signal::parse(&signal.text).is_none() {
            let mut diagnostic = Diagnostic::error(
                Kind::InvalidSignal {
                    signal: signal.text.clone(),
                },
                signal.span,
            );
            let words = cx.split(args);
            if cx.comment(&words, 1).is_some() {
                diagnostic = diagnostic.with_help(OWN_LINE);
            } else if let Some(nearest) = signal::nearest(&signal.text) {
                diagnostic = diagnostic.with_suggestion(nearest);
            }
            cx.report(diagnostic);
            return None;
        }
        Some(StopSignal { signal })
    }
}
