//! [`RegistrySettings`]: how registries are spoken to.

use rbuild_registry::{Credential, HostSet, RetryPolicy};
use std::path::PathBuf;

/// Settings of the registry client that flags decide.
#[derive(Debug, Clone, Default, serde::Serialize, serde::Deserialize)]
pub struct RegistrySettings {
    /// Hosts spoken to without TLS or without verifying it.
    pub insecure: HostSet,
    /// Files with certificates of further authorities.
    pub authorities: Vec<PathBuf>,
    /// File with credentials.
    pub authfile: Option<PathBuf>,
    /// When to try again.
    pub retry: RetryPolicy,
    /// A credential for a host, before all that are found.
    #[serde(with = "crate::crossing::hidden::credential")]
    pub given: Option<(String, Credential)>,
}
