//! What a request changes in the image that the Dockerfile describes.

use rbuild_oci::{Annotations, ImageConfig};

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
    /// `--annotation`.
    pub annotations: Annotations,
}

impl Edits {
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
