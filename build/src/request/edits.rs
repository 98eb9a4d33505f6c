//! What a request changes in the image that the Dockerfile describes.

use dockerfile_parser::Platform;
use rbuild_oci::{Annotations, ImageConfig, IndexAnnotations};
use std::collections::BTreeMap;

/// Changes that are made after the last instruction.
#[derive(Debug, Clone, Default, serde::Serialize, serde::Deserialize)]
pub struct Edits {
    /// `--label`; the last word on a name.
    pub labels: Vec<(String, String)>,
    /// `--unsetlabel`.
    pub unset_labels: Vec<String>,
    /// `--unsetenv`.
    pub unset_env: Vec<String>,
    /// `--omit-history`.
    pub omit_history: bool,
    /// `--annotation`, for every platform.
    pub annotations: Annotations,
    /// Those for one platform, by its name.
    pub platform_annotations: BTreeMap<String, Annotations>,
    /// Those of the index that images for several platforms have.
    pub index_annotations: IndexAnnotations,
}

impl Edits {
    /// The annotations of the image for a platform.
    #[must_use]
    pub fn annotations_for(&self, platform: &Platform) -> Annotations {
        let mut annotations = self.annotations.clone();
        if let Some(more) = self.platform_annotations.get(&platform.to_string()) {
            annotations.extend(more);
        }
        annotations
    }

    /// Changes a config that is complete but for its layers.
    pub fn apply(&self, config: &mut ImageConfig) {
        for name in &self.unset_labels {
            config.config.labels.remove(name);
        }
        config.config.labels.extend(self.labels.iter().cloned());
        config.config.env.retain(|variable| {
            let name = variable
                .split_once('=')
                .map_or(variable.as_str(), |(name, _)| name);
            !self.unset_env.iter().any(|unset| unset == name)
        });
        if self.omit_history {
            config.history.clear();
        }
    }
}
