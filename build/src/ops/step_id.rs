//! [`StepId`]: which step of a build.

use dockerfile_parser::Platform;
use std::sync::Arc;

/// Which step of a build, unique in it. Logs, reports and what earlier builds made go by it; a title is for people.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StepId {
    /// The platform of the image that it is planned for. A step that is one for several has the first of them.
    pub platform: Arc<Platform>,
    /// Index of its stage; `None` for files of a context, an image or a URL that a stage takes from.
    pub stage: Option<usize>,
    /// Its place in the stage, the 2 of `[build 2/5]`; or among all those without a stage.
    pub ordinal: usize,
}
