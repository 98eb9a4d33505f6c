//! LABEL: metadata of the image.

use std::ops::Range;

use crate::instruction::{Context, KeyValue};

/// `LABEL key=value...` or the old `LABEL key value`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Label {
    /// The pairs in order.
    pub pairs: Vec<KeyValue>,
}

impl Label {
    pub(crate) fn parse(cx: &mut Context<'_>, args: &Range<usize>) -> Option<Label> {
        KeyValue::parse_all(cx, "LABEL", args).map(|pairs| Label { pairs })
    }
}
