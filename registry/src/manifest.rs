//! Reading manifests and indexes, refusing documents that could be read in two ways.
//!
//! The bytes are never re-serialised: their digest is their name. Here they are only understood.

use crate::descriptor::{Descriptor, null_is_default};
use crate::media_type::{self, DocumentKind};
use crate::platform::Platform;

/// The largest manifest or index that is read, 4 MiB (distribution-spec, "Pushing manifests").
pub const MANIFEST_LIMIT: u64 = 4 << 20;
/// The largest image config that is read, 8 MiB.
pub const CONFIG_LIMIT: u64 = 8 << 20;

/// A parsed top-level document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Manifest {
    /// One image or artifact.
    Image(Box<ImageManifest>),
    /// A list of manifests for several platforms.
    Index(Index),
}

/// One image: a config and its layers, lowest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageManifest {
    /// The media type the document goes by.
    pub media_type: String,
    /// The config blob.
    pub config: Descriptor,
    /// The layers, lowest first.
    pub layers: Vec<Descriptor>,
}

/// A manifest list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Index {
    /// The media type the document goes by.
    pub media_type: String,
    /// Its entries in their order.
    pub manifests: Vec<Descriptor>,
}

/// Why a document is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ManifestError {
    /// No JSON, or a field of the wrong shape.
    #[error("not a valid manifest: {0}")]
    Json(String),
    /// Docker's obsolete format.
    #[error(
        "the image is in Docker's obsolete manifest format (version 2, schema 1), which is not supported"
    )]
    Schema1,
    /// `schemaVersion` is not 2.
    #[error("manifest schema version {0} is not supported")]
    SchemaVersion(u64),
    /// The server called it one thing, the document another (CVE-2021-41190).
    #[error(
        "the registry calls the manifest `{served}`, the manifest calls itself `{own}`; refused as ambiguous"
    )]
    MediaTypeMismatch {
        /// `Content-Type`, or the media type in the parent index.
        served: String,
        /// `mediaType` in the document.
        own: String,
    },
    /// Fields of two kinds of document at once (CVE-2021-41190).
    #[error("the manifest has both `{0}` and `{1}`; refused as ambiguous")]
    Ambiguous(&'static str, &'static str),
    /// A required field is missing.
    #[error("the manifest has no `{0}`")]
    Missing(&'static str),
    /// Neither an image manifest nor an index.
    #[error("media type `{0}` is not an image manifest or index")]
    MediaType(String),
}

#[derive(serde::Deserialize)]
#[serde(rename_all = "camelCase")]
struct Document {
    #[serde(default)]
    schema_version: Option<u64>,
    #[serde(default)]
    media_type: Option<String>,
    #[serde(default)]
    config: Option<Descriptor>,
    // Go programs write `null` for an image without layers.
    #[serde(default, deserialize_with = "null_is_empty")]
    layers: Option<Vec<Descriptor>>,
    #[serde(default)]
    manifests: Option<Vec<Descriptor>>,
    #[serde(default)]
    fs_layers: Option<serde::de::IgnoredAny>,
}

fn null_is_empty<'de, D: serde::Deserializer<'de>>(d: D) -> Result<Option<Vec<Descriptor>>, D::Error> {
    null_is_default(d).map(Some)
}

