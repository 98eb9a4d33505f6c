//! [`BuildResult`]: what a build gives.

use rbuild_oci::Reference;
use rbuild_oci::{Descriptor, Digest, ImageConfig};
use rbuild_solver::Outcome;
use rbuild_store::buildlog::StepUse;
use rbuild_store::image::ImageRecord;
use std::borrow::Cow;
use std::path::PathBuf;
use std::time::Duration;

use crate::dockerfile::SourceFile;
pub use crate::ops::Material;
use crate::ops::StepId;
use crate::request::Destination;
use dockerfile_parser::{Diagnostic, Platform};

/// What a build gives.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
pub struct BuildResult {
    /// The image, as the store keeps it; [`Output::Image`](crate::request::Output::Image) puts it there. Of several that
    /// for this machine, or the first.
    pub image: ImageRecord,
    /// The ids of all images, in the order of the platforms.
    pub images: Vec<(Platform, Digest)>,
    /// Its config.
    pub config: ImageConfig,
    /// The sum of its layers in bytes, uncompressed.
    pub size: u64,
    /// The manifest that it went out with last, of several the index, if it went anywhere with one.
    pub manifest: Option<Descriptor>,
    /// All names that the outputs gave it, in order.
    pub names: Vec<Reference>,
    /// What was written, in the order of the request.
    pub written: Vec<Written>,
    /// What it was made from, sorted by name.
    pub materials: Vec<Material>,
    /// The steps, in the order of the Dockerfile.
    pub steps: Vec<StepReport>,
    /// The Dockerfile.
    pub file: SourceFile,
    /// What the parser and the checks found in it, in its order.
    #[serde(with = "crate::crossing::diagnostics")]
    pub findings: Vec<Diagnostic>,
    /// From start to end.
    pub took: Duration,
}

/// One output.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum Written {
    /// A name in the store.
    Named(Reference),
    /// A name in a registry, under a manifest of this digest.
    Pushed(Reference, Digest),
    /// An archive or directory of this kind: `oci`, `docker`, `local`, `tar`.
    Exported(Cow<'static, str>, Destination),
}

/// What became of a step.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
pub struct StepReport {
    /// As in the events about it.
    pub id: StepId,
    /// `[build 2/5] RUN make`.
    pub title: String,
    /// Its line in the Dockerfile, from 1.
    pub line: Option<usize>,
    /// Whether it was cached or ran, and what it cost.
    pub outcome: Outcome,
    /// All that it printed, in the store.
    pub log: Option<PathBuf>,
    /// What its command used, where one ran.
    #[serde(default)]
    pub used: Option<StepUse>,
}
