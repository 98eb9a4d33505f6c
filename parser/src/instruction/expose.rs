//! EXPOSE: ports that the image listens on.

use crate::Word;

/// `EXPOSE port[/proto]...`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Expose {
    /// The ports, not expanded; each may become several ([`Word::expand_list`]).
    pub ports: Vec<Word>,
}
