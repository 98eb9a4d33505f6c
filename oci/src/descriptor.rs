//! [`Descriptor`]: media type, digest and size of a blob or document.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::digest::Digest;
use crate::platform::ImagePlatform;

/// Points to a blob.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Descriptor {
    /// What the blob is.
    pub media_type: String,
    /// What it is called.
    pub digest: Digest,
    /// Its size in bytes.
    pub size: u64,
    /// Where else it might be. Never fetched (CVE-2020-15157).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub urls: Option<Vec<String>>,
    /// Free text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub annotations: Option<BTreeMap<String, String>>,
    /// For which machine, in an index.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub platform: Option<ImagePlatform>,
    /// What kind of artifact a manifest in an index is for, when that is no image.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub artifact_type: Option<String>,
    /// Everything else (`data`, …).
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

impl Descriptor {
    /// A descriptor with nothing but the three required fields.
    pub fn new(media_type: impl Into<String>, digest: Digest, size: u64) -> Descriptor {
        Descriptor {
            media_type: media_type.into(),
            digest,
            size,
            urls: None,
            annotations: None,
            platform: None,
            artifact_type: None,
            extra: Map::new(),
        }
    }

    /// The same blob with nothing said about it but the three required fields.
    pub fn bare(&self) -> Descriptor {
        Descriptor::new(&*self.media_type, self.digest, self.size)
    }

    /// An annotation's value.
    pub fn annotation(&self, name: &str) -> Option<&str> {
        self.annotations.as_ref()?.get(name).map(String::as_str)
    }
    /// Whether it points to an attestation about an image rather than to an image: BuildKit's convention, platform
    /// `unknown/unknown` or an annotation.
    pub fn is_attestation(&self) -> bool {
        self.platform.as_ref().is_some_and(ImagePlatform::is_unknown)
            || self.annotation("vnd.docker.reference.type") == Some("attestation-manifest")
    }
}
