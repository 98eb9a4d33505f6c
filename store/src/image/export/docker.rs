//! Writing a Docker archive: what `docker save` wrote before version 25 and every tool of its kind reads.
//!
//! One tar per layer, one config per image, and `manifest.json` that joins them. The layers are not compressed unless that
//! is asked for: programs of any age read plain ones.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Seek, Write};

use rbuild_oci::{DiffId, Digest, DocumentError, LayerCompression, json, media_type};
use sha2::{Digest as _, Sha256};

use crate::error::StoreError;
use crate::image::ImageError;
use crate::image::export::compress::{copy_uncompressed, layer_error};
use crate::image::export::oci::{DockerItem, copy_blob, repo_tags, write_error};
use crate::image::export::tar_writer::TarWriter;
use crate::image::export::{
    Compression, ExportImage, ExportLayer, ExportOptions, LayerData, check, prepare_layer,
};
use crate::lock::BlobPin;
use crate::store::Store;

/// Writes images as a Docker archive. The bytes are a function of the images and of how layers are compressed; there are
/// no media types in it.
///
/// `to` names the destination in messages.
pub fn write_docker_archive(
    store: &Store,
    images: &[ExportImage<'_>],
    options: &ExportOptions,
    to: &str,
    out: &mut dyn Write,
    _pin: &BlobPin,
) -> Result<(), ImageError> {
    let mut configs = BTreeMap::new();
    let mut layers = BTreeMap::new();
    let mut items = Vec::new();
    for image in images {
        check(image)?;
        let config = format!("{}.json", Digest::of(image.config).to_hex());
        configs.insert(config.clone(), image.config);
        layers.extend(image.layers.iter().map(|layer| (layer.diff_id, layer)));
        items.push(DockerItem {
            config,
            repo_tags: repo_tags(&image.names),
            layers: image
                .layers
                .iter()
                .map(|layer| layer_name(&layer.diff_id))
                .collect(),
        });
    }
    let failed = |source: io::Error| write_error(to, source);
    let mut tar = TarWriter::new(out);
    for (diff_id, layer) in layers {
        match options.compression {
            Compression::None => write_plain(store, &mut tar, &diff_id, &layer.data).map_err(failed)?,
            _ => write_compressed(store, &mut tar, layer, options, to)?,
        }
    }
    for (name, bytes) in configs {
        tar.bytes(&name, bytes).map_err(failed)?;
    }
    tar.bytes("manifest.json", &json::write("manifest.json file", &items)?)
        .map_err(failed)?;
    tar.finish().map_err(failed)
}

fn layer_name(diff_id: &DiffId) -> String {
    format!("{}.tar", diff_id.to_hex())
}

fn write_compressed(
    store: &Store,
    tar: &mut TarWriter<'_>,
    layer: &ExportLayer<'_>,
    options: &ExportOptions,
    to: &str,
) -> Result<(), ImageError> {
    let blob = prepare_layer(store, layer, options)?;
    tar.file(&layer_name(&layer.diff_id), blob.size, |out| {
        copy_blob(store, &blob.digest, out)
    })
    .map_err(|source| write_error(to, source))
}

fn write_plain(
    store: &Store,
    tar: &mut TarWriter<'_>,
    diff_id: &DiffId,
    data: &LayerData<'_>,
) -> io::Result<()> {
    let name = layer_name(diff_id);
    match data {
        LayerData::Tar { size, write } => tar.file(&name, *size, |out| {
            let mut checked = Checked {
                out,
                hash: Sha256::new(),
            };
            write(&mut checked).map_err(|error| io::Error::other(layer_error(diff_id, error)))?;
            checked.finish(diff_id)
        }),
        LayerData::Blob(blob) => {
            let Some(compression) = media_type::layer_compression(&blob.media_type) else {
                let what = format!("layer {}", blob.digest);
                let media_type = blob.media_type.clone();
                return Err(io::Error::other(ImageError::from(DocumentError::MediaType {
                    what,
                    media_type,
                })));
            };
            // A tar entry begins with its size, so a compressed layer is unpacked to a file first.
            let size = match compression {
                LayerCompression::None => blob.size,
                _ => return write_unpacked(store, tar, diff_id, &blob.digest),
            };
            tar.file(&name, size, |out| {
                let mut checked = Checked {
                    out,
                    hash: Sha256::new(),
                };
                copy_uncompressed(store, &blob.digest, &mut checked)?;
                checked.finish(diff_id)
            })
        }
    }
}

fn write_unpacked(
    store: &Store,
    tar: &mut TarWriter<'_>,
    diff_id: &DiffId,
    digest: &Digest,
) -> io::Result<()> {
    let (path, mut file) = store.new_file().map_err(io::Error::other)?;
    std::fs::remove_file(&path)?;
    let mut checked = Checked {
        out: &mut file,
        hash: Sha256::new(),
    };
    copy_uncompressed(store, digest, &mut checked)?;
    checked.finish(diff_id)?;
    let size = file.stream_position()?;
    file.rewind()?;
    tar.file(&layer_name(diff_id), size, |out| copy(&file, out))
}

fn copy(mut from: &File, out: &mut dyn Write) -> io::Result<()> {
    io::copy(&mut from, out).map(|_| ())
}

/// Passes bytes on and compares their hash at the end.
struct Checked<'a> {
    out: &'a mut dyn Write,
    hash: Sha256,
}

impl Checked<'_> {
    fn finish(self, expected: &DiffId) -> io::Result<()> {
        let actual = DiffId::from_bytes(self.hash.finalize().into());
        if actual == *expected {
            return Ok(());
        }
        Err(io::Error::other(StoreError::DigestMismatch {
            what: "the layer's tar".to_owned(),
            expected: expected.to_string(),
            actual: actual.to_string(),
        }))
    }
}

impl Write for Checked<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.out.write(bytes)?;
        self.hash.update(&bytes[..count]);
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}
