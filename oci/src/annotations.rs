//! What is said of an image outside of its config.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Annotations of what lists images for several platforms.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct IndexAnnotations {
    /// In the index.
    pub index: BTreeMap<String, String>,
    /// In the descriptor that points to it.
    pub descriptor: BTreeMap<String, String>,
}

/// Annotations that an image goes out with.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Annotations {
    /// In its manifest.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub manifest: BTreeMap<String, String>,
    /// In the descriptor that points to its manifest.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub descriptor: BTreeMap<String, String>,
}

impl Annotations {
    /// Adds others, which have the last word on a key.
    pub fn extend(&mut self, other: &Annotations) {
        let add = |to: &mut BTreeMap<String, String>, from: &BTreeMap<String, String>| {
            to.extend(from.iter().map(|(key, value)| (key.clone(), value.clone())));
        };
        add(&mut self.manifest, &other.manifest);
        add(&mut self.descriptor, &other.descriptor);
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.manifest.is_empty() && self.descriptor.is_empty()
    }
}
