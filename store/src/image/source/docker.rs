//! Reading a Docker archive (`docker save`): `manifest.json`, one config and a list of layer tars per image.
//!
//! The format is described in moby's image specification v1.2 ("Combined Image JSON + Filesystem Changeset Format").
//! The config is named by its digest, the layers are not; their diff ids in the config are what verifies them.

use std::io::Read;
use std::path::Path;

use rbuild_layer::Compression;
use rbuild_oci::{
    CONFIG_LIMIT, DiffId, Digest, DocumentError, ImageConfig, LayerCompression, MANIFEST_LIMIT, MediaTypes,
    json,
};
use serde::Deserialize;

use crate::blob::expect_digest;
use crate::image::ImageError;
use crate::image::source::container::Container;
use crate::image::source::{ImageSource, SourceEntry, SourceImage, SourceLayer};

/// An element of `manifest.json`.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Item {
    config: String,
    #[serde(default)]
    repo_tags: Option<Vec<String>>,
    #[serde(default)]
    layers: Option<Vec<String>>,
}

/// A Docker archive.
pub(super) struct DockerSource {
    container: Container,
    entries: Vec<SourceEntry>,
    items: Vec<Item>,
}

impl DockerSource {
    pub(super) fn new(container: Container) -> Result<Self, ImageError> {
        let bytes = container.read("manifest.json", MANIFEST_LIMIT)?;
        let items: Vec<Item> = json::parse("manifest.json file", &bytes, MANIFEST_LIMIT)?;
        let entries = items
            .iter()
            .map(|item| {
                let mut names = item.repo_tags.clone().unwrap_or_default();
                names.sort();
                names.dedup();
                SourceEntry {
                    names,
                    platform: None,
                    digest: None,
                }
            })
            .collect();
        Ok(DockerSource {
            container,
            entries,
            items,
        })
    }

    /// A layer, by the name of its file.
    fn layer(&self, name: &str, diff_id: &DiffId) -> Result<SourceLayer, ImageError> {
        let path = self.container.path();
        let Some(size) = self.container.size(name)? else {
            return Err(ImageError::MissingEntry {
                path: path.to_owned(),
                name: name.to_owned(),
            });
        };
        let mut head = Vec::new();
        self.container
            .reader(name)?
            .take(6)
            .read_to_end(&mut head)
            .map_err(|error| ImageError::from_read(path, error))?;
        let compression = match Compression::of(&head) {
            Compression::None => LayerCompression::None,
            Compression::Gzip => LayerCompression::Gzip,
            Compression::Zstd => LayerCompression::Zstd,
            other => {
                let what = format!("layer `{}`", name.escape_debug());
                return Err(DocumentError::MediaType {
                    what,
                    media_type: format!("{other:?} compressed tar"),
                }
                .into());
            }
        };
        Ok(SourceLayer {
            diff_id: *diff_id,
            media_type: MediaTypes::Docker.layer(compression).to_owned(),
            // Uncompressed, the blob is the tar, so its digest is the diff id.
            digest: (compression == LayerCompression::None).then(|| Digest::from_bytes(*diff_id.as_bytes())),
            size,
            name: name.to_owned(),
            descriptor: None,
        })
    }
}

/// The digest that a config's file name promises: `<hex>.json`, `blobs/sha256/<hex>` or `<hex>`.
fn promised(name: &str) -> Option<Digest> {
    let file = name.rsplit_once('/').map_or(name, |(_, file)| file);
    Digest::from_hex(file.strip_suffix(".json").unwrap_or(file)).ok()
}

impl ImageSource for DockerSource {
    fn path(&self) -> &Path {
        self.container.path()
    }

    fn entries(&self) -> &[SourceEntry] {
        &self.entries
    }

    fn image(&self, entry: usize) -> Result<SourceImage, ImageError> {
        let Some(item) = self.items.get(entry) else {
            let detail = format!("it has no image number {entry}");
            return Err(ImageError::NotAnImage {
                path: self.path().to_owned(),
                detail,
            });
        };
        let config = self.container.read(&item.config, CONFIG_LIMIT)?;
        if let Some(expected) = promised(&item.config) {
            expect_digest(
                &self.container.what(&item.config),
                &expected,
                &Digest::of(&config),
            )?;
        }
        let parsed = ImageConfig::parse(&config)?;
        let names = item.layers.as_deref().unwrap_or_default();
        let diff_ids = &parsed.rootfs.diff_ids;
        if names.len() != diff_ids.len() {
            return Err(DocumentError::LayerCount {
                layers: names.len(),
                diff_ids: diff_ids.len(),
            }
            .into());
        }
        let pairs = names.iter().zip(diff_ids);
        let layers = pairs
            .map(|(name, diff_id)| self.layer(name, diff_id))
            .collect::<Result<_, _>>()?;
        Ok(SourceImage {
            config,
            manifest: None,
            layers,
        })
    }

    fn open_layer<'a>(&'a self, layer: &SourceLayer) -> Result<Box<dyn Read + Send + 'a>, ImageError> {
        self.container.open_layer(layer)
    }
}
