//! Images that go out: OCI layouts (directory or tar) and Docker archives.
//!
//! A layer is a blob of the store, or a program that writes its uncompressed tar. Compression happens here, once:
//! the result is kept by (diff id, algorithm). Everything written is verified on the way and is the same bytes for
//! the same images, whoever writes it and when.
//!
//! Not here: registries (they take a [`Prepared`] image), and which layers an image has.

mod compress;
mod docker;
mod index;
mod oci;
mod tar_writer;

use std::io::{self, Write};

use rbuild_oci::{
    Annotations, Descriptor, DiffId, Digest, DocumentError, ImageConfig, ImagePlatform, LayerCompression,
    MANIFEST_LIMIT, Manifest, MediaTypes, media_type,
};

use crate::image::ImageError;
use crate::lock::BlobPin;
use crate::store::Store;

pub use compress::compress_layer;
pub(crate) use compress::parse_index;
pub use docker::write_docker_archive;
pub use index::{ExportList, ExportSet, PreparedIndex, PreparedSet, prepare_set};
pub use oci::{write_oci_archive, write_oci_dir};

/// Writes the uncompressed tar of a layer, the same bytes each time.
pub type TarProgram<'a> = &'a (dyn Fn(&mut dyn Write) -> io::Result<()> + Sync);

/// Where the bytes of an outgoing layer come from.
#[derive(Clone)]
pub enum LayerData<'a> {
    /// A blob of the store, as it was pulled or loaded.
    Blob(&'a Descriptor),
    /// A program that makes the tar.
    Tar {
        /// Bytes of the tar.
        size: u64,
        /// Writes it.
        write: TarProgram<'a>,
    },
}

/// One layer of an outgoing image.
#[derive(Clone)]
pub struct ExportLayer<'a> {
    /// Digest of the uncompressed tar; what `data` gives must have it.
    pub diff_id: DiffId,
    /// Where its bytes come from.
    pub data: LayerData<'a>,
}

/// An image on its way out.
#[derive(Clone)]
pub struct ExportImage<'a> {
    /// Its config's exact bytes.
    pub config: &'a [u8],
    /// Its layers, lowest first: as many as the config has diff ids.
    pub layers: Vec<ExportLayer<'a>>,
    /// Its full names, for example `docker.io/library/app:latest`.
    pub names: Vec<String>,
    /// Annotations of its manifest and of what points there.
    pub annotations: Annotations,
    /// The manifest (a blob of the store) it came with. If no layer has to change and no annotation is added
    /// it goes out as it is, so that the image keeps its digest.
    pub original: Option<Descriptor>,
}

/// How layers are compressed on the way out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compression {
    /// Plain tars.
    None,
    /// gzip at a level from 0 to 9.
    Gzip {
        /// The level.
        level: u32,
    },
    /// Zstandard at a level from 1 to 22.
    Zstd {
        /// The level.
        level: u32,
    },
}

impl Compression {
    /// Names the compression in the store's index; different bytes have different names.
    fn algorithm(self) -> String {
        match self {
            Compression::None => "tar".to_owned(),
            // Raised when the same level gives other bytes: earlier ones depended on chance.
            Compression::Gzip { level } => format!("gzip{level}r2"),
            Compression::Zstd { level } => format!("zstd{level}"),
        }
    }

    fn kind(self) -> LayerCompression {
        match self {
            Compression::None => LayerCompression::None,
            Compression::Gzip { .. } => LayerCompression::Gzip,
            Compression::Zstd { .. } => LayerCompression::Zstd,
        }
    }
}

/// What an exporter is asked for.
#[derive(Clone, Copy, Debug)]
pub struct ExportOptions {
    /// For layers that are not compressed yet.
    pub compression: Compression,
    /// Compress blobs again that came otherwise than `compression` says.
    pub force: bool,
    /// Which family of media types the manifest uses.
    pub media_types: MediaTypes,
}

impl Default for ExportOptions {
    fn default() -> Self {
        ExportOptions {
            compression: Compression::Gzip {
                level: rbuild_layer::DEFAULT_LEVEL,
            },
            force: false,
            media_types: MediaTypes::Oci,
        }
    }
}

/// An image whose every layer is a blob in the store, ready to be written or pushed.
#[derive(Clone, Debug, PartialEq)]
pub struct Prepared {
    /// Its names.
    pub names: Vec<String>,
    /// Points to the manifest; with the platform.
    pub manifest: Descriptor,
    /// The manifest's bytes.
    pub manifest_bytes: Vec<u8>,
    /// Points to the config.
    pub config: Descriptor,
    /// The config's bytes.
    pub config_bytes: Vec<u8>,
    /// Points to the layers' blobs in the store, lowest first.
    pub layers: Vec<Descriptor>,
}

