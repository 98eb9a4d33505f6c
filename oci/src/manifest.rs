//! Manifests, indexes and descriptors of OCI image-spec and of Docker v2 schema 2, with nothing lost.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::config::ImageConfig;
use crate::digest::Digest;
use crate::error::DocumentError;
use crate::json;
use crate::media_type::{self, MediaTypes};
use crate::platform::Platform;

/// Most bytes a manifest or index may have.
pub const MANIFEST_LIMIT: u64 = 4 << 20;

/// Name of an image in a layout: OCI image-spec `annotations.md`.
pub const REF_NAME: &str = "org.opencontainers.image.ref.name";

/// Full name of an image in a layout, as containerd and Docker write it.
pub const CONTAINERD_NAME: &str = "io.containerd.image.name";

/// Points to a blob.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
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
    pub platform: Option<Platform>,
    /// Everything else (`data`, `artifactType`, …).
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

impl Descriptor {
    /// A descriptor with nothing but the three required fields.
    pub fn new(media_type: &str, digest: Digest, size: u64) -> Descriptor {
        Descriptor {
            media_type: media_type.to_owned(),
            digest,
            size,
            urls: None,
            annotations: None,
            platform: None,
            extra: Map::new(),
        }
    }

    /// An annotation's value.
    pub fn annotation(&self, name: &str) -> Option<&str> {
        self.annotations.as_ref()?.get(name).map(String::as_str)
    }
}

/// The manifest of one image.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
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
    pub layers: Vec<Descriptor>,
    /// Free text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub annotations: Option<BTreeMap<String, String>>,
    /// Everything else (`subject`, `artifactType`, …).
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

/// A list of manifests.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Index {
    /// Always 2.
    pub schema_version: u32,
    /// What this document is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub media_type: Option<String>,
    /// The entries.
    pub manifests: Vec<Descriptor>,
    /// Free text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub annotations: Option<BTreeMap<String, String>>,
    /// Everything else.
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

    /// Reads and checks a manifest. `announced` is the media type in the descriptor or HTTP header.
    pub fn parse(bytes: &[u8], announced: Option<&str>) -> Result<Manifest, DocumentError> {
        let shape = Shape::of(bytes, "manifest")?;
        shape.expect(
            "manifest",
            announced,
            media_type::is_manifest,
            media_type::OCI_MANIFEST,
        )?;
        let manifest: Manifest = json::parse("manifest", bytes, MANIFEST_LIMIT)?;
        if !media_type::is_config(&manifest.config.media_type) {
            return Err(DocumentError::MediaType {
                what: "image config".to_owned(),
                media_type: manifest.config.media_type,
            });
        }
        Ok(manifest)
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

impl Index {
    /// A new index.
    pub fn new(manifests: Vec<Descriptor>) -> Index {
        Index {
            schema_version: 2,
            media_type: Some(media_type::OCI_INDEX.to_owned()),
            manifests,
            annotations: None,
            extra: Map::new(),
        }
    }

    /// Reads and checks an index. `announced` is the media type in the descriptor or HTTP header.
    pub fn parse(bytes: &[u8], announced: Option<&str>) -> Result<Index, DocumentError> {
        let shape = Shape::of(bytes, "index")?;
        shape.expect("index", announced, media_type::is_index, media_type::OCI_INDEX)?;
        json::parse("index", bytes, MANIFEST_LIMIT)
    }

    /// The index's bytes: keys sorted, no white space.
    pub fn to_bytes(&self) -> Result<Vec<u8>, DocumentError> {
        json::write("index", self)
    }
}

/// A manifest or an index, when it is not known beforehand which.
#[derive(Clone, Debug, PartialEq)]
pub enum Document {
    /// One image.
    Manifest(Box<Manifest>),
    /// Several.
    Index(Index),
}

impl Document {
    /// Reads either, by the announced media type, else by what the document says, else by its fields.
    pub fn parse(bytes: &[u8], announced: Option<&str>) -> Result<Document, DocumentError> {
        let shape = Shape::of(bytes, "manifest")?;
        let named = announced.or(shape.media_type.as_deref());
        let index = match named {
            Some(name) if media_type::is_index(name) => true,
            Some(name) if media_type::is_manifest(name) => false,
            Some(name) => {
                return Err(DocumentError::MediaType {
                    what: "manifest".into(),
                    media_type: name.to_owned(),
                });
            }
            None => shape.manifests.is_some(),
        };
        if index {
            Index::parse(bytes, announced).map(Document::Index)
        } else {
            Manifest::parse(bytes, announced).map(|manifest| Document::Manifest(Box::new(manifest)))
        }
    }
}

/// The fields by which manifests and indexes are told apart.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Shape {
    schema_version: Option<u32>,
    media_type: Option<String>,
    config: Option<serde::de::IgnoredAny>,
    layers: Option<serde::de::IgnoredAny>,
    manifests: Option<serde::de::IgnoredAny>,
    fs_layers: Option<serde::de::IgnoredAny>,
}

