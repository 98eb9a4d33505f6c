//! [`Manifest`]: an image's config and layers (OCI image-spec `manifest.md`, Docker v2 schema 2), with nothing lost.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::Document;
use crate::config::ImageConfig;
use crate::descriptor::Descriptor;
use crate::error::DocumentError;
use crate::json::{self, null_is_default};
use crate::media_type::{self, MediaTypes};

/// Most bytes a manifest or index may have: OCI distribution-spec, "Pushing Manifests".
pub const MANIFEST_LIMIT: u64 = 4 << 20;

/// The manifest of one image.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Manifest {
    /// Always 2.
    pub schema_version: u32,
    /// What this document is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub media_type: Option<String>,
    /// The image config.
    pub config: Descriptor,
    /// The layers, lowest first.
    #[serde(deserialize_with = "null_is_default")]
    pub layers: Vec<Descriptor>,
    /// Free text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub annotations: Option<BTreeMap<String, String>>,
    /// Everything else (`subject`, `artifactType`, …).
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

impl Manifest {
    /// A new manifest. `layers` have the media types of `media_types` already.
    pub fn new(media_types: MediaTypes, config: Descriptor, layers: Vec<Descriptor>) -> Manifest {
        Manifest {
            schema_version: 2,
            media_type: Some(media_types.manifest().to_owned()),
            config,
            layers,
            annotations: None,
            extra: Map::new(),
        }
    }

    /// Reads and checks the manifest of an image. `announced` is the media type in the descriptor or HTTP header.
    pub fn parse(bytes: &[u8], announced: Option<&str>) -> Result<Manifest, DocumentError> {
        match Document::parse(bytes, announced)? {
            Document::Manifest(manifest) => {
                manifest.require_image()?;
                Ok(*manifest)
            }
            index @ Document::Index(_) => Err(DocumentError::MediaType {
                what: "manifest".to_owned(),
                media_type: index.media_type(announced),
            }),
        }
    }

    /// Checks that its config is an image's, not a chart's or a signature's.
    pub fn require_image(&self) -> Result<(), DocumentError> {
        if media_type::is_config(&self.config.media_type) {
            return Ok(());
        }
        Err(DocumentError::NotAnImage {
            media_type: self.config.media_type.clone(),
        })
    }

    /// Checks that the manifest and its config agree on the number of layers.
    pub fn check_layers(&self, config: &ImageConfig) -> Result<(), DocumentError> {
        let (layers, diff_ids) = (self.layers.len(), config.rootfs.diff_ids.len());
        if layers == diff_ids {
            return Ok(());
        }
        Err(DocumentError::LayerCount { layers, diff_ids })
    }

    /// The manifest's bytes: keys sorted, no white space.
    pub fn to_bytes(&self) -> Result<Vec<u8>, DocumentError> {
        json::write("manifest", self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media_type::OCI_MANIFEST;

    const DIGEST: &str = "sha256:2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";

    fn manifest() -> Value {
        serde_json::json!({
            "schemaVersion": 2, "mediaType": OCI_MANIFEST, "artifactType": "x",
            "config": {"mediaType": "application/vnd.oci.image.config.v1+json", "digest": DIGEST, "size": 5, "data": "aGVsbG8="},
            "layers": [{"mediaType": "application/x-strange", "digest": DIGEST, "size": 5, "urls": ["http://x"],
                "annotations": {"b": "1", "a": "2"}, "platform": {"os": "linux", "architecture": "arm", "future": 1}}],
            "annotations": {}, "subject": {"mediaType": "m", "digest": DIGEST, "size": 1},
        })
    }

    fn bytes(value: &Value) -> Vec<u8> {
        serde_json::to_vec(value).unwrap()
    }

    #[test]
    fn nothing_is_lost() {
        let before = manifest();
        let parsed = Manifest::parse(&bytes(&before), Some(OCI_MANIFEST)).unwrap();
        let after: Value = serde_json::from_slice(&parsed.to_bytes().unwrap()).unwrap();
        assert_eq!(after, before);
    }

    #[test]
    fn the_layer_count_must_be_the_configs() {
        let manifest = Manifest::parse(&bytes(&manifest()), None).unwrap();
        let error = manifest.check_layers(&ImageConfig::default()).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the manifest lists 1 layers but the config lists 0"
        );
    }
}
