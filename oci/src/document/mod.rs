//! Reading a manifest or an index when it is not known beforehand which; refusing what could be read in two ways
//! (CVE-2021-41190).

mod index;
mod manifest;

use serde::de::IgnoredAny;
use serde::{Deserialize, Deserializer};

use crate::error::DocumentError;

use crate::json;

use crate::media_type::{self, DocumentKind};

pub use index::{CONTAINERD_NAME, Index, REF_NAME};
pub use manifest::{MANIFEST_LIMIT, Manifest};

/// A manifest or an index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Document {
    /// One image or artifact.
    Manifest(Box<Manifest>),
    /// Manifests for several platforms.
    Index(Index),
}

impl Document {
    /// Reads either. `announced` is what the descriptor or the HTTP header says it is: a media type, with or without
    /// parameters. Types that say nothing (`application/json`, `text/plain`, none) are ignored.
    pub fn parse(bytes: &[u8], announced: Option<&str>) -> Result<Document, DocumentError> {
        Document::parse_as("manifest", bytes, announced)
    }

    /// Reads either; an error says `what` was expected.
    fn parse_as(
        what: &'static str,
        bytes: &[u8],
        announced: Option<&str>,
    ) -> Result<Document, DocumentError> {
        let announced = announced
            .map(media_type::essence)
            .filter(|name| !says_nothing(name));
        // An error page is no document, and its text is not repeated.
        announced
            .as_deref()
            .map_or(Ok(()), |name| kind_of(name).map(|_| ()))?;
        let shape = Shape::of(what, bytes)?;
        match shape.kind(announced.as_deref())? {
            DocumentKind::Index => json::parse("index", bytes, MANIFEST_LIMIT).map(Document::Index),
            DocumentKind::Manifest => json::parse("manifest", bytes, MANIFEST_LIMIT)
                .map(|manifest| Document::Manifest(Box::new(manifest))),
        }
    }

    /// The media type that it goes by: its own, else the announced one, else OCI's.
    pub fn media_type(&self, announced: Option<&str>) -> String {
        let (own, otherwise) = match self {
            Document::Manifest(manifest) => (&manifest.media_type, media_type::OCI_MANIFEST),
            Document::Index(index) => (&index.media_type, media_type::OCI_INDEX),
        };
        own.clone()
            .filter(|own| !own.is_empty())
            .or_else(|| {
                announced
                    .map(media_type::essence)
                    .filter(|name| !says_nothing(name))
            })
            .unwrap_or_else(|| otherwise.to_owned())
    }
}

fn kind_of(media_type: &str) -> Result<DocumentKind, DocumentError> {
    DocumentKind::of(media_type).ok_or_else(|| match media_type::is_schema_one(media_type) {
        true => DocumentError::SchemaOne,
        false => DocumentError::MediaType {
            what: "manifest".to_owned(),
            media_type: media_type.to_owned(),
        },
    })
}

fn says_nothing(media_type: &str) -> bool {
    matches!(
        media_type,
        "" | "application/json" | "text/plain" | "application/octet-stream"
    )
}

/// The fields by which manifests and indexes are told apart.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Shape {
    schema_version: Option<u64>,
    media_type: Option<String>,
    config: Option<IgnoredAny>,
    // Go programs write `null` for an image without layers.
    #[serde(default, deserialize_with = "is_there")]
    layers: bool,
    manifests: Option<IgnoredAny>,
    fs_layers: Option<IgnoredAny>,
}

fn is_there<'de, D: Deserializer<'de>>(from: D) -> Result<bool, D::Error> {
    IgnoredAny::deserialize(from).map(|_| true)
}

impl Shape {
    fn of(what: &'static str, bytes: &[u8]) -> Result<Shape, DocumentError> {
        // serde would also read a struct from an array.
        if bytes.iter().find(|byte| !byte.is_ascii_whitespace()) != Some(&b'{') {
            return Err(DocumentError::Invalid {
                what,
                detail: "it is no JSON object".to_owned(),
            });
        }
        // A repeated field is an error, so no reader can have seen another `mediaType` than this one.
        let shape: Shape = json::parse(what, bytes, MANIFEST_LIMIT)?;
        match shape.schema_version {
            Some(2) => Ok(shape),
            Some(1) => Err(DocumentError::SchemaOne),
            Some(other) => Err(DocumentError::SchemaVersion(other)),
            None => Err(DocumentError::Missing("schemaVersion")),
        }
    }

    /// What the document is. Refuses one that two readers could take for different things.
    fn kind(&self, announced: Option<&str>) -> Result<DocumentKind, DocumentError> {
        let own = self.media_type.as_deref().filter(|own| !own.is_empty());
        let implied = match self.manifests.is_some() {
            true => media_type::OCI_INDEX,
            false => media_type::OCI_MANIFEST,
        };
        let name = announced.or(own).unwrap_or(implied);
        let kind = kind_of(name)?;
        if let (Some(announced), Some(own)) = (announced, own)
            && announced != own
        {
            return Err(DocumentError::MediaTypeMismatch {
                announced: announced.to_owned(),
                own: own.to_owned(),
            });
        }
        self.refuse_two_kinds()?;
        let missing = match kind {
            DocumentKind::Index if self.manifests.is_none() => "manifests",
            DocumentKind::Manifest if self.config.is_none() => "config",
            DocumentKind::Manifest if !self.layers => "layers",
            _ => return Ok(kind),
        };
        Err(DocumentError::Missing(missing))
    }

    fn refuse_two_kinds(&self) -> Result<(), DocumentError> {
        let manifests = ("manifests", self.manifests.is_some());
        let layers = ("layers", self.layers);
        let config = ("config", self.config.is_some());
        let fs_layers = ("fsLayers", self.fs_layers.is_some());
        for (one, other) in [
            (manifests, layers),
            (manifests, config),
            (manifests, fs_layers),
            (layers, fs_layers),
        ] {
            if one.1 && other.1 {
                return Err(DocumentError::Ambiguous(one.0, other.0));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
