//! Caches that machines share: where they are, and what is sent there.

use rbuild_oci::Reference;
use rbuild_registry::Authorization;
use std::fmt;
use std::path::PathBuf;

/// Where a cache is that machines share.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum CachePlace {
    /// A directory: `type=local`.
    Directory(PathBuf),
    /// A repository of a registry, with the tag that those of records begin with: `type=registry`.
    Registry(Reference),
    /// A server that speaks as Bazel's remote cache does: `type=http`.
    Http {
        /// Where, without user and password.
        url: String,
        /// User and password that stood in the URL, as they are sent.
        #[serde(with = "crate::crossing::hidden::authorization")]
        login: Option<Authorization>,
    },
}

impl fmt::Display for CachePlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CachePlace::Directory(path) => path.display().fmt(f),
            CachePlace::Registry(reference) => reference.familiar().fmt(f),
            CachePlace::Http { url, .. } => url.fmt(f),
        }
    }
}

/// Which results are sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
pub enum CacheMode {
    /// Those of the stage that is built, and of the stages below it.
    Min,
    /// Those of all steps.
    #[default]
    Max,
}

/// A cache that results are sent to.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct CacheTarget {
    /// Where.
    pub place: CachePlace,
    /// Which.
    pub mode: CacheMode,
    /// A result that cannot be sent is a warning, not the end of the build.
    pub ignore_error: bool,
}