impl Manifest {
    /// Understands `bytes`. `served` is what the server (or the parent index) says it is: a media type, with or
    /// without parameters. Types that say nothing (`application/json`, `text/plain`, none) are ignored.
    pub fn parse(bytes: &[u8], served: Option<&str>) -> Result<Self, ManifestError> {
        let served = served.map(media_type::essence).filter(|t| !says_nothing(t));
        if let Some(served) = &served {
            match DocumentKind::of(served) {
                Some(DocumentKind::Schema1) => return Err(ManifestError::Schema1),
                Some(_) => {}
                None => return Err(ManifestError::MediaType(served.clone())),
            }
        }
        // serde would also read a struct from an array.
        if bytes.iter().find(|b| !b.is_ascii_whitespace()) != Some(&b'{') {
            return Err(ManifestError::Json("not a JSON object".to_owned()));
        }
        // serde refuses repeated fields, so no reader can have seen another `mediaType` than we.
        let document: Document =
            serde_json::from_slice(bytes).map_err(|e| ManifestError::Json(e.to_string()))?;
        if document.schema_version == Some(1) {
            return Err(ManifestError::Schema1);
        }
        match document.schema_version {
            Some(2) => {}
            Some(other) => return Err(ManifestError::SchemaVersion(other)),
            None => return Err(ManifestError::Missing("schemaVersion")),
        }
        let own = document.media_type.filter(|t| !t.is_empty());
        if let (Some(served), Some(own)) = (&served, &own)
            && served != own
        {
            return Err(ManifestError::MediaTypeMismatch {
                served: served.clone(),
                own: own.clone(),
            });
        }

        let fields = [
            ("manifests", document.manifests.is_some()),
            ("layers", document.layers.is_some()),
            ("config", document.config.is_some()),
            ("fsLayers", document.fs_layers.is_some()),
        ];
        let present = |name: &str| fields.iter().any(|(field, there)| *field == name && *there);
        for (one, other) in [
            ("manifests", "layers"),
            ("manifests", "config"),
            ("manifests", "fsLayers"),
            ("layers", "fsLayers"),
        ] {
            if present(one) && present(other) {
                return Err(ManifestError::Ambiguous(one, other));
            }
        }

        let implied = if document.manifests.is_some() {
            media_type::OCI_INDEX
        } else {
            media_type::OCI_MANIFEST
        };
        let media_type = own.or(served).unwrap_or_else(|| implied.to_owned());
        match DocumentKind::of(&media_type) {
            Some(DocumentKind::Index) => {
                let manifests = document.manifests.ok_or(ManifestError::Missing("manifests"))?;
                Ok(Self::Index(Index {
                    media_type,
                    manifests,
                }))
            }
            Some(DocumentKind::Manifest) => {
                let config = document.config.ok_or(ManifestError::Missing("config"))?;
                let layers = document.layers.ok_or(ManifestError::Missing("layers"))?;
                Ok(Self::Image(Box::new(ImageManifest {
                    media_type,
                    config,
                    layers,
                })))
            }
            Some(DocumentKind::Schema1) => Err(ManifestError::Schema1),
            None => Err(ManifestError::MediaType(media_type)),
        }
    }

    /// The media type the document goes by.
    pub fn media_type(&self) -> &str {
        match self {
            Self::Image(image) => &image.media_type,
            Self::Index(index) => &index.media_type,
        }
    }
}

fn says_nothing(media_type: &str) -> bool {
    matches!(
        media_type,
        "" | "application/json" | "text/plain" | "application/octet-stream"
    )
}

impl Index {
    /// The entries worth following for `wanted`, best first: manifests by how near their platform is, then
    /// nested indexes. Attestations and other artifacts are passed over. An entry without platform counts only
    /// when it is the only image.
    pub fn candidates(&self, wanted: &Platform) -> Vec<&Descriptor> {
        let usable: Vec<&Descriptor> = self
            .manifests
            .iter()
            .filter(|d| !d.is_attestation() && d.artifact_type.is_none())
            .collect();
        let images = usable
            .iter()
            .filter(|d| kind(d) == Some(DocumentKind::Manifest))
            .count();
        let mut ranked: Vec<(u32, usize, &Descriptor)> = Vec::new();
        for (at, descriptor) in usable.into_iter().enumerate() {
            // Ties keep the order of the index, as every other client does.
            let rank = match (kind(descriptor), &descriptor.platform) {
                (Some(DocumentKind::Manifest), Some(platform)) => platform.rank_for(wanted),
                (Some(DocumentKind::Manifest), None) => (images == 1).then_some(1 << 16),
                (Some(DocumentKind::Index), Some(platform)) => {
                    platform.rank_for(wanted).map(|rank| rank + (1 << 17))
                }
                (Some(DocumentKind::Index), None) => Some(1 << 18),
                _ => None,
            };
            if let Some(rank) = rank {
                ranked.push((rank, at, descriptor));
            }
        }
        ranked.sort_by_key(|(rank, at, _)| (*rank, *at));
        ranked.into_iter().map(|(_, _, descriptor)| descriptor).collect()
    }

    /// The platforms on offer, for an error message; without attestations, in order, without repeats.
    pub fn platforms(&self) -> Vec<Platform> {
        let mut out: Vec<Platform> = Vec::new();
        for descriptor in self.manifests.iter().filter(|d| !d.is_attestation()) {
            if let Some(platform) = &descriptor.platform
                && !out.contains(platform)
            {
                out.push(platform.clone());
            }
        }
        out
    }
}

fn kind(descriptor: &Descriptor) -> Option<DocumentKind> {
    DocumentKind::of(&media_type::essence(&descriptor.media_type))
}

#[cfg(test)]
#[path = "manifest_tests.rs"]
mod tests;
