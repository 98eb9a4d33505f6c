//! [`StepId`]: which step of a build.

use dockerfile_parser::Platform;
use std::sync::Arc;

/// Which step of a build, unique in it. Events, logs, reports and what earlier builds made go by it; a title is for people.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
pub struct StepId {
    /// The platform of the image that it is planned for. A step that is one for several has the first of them.
    #[serde(with = "shared")]
    pub platform: Arc<Platform>,
    /// Index of its stage; `None` for files of a context, an image or a URL that a stage takes from.
    pub stage: Option<usize>,
    /// Its place in the stage, the 2 of `[build 2/5]`; or among all those without a stage.
    pub ordinal: usize,
}

/// What is shared is written as what it is.
mod shared {
    use super::{Arc, Platform};
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(super) fn serialize<S: Serializer>(platform: &Arc<Platform>, to: S) -> Result<S::Ok, S::Error> {
        platform.as_ref().serialize(to)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Arc<Platform>, D::Error> {
        Platform::deserialize(from).map(Arc::new)
    }
}