impl Shape {
    fn of(bytes: &[u8], what: &'static str) -> Result<Shape, DocumentError> {
        let shape: Shape = json::parse(what, bytes, MANIFEST_LIMIT)?;
        if shape.schema_version == Some(1) || shape.fs_layers.is_some() {
            return Err(DocumentError::SchemaOne);
        }
        if shape.schema_version != Some(2) {
            let found = shape
                .schema_version
                .map_or("no".to_owned(), |version| version.to_string());
            let detail = format!("it has {found} schemaVersion, not 2");
            return Err(DocumentError::Invalid {
                what: "manifest",
                detail,
            });
        }
        Ok(shape)
    }

    /// Refuses a document that two readers could take for different things.
    fn expect(
        &self,
        what: &'static str,
        announced: Option<&str>,
        fits: fn(&str) -> bool,
        otherwise: &str,
    ) -> Result<(), DocumentError> {
        if let Some(own) = &self.media_type {
            if let Some(announced) = announced
                && announced != own
            {
                return Err(confusion(what, announced, own));
            }
            if !fits(own) {
                return Err(DocumentError::MediaType {
                    what: what.to_owned(),
                    media_type: own.clone(),
                });
            }
        }
        if let Some(announced) = announced
            && !fits(announced)
        {
            return Err(DocumentError::MediaType {
                what: what.to_owned(),
                media_type: announced.to_owned(),
            });
        }
        let announced = announced.or(self.media_type.as_deref()).unwrap_or(otherwise);
        let is_image = self.config.is_some() || self.layers.is_some();
        match (is_image, self.manifests.is_some()) {
            (true, true) => Err(confusion(what, announced, "both a manifest and an index")),
            (true, false) if what == "index" => Err(confusion(what, announced, "a manifest")),
            (false, true) if what == "manifest" => Err(confusion(what, announced, "an index")),
            _ => Ok(()),
        }
    }
}

fn confusion(what: &'static str, announced: &str, found: &str) -> DocumentError {
    DocumentError::MediaTypeConfusion {
        what,
        announced: announced.to_owned(),
        found: found.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media_type::{DOCKER_MANIFEST, OCI_INDEX, OCI_MANIFEST};

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
        assert!(matches!(
            Document::parse(&bytes(&before), None).unwrap(),
            Document::Manifest(_)
        ));
    }

    #[test]
    fn confusion_is_refused() {
        let mut both = manifest();
        both["manifests"] = serde_json::json!([]);
        let mut index = serde_json::json!({"schemaVersion": 2, "manifests": []});
        let mut disguised = index.clone();
        disguised["mediaType"] = OCI_MANIFEST.into();
        let mut wrong = manifest();
        wrong["mediaType"] = DOCKER_MANIFEST.into();
        let confused = [
            Document::parse(&bytes(&both), None).unwrap_err(),
            Document::parse(&bytes(&both), Some(OCI_MANIFEST)).unwrap_err(),
            Document::parse(&bytes(&disguised), None).unwrap_err(),
            Document::parse(&bytes(&disguised), Some(OCI_INDEX)).unwrap_err(),
            Document::parse(&bytes(&wrong), Some(OCI_MANIFEST)).unwrap_err(),
            Document::parse(&bytes(&index), Some(OCI_MANIFEST)).unwrap_err(),
            Index::parse(&bytes(&manifest()), None).unwrap_err(),
        ];
        for error in confused {
            assert!(
                matches!(
                    error,
                    DocumentError::MediaTypeConfusion { .. } | DocumentError::MediaType { .. }
                ),
                "{error}"
            );
        }
        index["mediaType"] = OCI_INDEX.into();
        assert!(matches!(
            Document::parse(&bytes(&index), Some(OCI_INDEX)).unwrap(),
            Document::Index(_)
        ));
    }

    #[test]
    fn schema_one_and_nonsense_are_refused() {
        let old = serde_json::json!({"schemaVersion": 1, "fsLayers": [], "history": []});
        assert!(matches!(
            Document::parse(&bytes(&old), None),
            Err(DocumentError::SchemaOne)
        ));
        assert!(matches!(
            Document::parse(b"{}", None),
            Err(DocumentError::Invalid { .. })
        ));
        let mut foreign = manifest();
        foreign["config"]["mediaType"] = "application/vnd.cncf.helm.config.v1+json".into();
        let error = Manifest::parse(&bytes(&foreign), None).unwrap_err();
        assert!(error.to_string().contains("helm"), "{error}");
        for bad in [
            "sha256:../../../etc/passwd",
            "sha256:00",
            "SHA256:2cf2",
            "md5:d41d8cd98f00b204e9800998ecf8427e",
        ] {
            let mut hostile = manifest();
            hostile["layers"][0]["digest"] = bad.into();
            assert!(
                matches!(
                    Manifest::parse(&bytes(&hostile), None),
                    Err(DocumentError::Invalid { .. })
                ),
                "{bad}"
            );
        }
        let mut negative = manifest();
        negative["layers"][0]["size"] = (-1).into();
        assert!(Manifest::parse(&bytes(&negative), None).is_err());
        let large = vec![b' '; MANIFEST_LIMIT as usize + 1];
        assert!(matches!(
            Manifest::parse(&large, None),
            Err(DocumentError::TooLarge { .. })
        ));
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
