//! Reading an OCI image layout: image-spec `image-layout.md`.

use std::collections::BTreeSet;
use std::io::Read;
use std::path::Path;

use rbuild_oci::{
    CONFIG_LIMIT, CONTAINERD_NAME, Descriptor, Digest, DocumentError, ImageConfig, Index, MANIFEST_LIMIT,
    Manifest, REF_NAME, json, media_type,
};

use crate::blob::expect_digest;
use crate::error::StoreError;
use crate::image::ImageError;
use crate::image::source::container::Container;
use crate::image::source::{ImageSource, SourceEntry, SourceImage, SourceLayer};

/// Indexes in indexes.
const MAX_DEPTH: usize = 4;
/// Images in one layout.
const MAX_IMAGES: usize = 10_000;

/// The file `oci-layout`: OCI image-spec `image-layout.md`.
#[derive(serde::Deserialize)]
#[serde(rename_all = "camelCase")]
struct OciLayout {
    image_layout_version: String,
}

/// An OCI layout in a directory or tar file.
pub(super) struct OciSource {
    container: Container,
    entries: Vec<SourceEntry>,
    manifests: Vec<Descriptor>,
}

impl OciSource {
    pub(super) fn new(container: Container) -> Result<Self, ImageError> {
        let layout: OciLayout = json::parse("oci-layout file", &container.read("oci-layout", 4096)?, 4096)?;
        let version = layout.image_layout_version;
        if version != "1.0.0" {
            return Err(DocumentError::Invalid {
                what: "oci-layout file",
                detail: format!("its version is `{}`", version.escape_debug()),
            }
            .into());
        }
        let mut source = OciSource {
            container,
            entries: Vec::new(),
            manifests: Vec::new(),
        };
        let index = Index::parse(&source.container.read("index.json", MANIFEST_LIMIT)?, None)?;
        source.add(&index, None, 0)?;
        Ok(source)
    }

    fn add(&mut self, index: &Index, inherited: Option<&str>, depth: usize) -> Result<(), ImageError> {
        for descriptor in &index.manifests {
            let name = descriptor
                .annotation(CONTAINERD_NAME)
                .or_else(|| descriptor.annotation(REF_NAME))
                .or(inherited);
            if media_type::is_index(&descriptor.media_type) {
                if depth >= MAX_DEPTH {
                    let detail = format!("its indexes are nested more than {MAX_DEPTH} deep");
                    return Err(ImageError::Hostile {
                        path: self.path().to_owned(),
                        detail,
                    });
                }
                let bytes = self.document(descriptor, MANIFEST_LIMIT)?;
                let name = name.map(str::to_owned);
                self.add(
                    &Index::parse(&bytes, Some(&descriptor.media_type))?,
                    name.as_deref(),
                    depth + 1,
                )?;
            } else if media_type::is_manifest(&descriptor.media_type) && !is_attestation(descriptor) {
                self.add_manifest(descriptor, name)?;
            }
        }
        Ok(())
    }

    fn add_manifest(&mut self, descriptor: &Descriptor, name: Option<&str>) -> Result<(), ImageError> {
        let known = self
            .manifests
            .iter()
            .position(|known| known.digest == descriptor.digest && known.platform == descriptor.platform);
        let at = match known {
            Some(at) => at,
            None => {
                if self.manifests.len() >= MAX_IMAGES {
                    let detail = format!("it has more than {MAX_IMAGES} images");
                    return Err(ImageError::Hostile {
                        path: self.path().to_owned(),
                        detail,
                    });
                }
                self.manifests.push(descriptor.clone());
                self.entries.push(SourceEntry {
                    names: Vec::new(),
                    platform: descriptor.platform.clone(),
                    digest: Some(descriptor.digest),
                });
                self.entries.len() - 1
            }
        };
        let mut names: BTreeSet<String> = std::mem::take(&mut self.entries[at].names).into_iter().collect();
        names.extend(name.map(str::to_owned));
        self.entries[at].names = names.into_iter().collect();
        Ok(())
    }

    /// Reads and verifies a JSON blob.
    fn document(&self, descriptor: &Descriptor, limit: u64) -> Result<Vec<u8>, ImageError> {
        let name = blob_name(&descriptor.digest);
        if descriptor.size > limit {
            return Err(DocumentError::TooLarge { what: name, limit }.into());
        }
        let bytes = self.container.read(&name, limit)?;
        self.check_size(&name, descriptor, bytes.len() as u64)?;
        expect_digest(
            &self.container.what(&name),
            &descriptor.digest,
            &Digest::of(&bytes),
        )?;
        Ok(bytes)
    }

    fn check_size(&self, name: &str, descriptor: &Descriptor, actual: u64) -> Result<(), ImageError> {
        if actual == descriptor.size {
            return Ok(());
        }
        let what = self.container.what(name);
        Err(StoreError::SizeMismatch {
            what,
            expected: descriptor.size,
            actual,
        }
        .into())
    }
}

fn blob_name(digest: &Digest) -> String {
    format!("blobs/sha256/{}", digest.to_hex())
}

/// BuildKit's attestations look like images for `unknown/unknown`.
fn is_attestation(descriptor: &Descriptor) -> bool {
    descriptor.annotation("vnd.docker.reference.type").is_some()
        || descriptor
            .platform
            .as_ref()
            .is_some_and(|platform| platform.os == "unknown" && platform.architecture == "unknown")
}

impl ImageSource for OciSource {
    fn path(&self) -> &Path {
        self.container.path()
    }

    fn entries(&self) -> &[SourceEntry] {
        &self.entries
    }

    fn image(&self, entry: usize) -> Result<SourceImage, ImageError> {
        let Some(descriptor) = self.manifests.get(entry) else {
            let detail = format!("it has no image number {entry}");
            return Err(ImageError::NotAnImage {
                path: self.path().to_owned(),
                detail,
            });
        };
        let bytes = self.document(descriptor, MANIFEST_LIMIT)?;
        let manifest = Manifest::parse(&bytes, Some(&descriptor.media_type))?;
        let config = self.document(&manifest.config, CONFIG_LIMIT)?;
        let parsed = ImageConfig::parse(&config)?;
        manifest.check_layers(&parsed)?;
        let mut layers = Vec::new();
        for (layer, diff_id) in manifest.layers.iter().zip(&parsed.rootfs.diff_ids) {
            if media_type::layer_compression(&layer.media_type).is_none() {
                let what = format!("layer {}", layer.digest);
                return Err(DocumentError::MediaType {
                    what,
                    media_type: layer.media_type.clone(),
                }
                .into());
            }
            let name = blob_name(&layer.digest);
            let Some(size) = self.container.size(&name)? else {
                return Err(ImageError::MissingEntry {
                    path: self.path().to_owned(),
                    name,
                });
            };
            self.check_size(&name, layer, size)?;
            layers.push(SourceLayer {
                diff_id: *diff_id,
                media_type: layer.media_type.clone(),
                digest: Some(layer.digest),
                size,
                name,
                descriptor: Some(layer.clone()),
            });
        }
        Ok(SourceImage {
            config,
            manifest: Some((descriptor.clone(), bytes)),
            layers,
        })
    }

    fn open_layer<'a>(&'a self, layer: &SourceLayer) -> Result<Box<dyn Read + Send + 'a>, ImageError> {
        self.container.open_layer(layer)
    }
}