/// Makes every layer of an image a blob of the store and writes its manifest (not stored).
///
/// `_pin` keeps the blobs until the caller has used them.
pub fn prepare(
    store: &Store,
    image: &ExportImage<'_>,
    options: &ExportOptions,
    _pin: &BlobPin,
) -> Result<Prepared, ImageError> {
    let config = check(image)?;
    let mut layers = Vec::new();
    let mut unchanged = true;
    for layer in &image.layers {
        let descriptor = prepare_layer(store, layer, options)?;
        unchanged &= matches!(&layer.data, LayerData::Blob(blob) if blob.digest == descriptor.digest);
        layers.push(descriptor);
    }
    let platform = ImagePlatform::new(&config.os, &config.architecture, config.variant.as_deref());
    if unchanged
        && image.annotations.manifest.is_empty()
        && let Some(original) = &image.original
        && let Some(prepared) = as_it_came(store, image, original, &platform)?
    {
        return Ok(prepared);
    }
    let config_descriptor = Descriptor::new(
        options.media_types.config(),
        Digest::of(image.config),
        image.config.len() as u64,
    );
    let mut manifest = Manifest::new(options.media_types, config_descriptor.clone(), layers.clone());
    let annotations = &image.annotations;
    manifest.annotations = (!annotations.manifest.is_empty()).then(|| annotations.manifest.clone());
    let manifest_bytes = manifest.to_bytes()?;
    let mut descriptor = Descriptor::new(
        options.media_types.manifest(),
        Digest::of(&manifest_bytes),
        manifest_bytes.len() as u64,
    );
    descriptor.platform = Some(platform);
    descriptor.annotations = (!annotations.descriptor.is_empty()).then(|| annotations.descriptor.clone());
    Ok(Prepared {
        names: image.names.clone(),
        manifest: descriptor,
        manifest_bytes,
        config: config_descriptor,
        config_bytes: image.config.to_vec(),
        layers,
    })
}

/// The config, after checking that the layers are the ones that it lists.
fn check(image: &ExportImage<'_>) -> Result<ImageConfig, ImageError> {
    let config = ImageConfig::parse(image.config)?;
    let diff_ids: Vec<DiffId> = image.layers.iter().map(|layer| layer.diff_id).collect();
    config.check_layers(&diff_ids)?;
    Ok(config)
}

/// The image with the manifest it came with; `None` when that is gone or is another image's.
fn as_it_came(
    store: &Store,
    image: &ExportImage<'_>,
    original: &Descriptor,
    platform: &ImagePlatform,
) -> Result<Option<Prepared>, ImageError> {
    if !store.blobs().has(&original.digest)? {
        return Ok(None);
    }
    let bytes = store.blobs().read(&original.digest, MANIFEST_LIMIT)?;
    let manifest = Manifest::parse(&bytes, Some(&original.media_type))?;
    let same_layers = manifest
        .layers
        .iter()
        .map(|layer| layer.digest)
        .eq(image.layers.iter().filter_map(|layer| match &layer.data {
            LayerData::Blob(blob) => Some(blob.digest),
            LayerData::Tar { .. } => None,
        }));
    if !same_layers || manifest.config.digest != Digest::of(image.config) {
        return Ok(None);
    }
    let mut descriptor = Descriptor::new(&original.media_type, original.digest, bytes.len() as u64);
    descriptor.platform = Some(platform.clone());
    Ok(Some(Prepared {
        names: image.names.clone(),
        manifest: descriptor,
        manifest_bytes: bytes,
        config: manifest.config,
        config_bytes: image.config.to_vec(),
        layers: manifest.layers,
    }))
}

fn prepare_layer(
    store: &Store,
    layer: &ExportLayer<'_>,
    options: &ExportOptions,
) -> Result<Descriptor, ImageError> {
    let wanted = options.compression;
    match &layer.data {
        LayerData::Tar { write, .. } => {
            let blob = compress_layer(store, &layer.diff_id, wanted, *write)?;
            Ok(Descriptor::new(
                options.media_types.layer(wanted.kind()),
                blob.digest,
                blob.size,
            ))
        }
        LayerData::Blob(blob) => {
            let Some(compression) = media_type::layer_compression(&blob.media_type) else {
                let what = format!("layer {}", blob.digest);
                return Err(DocumentError::MediaType {
                    what,
                    media_type: blob.media_type.clone(),
                }
                .into());
            };
            let again = match compression {
                // A Docker archive has no other than plain layers: there they are no choice. In an OCI image, or a
                // registry, they are, and a base stays the blob that it is elsewhere.
                LayerCompression::None => {
                    wanted != Compression::None
                        && (options.force || blob.media_type == media_type::DOCKER_LAYER)
                }
                // Docker's manifests have no media type for zstd that Docker itself would take.
                LayerCompression::Zstd if options.media_types == MediaTypes::Docker => true,
                compressed => options.force && compressed != wanted.kind(),
            };
            if !again {
                let mut same = (*blob).clone();
                same.media_type = options.media_types.layer(compression).to_owned();
                if !store.blobs().has(&blob.digest)? {
                    return Err(crate::StoreError::MissingBlob {
                        digest: blob.digest.to_string(),
                    }
                    .into());
                }
                return Ok(same);
            }
            let unpack = |out: &mut dyn Write| compress::copy_uncompressed(store, &blob.digest, out);
            let made = compress_layer(store, &layer.diff_id, wanted, &unpack)?;
            Ok(Descriptor::new(
                options.media_types.layer(wanted.kind()),
                made.digest,
                made.size,
            ))
        }
    }
}

#[cfg(test)]
mod tests;
