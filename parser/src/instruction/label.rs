//! LABEL: metadata of the image.

use crate::instruction::KeyValue;

/// `LABEL key=value...` or the old `LABEL key value`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Label {
    /// The pairs in order.
    pub pairs: Vec<KeyValue>,
}
