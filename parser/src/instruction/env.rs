//! ENV: environment of the image and of later steps.

use crate::Word;

/// `ENV key=value...` or the old `ENV key value`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Env {
    /// The pairs in order.
    pub pairs: Vec<KeyValue>,
}

/// One pair of ENV or LABEL; both words are expanded.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct KeyValue {
    /// The key.
    pub key: Word,
    /// The value, maybe empty.
    pub value: Word,
    /// Written as `key value`, without `=`.
    pub legacy: bool,
}
