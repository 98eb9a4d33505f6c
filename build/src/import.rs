//! Images into the store: layers unpacked to one snapshot, and the record that names them.

use crate::error::{Error, TransferError};
use rbuild_layer::{LayerError, Limits, decompress};
use rbuild_oci::{Descriptor, DiffId, Digest};
use rbuild_store::Store;
use rbuild_store::image::source::{self, ImageSource};
use rbuild_store::image::{ImageLayer, ImageRecord, LayerSource};
use rbuild_store::snapshot::{Check, Committed, Held, ImportLayer, ImportOptions, SnapshotStore};
use sha2::{Digest as _, Sha256};
use std::io::Read;

/// Unpacks the layers, whose blobs are in the store, and records the image. Must run inside the user namespace, with
/// the blobs pinned.
///
/// # Errors
/// A layer is truncated, hostile, or not what the config says.
pub fn import(
    store: &Store,
    config: &[u8],
    manifest: Option<Descriptor>,
    layers: Vec<ImageLayer>,
    now: u64,
) -> Result<ImageRecord, Error> {
    let snapshots = SnapshotStore::new(store.clone());
    let diff_ids: Vec<_> = layers.iter().map(|layer| layer.diff_id).collect();
    let held = if diff_ids.is_empty() {
        None
    } else if let Some(found) = snapshots.imported(&diff_ids, Check::Now)?.sound() {
        // What is unpacked is what the config names. Whether the blobs are that too, nobody may have looked.
        check_content(store, &layers)?;
        Some(found)
    } else {
        let Committed { snapshot, lease, .. } = unpack(store, &snapshots, &layers, now)?;
        Some(Held { snapshot, lease })
    };
    let snapshot = held.as_ref().map(|held| *held.snapshot.id());
    let record = ImageRecord::new(config, manifest, snapshot, layers, now)?;
    store.images().put(&record)?;
    drop(held);
    Ok(record)
}

fn unpack(
    store: &Store,
    snapshots: &SnapshotStore,
    layers: &[ImageLayer],
    now: u64,
) -> Result<Committed, Error> {
    let blobs = store.blobs();
    let count = layers.len();
    let mut inputs = Vec::with_capacity(count);
    for (at, layer) in layers.iter().enumerate() {
        let digest = blob_of(layer)?;
        let file = blobs.open(&digest)?;
        inputs.push(ImportLayer {
            reader: Box::new(file),
            diff_id: layer.diff_id,
            name: layer_name(at, count, &digest),
        });
    }
    let options = ImportOptions {
        now: i64::try_from(now).unwrap_or(i64::MAX),
        limits: Limits::default(),
    };
    let committed = snapshots.import_layers(inputs, &options)?;
    for layer in layers {
        note_content(store, layer)?;
    }
    Ok(committed)
}

/// Reads the blobs of which it is not known that they are the tars that the config names: else the store would show one
/// image and hand out another.
fn check_content(store: &Store, layers: &[ImageLayer]) -> Result<(), Error> {
    for (at, layer) in layers.iter().enumerate() {
        let digest = blob_of(layer)?;
        let known = store.images().is_known_content(&digest, &layer.diff_id);
        if known? {
            continue;
        }
        let name = layer_name(at, layers.len(), &digest);
        let file = store.blobs().open(&digest)?;
        let (_, mut tar) = decompress(file, &name)?;
        let mut hasher = Sha256::new();
        let mut buffer = vec![0; 128 << 10];
        loop {
            let read = match tar.read(&mut buffer) {
                _ if store.stop().is_stopped() => {
                    return Err(Error::Stopped);
                }
                Ok(0) => break,
                Ok(read) => read,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
                Err(source) => {
                    return Err(TransferError::ReadLayer { layer: name, source }.into());
                }
            };
            hasher.update(&buffer[..read]);
        }
        let actual = DiffId::from_bytes(hasher.finalize().into());
        if actual != layer.diff_id {
            return Err(Error::from(LayerError::WrongDiffId {
                layer: name,
                expected: layer.diff_id,
                actual,
            }));
        }
        note_content(store, layer)?;
    }
    Ok(())
}

fn note_content(store: &Store, layer: &ImageLayer) -> Result<(), Error> {
    store
        .images()
        .note_content(&blob_of(layer)?, &layer.diff_id)
        .map_err(Error::from)
}

fn blob_of(layer: &ImageLayer) -> Result<Digest, Error> {
    match &layer.source {
        LayerSource::Blob(descriptor) => Ok(descriptor.digest),
        _ => Err(TransferError::NoBlob.into()),
    }
}

fn layer_name(at: usize, count: usize, digest: &Digest) -> String {
    format!("layer {} of {count} ({digest})", at + 1)
}

/// Brings one image of an OCI layout or archive into the store. Must run inside the user namespace.
///
/// # Errors
/// A blob is missing or wrong, a layer cannot be unpacked.
pub fn from_source(
    store: &Store,
    from: &dyn ImageSource,
    entry: usize,
    now: u64,
) -> Result<ImageRecord, Error> {
    let at = |source: Error| TransferError::Load {
        path: from.path().to_owned(),
        source: Box::new(source),
    };
    let image = from.image(entry).map_err(|error| at(error.into()))?;
    let pin = store.locks().pin_blobs()?;
    let bring = || {
        let ingested = source::ingest(store, from, &image, &pin).map_err(|error| at(error.into()))?;
        let imported = import(store, &image.config, ingested.manifest, ingested.layers, now);
        Ok(imported.map_err(at)?)
    };
    let digests = image.layers.iter().filter_map(|layer| layer.digest);
    again_if_damaged(store, digests, bring)
}

/// Blobs that are here already are believed. Where that fails, those that were damaged meanwhile, as by a power loss, are
/// removed and all is brought once more.
pub(crate) fn again_if_damaged(
    store: &Store,
    digests: impl Iterator<Item = Digest>,
    bring: impl Fn() -> Result<ImageRecord, Error>,
) -> Result<ImageRecord, Error> {
    bring().or_else(|error| {
        // Neither is about what is here.
        if store.stop().is_stopped() || matches!(error, Error::Transfer(TransferError::Registry(_))) {
            return Err(error);
        }
        match store.blobs().remove_damaged(digests) {
            Ok(1..) => bring(),
            // What failed first is what is told.
            Ok(0) | Err(_) => Err(error),
        }
    })
}

/// Makes an image's snapshot again from its blobs.
///
/// # Errors
/// It was built here, so there are no blobs to make it from.
pub fn restore(store: &Store, record: &ImageRecord, now: u64) -> Result<ImageRecord, Error> {
    if !record
        .layers
        .iter()
        .all(|layer| matches!(layer.source, LayerSource::Blob(_)))
    {
        return Err(TransferError::FilesGone { id: record.id }.into());
    }
    let _pin = store.locks().pin_blobs()?;
    let (config, manifest) = (record.config.as_bytes(), record.manifest.clone());
    import(store, config, manifest, record.layers.clone(), now).map_err(|failure| {
        if store.stop().is_stopped() {
            return failure;
        }
        let damaged = record.blobs().find_map(|blob| {
            let error = store.blobs().verify(&blob.digest).err()?;
            error.is_corruption().then_some(error)
        });
        damaged.map_or(failure, Error::from)
    })
}
