//! `Descriptor`: media type, digest and size of a blob or manifest.

use std::collections::BTreeMap;

use crate::digest::Digest;
use crate::platform::Platform;

/// An OCI content descriptor (image-spec, descriptor.md), as read from a manifest or made by a pusher.
#[derive(Debug, Clone, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Descriptor {
    /// What the bytes are.
    pub media_type: String,
    /// Their name.
    pub digest: Digest,
    /// Their length in bytes.
    pub size: u64,
    /// Other places that claim to have the bytes. Kept so that nothing is lost, never fetched.
    #[serde(default, deserialize_with = "null_is_default")]
    pub urls: Vec<String>,
    /// Annotations, sorted.
    #[serde(default, deserialize_with = "null_is_default")]
    pub annotations: BTreeMap<String, String>,
    /// In an index: the platform that the manifest is for.
    #[serde(default)]
    pub platform: Option<Platform>,
    /// In an index: the type of an artifact that is no image.
    #[serde(default)]
    pub artifact_type: Option<String>,
}

impl Descriptor {
    /// A descriptor with only the three required fields.
    pub fn new(media_type: impl Into<String>, digest: Digest, size: u64) -> Self {
        Self {
            media_type: media_type.into(),
            digest,
            size,
            urls: Vec::new(),
            annotations: BTreeMap::new(),
            platform: None,
            artifact_type: None,
        }
    }

    /// Whether this is an attestation about an image rather than an image (BuildKit's convention:
    /// platform `unknown/unknown` or a reference-type annotation).
    pub fn is_attestation(&self) -> bool {
        self.platform.as_ref().is_some_and(Platform::is_unknown)
            || self
                .annotations
                .get("vnd.docker.reference.type")
                .is_some_and(|kind| kind == "attestation-manifest")
    }
}

/// Go programs write `null` for an empty list or map.
pub(crate) fn null_is_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: serde::Deserializer<'de>,
    T: Default + serde::Deserialize<'de>,
{
    Ok(<Option<T> as serde::Deserialize>::deserialize(deserializer)?.unwrap_or_default())
}
