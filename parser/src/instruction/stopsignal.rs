//! STOPSIGNAL: how a container is told to stop.

use std::ops::Range;

use crate::Word;
use crate::diagnostic::Diagnostic;
use crate::instruction::Context;
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
            if let Some(nearest) = signal::nearest(&signal.text) {
                diagnostic = diagnostic.with_suggestion(nearest);
            }
            cx.report(diagnostic);
            return None;
        }
        Some(StopSignal { signal })
    }
}
