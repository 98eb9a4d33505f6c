//! [`Index`]: manifests for several platforms (OCI image-spec `image-index.md`, Docker's manifest list), with nothing
//! lost, and which of them serves a machine.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::Document;
use crate::descriptor::Descriptor;
use crate::error::DocumentError;
use crate::json;
use crate::media_type::{self, DocumentKind, MediaTypes};
use crate::platform::ImagePlatform;

/// Name of an image in a layout: OCI image-spec `annotations.md`.
pub const REF_NAME: &str = "org.opencontainers.image.ref.name";

/// Full name of an image in a layout, as containerd and Docker write it.
pub const CONTAINERD_NAME: &str = "io.containerd.image.name";

/// A list of manifests.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
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

impl Index {
    /// A new index.
    pub fn new(manifests: Vec<Descriptor>) -> Index {
        Index::of(MediaTypes::Oci, manifests)
    }

    /// A new index of a family of media types.
    pub fn of(media_types: MediaTypes, manifests: Vec<Descriptor>) -> Index {
        Index {
            schema_version: 2,
            media_type: Some(media_types.index().to_owned()),
            manifests,
            annotations: None,
            extra: Map::new(),
        }
    }

    /// Reads and checks an index. `announced` is the media type in the descriptor or HTTP header.
    pub fn parse(bytes: &[u8], announced: Option<&str>) -> Result<Index, DocumentError> {
        match Document::parse_as("index", bytes, announced)? {
            Document::Index(index) => Ok(index),
            manifest @ Document::Manifest(_) => Err(DocumentError::MediaType {
                what: "index".to_owned(),
                media_type: manifest.media_type(announced),
            }),
        }
    }

    /// The index's bytes: keys sorted, no white space.
    pub fn to_bytes(&self) -> Result<Vec<u8>, DocumentError> {
        json::write("index", self)
    }
    /// The entries worth following for `wanted`, best first: manifests by how near their platform is, then
    /// nested indexes. Attestations and other artifacts are passed over. An entry without platform counts only
    /// when it is the only image.
    pub fn candidates(&self, wanted: &ImagePlatform) -> Vec<&Descriptor> {
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
                (Some(DocumentKind::Manifest), Some(platform)) => wanted.distance(platform),
                (Some(DocumentKind::Manifest), None) => (images == 1).then_some(1 << 16),
                (Some(DocumentKind::Index), Some(platform)) => {
                    wanted.distance(platform).map(|rank| rank + (1 << 17))
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
    pub fn platforms(&self) -> Vec<ImagePlatform> {
        let mut out: Vec<ImagePlatform> = Vec::new();
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
mod tests {
    use super::*;
    use crate::media_type::{OCI_INDEX, OCI_MANIFEST};

    fn index(media_type: &str, entries: &str) -> String {
        format!(r#"{{"schemaVersion":2,"mediaType":"{media_type}","manifests":[{entries}]}}"#)
    }

    fn entry(n: u8, media_type: &str, platform: &str, extra: &str) -> String {
        let platform = match platform.split('/').collect::<Vec<_>>().as_slice() {
            [os, arch] => format!(r#","platform":{{"os":"{os}","architecture":"{arch}"}}"#),
            [os, arch, v] => {
                format!(r#","platform":{{"os":"{os}","architecture":"{arch}","variant":"{v}"}}"#)
            }
            _ => String::new(),
        };
        let digest = format!("{n:064}");
        format!(r#"{{"mediaType":"{media_type}","digest":"sha256:{digest}","size":1{platform}{extra}}}"#)
    }

    fn pick(entries: &[String], wanted: &str) -> Vec<u8> {
        let body = index(OCI_INDEX, &entries.join(","));
        let index = Index::parse(body.as_bytes(), None).unwrap_or_else(|error| panic!("{body}: {error}"));
        let wanted: ImagePlatform = wanted.parse().unwrap();
        index
            .candidates(&wanted)
            .iter()
            .map(|d| d.digest.to_hex().parse().unwrap())
            .collect()
    }

    #[test]
    fn chooses_the_platform() {
        let m = OCI_MANIFEST;
        let list = [
            entry(1, m, "linux/arm/v6", ""),
            entry(2, m, "linux/amd64", ""),
            entry(3, m, "linux/arm/v7", ""),
            entry(4, m, "unknown/unknown", ""),
            entry(
                5,
                m,
                "linux/amd64",
                r#","annotations":{"vnd.docker.reference.type":"attestation-manifest"}"#,
            ),
            entry(6, m, "linux/arm64/v8", r#","urls":null"#),
            entry(7, m, "linux/amd64", ""),
            entry(8, "application/vnd.oci.artifact", "linux/amd64", ""),
            entry(9, OCI_INDEX, "", ""),
        ];
        assert_eq!(pick(&list, "linux/amd64"), [2, 7, 9]);
        assert_eq!(pick(&list, "linux/arm/v7"), [3, 1, 9]);
        assert_eq!(pick(&list, "linux/arm/v6"), [1, 9]);
        assert_eq!(pick(&list, "linux/arm64"), [6, 9]);
        assert_eq!(pick(&list, "linux/s390x"), [9]);
        assert_eq!(
            pick(&[entry(1, m, "", "")], "linux/s390x"),
            [1],
            "the only image needs no platform"
        );
        assert_eq!(
            pick(&[entry(1, m, "", ""), entry(2, m, "", "")], "linux/amd64"),
            [0u8; 0]
        );
        assert_eq!(
            pick(
                &[entry(1, m, "", ""), entry(2, m, "unknown/unknown", "")],
                "linux/amd64"
            ),
            [1]
        );
    }
}
