//! Sending images: the store's blobs to the registry's client. An adapter, because neither crate knows the other.

use crate::error::{BaseError, Error, TransferError};
use crate::export::{Outgoing, with_export};
use crate::registries::{Progress, Registries, registry_error};
use crate::side_by_side::side_by_side;
use rbuild_oci::{Descriptor, Digest, Reference};
use rbuild_store::Store;
use rbuild_store::image::LayerSource;
use rbuild_store::image::export::{ExportOptions, prepare_set};
use std::collections::{BTreeMap, HashMap};
use std::io::{Read, Seek, SeekFrom};
use std::sync::atomic::{AtomicU64, Ordering};

/// Pushes what goes out under a name; layers first and at once, then manifests by their digests, the name last. Returns
/// what the name points to. Must run inside the user namespace.
///
/// # Errors
/// The registry refuses, or a layer cannot be read.
pub fn push(
    store: &Store,
    registries: &Registries,
    what: &Outgoing<'_>,
    reference: &Reference,
    options: &ExportOptions,
    progress: Progress<'_>,
) -> Result<Descriptor, Error> {
    with_export(store, std::slice::from_ref(what), |outgoing, pin| {
        let set = prepare_set(store, outgoing, options, pin).map_err(TransferError::Prepare)?;
        for image in &set.images {
            store.blobs().put_bytes(&image.config_bytes)?;
        }
        let push = Push {
            store,
            registries,
            reference,
            elsewhere: elsewhere(store, reference)?,
        };
        let layers = set.images.iter().flat_map(|image| &image.layers);
        let layers: BTreeMap<Digest, &Descriptor> = layers.map(|layer| (layer.digest, layer)).collect();
        push.layers(&layers.into_values().collect::<Vec<_>>(), progress)?;
        for image in &set.images {
            push.blob(&image.config, &|_| {})?;
        }
        match set.indexes.first() {
            None => {
                let image = set.images.first().ok_or(TransferError::NothingToPush)?;
                push.manifest(reference, &image.manifest, &image.manifest_bytes)?;
                Ok(image.manifest.clone())
            }
            Some(index) => {
                for image in &set.images {
                    let name = format!("{}@{}", reference.name(), image.manifest.digest);
                    let by_digest =
                        Reference::parse(&name).map_err(|source| BaseError::NoReference { name, source })?;
                    push.manifest(&by_digest, &image.manifest, &image.manifest_bytes)?;
                }
                push.manifest(reference, &index.descriptor, &index.bytes)?;
                Ok(index.descriptor.clone())
            }
        }
    })
}

/// Repositories of the same registry by the blobs that they hold as far as the store knows: those that images pulled
/// from there came with (they have a name with a digest). The registry takes a blob from there without its being sent.
fn elsewhere(store: &Store, reference: &Reference) -> Result<HashMap<Digest, String>, Error> {
    let mut found = HashMap::new();
    for (image, names) in store.images().list()? {
        let other = names
            .iter()
            .filter_map(|name| Reference::parse(name).ok())
            .filter(|name| name.digest().is_some() && name.host() == reference.host())
            .find(|name| name.repository() != reference.repository());
        let Some(other) = other else { continue };
        for layer in &image.layers {
            if let LayerSource::Blob(blob) = &layer.source {
                found
                    .entry(blob.digest)
                    .or_insert_with(|| other.repository().to_owned());
            }
        }
    }
    Ok(found)
}

/// One image on its way to one repository.
struct Push<'a> {
    store: &'a Store,
    registries: &'a Registries,
    reference: &'a Reference,
    elsewhere: HashMap<Digest, String>,
}

impl Push<'_> {
    fn manifest(&self, name: &Reference, manifest: &Descriptor, bytes: &[u8]) -> Result<(), Error> {
        self.registries
            .client()
            .push_manifest(name, &manifest.media_type, bytes)
            .map(|_| ())
            .map_err(registry_error)
    }

    fn layers(&self, layers: &[&Descriptor], progress: Progress<'_>) -> Result<(), Error> {
        let total = layers.iter().map(|layer| layer.size).sum();
        let sent: Vec<AtomicU64> = layers.iter().map(|_| AtomicU64::new(0)).collect();
        let report = |at: &AtomicU64, bytes: u64| {
            at.store(bytes, Ordering::Relaxed);
            progress(sent.iter().map(|sent| sent.load(Ordering::Relaxed)).sum(), total);
        };
        side_by_side(layers.iter().zip(&sent), |(layer, sent)| {
            self.blob(layer, &|bytes| report(sent, bytes))?;
            report(sent, layer.size);
            Ok(())
        })
    }

    fn blob(&self, blob: &Descriptor, sent: &dyn Fn(u64)) -> Result<(), Error> {
        let open = |offset: u64| -> std::io::Result<Box<dyn Read>> {
            let mut file = self
                .store
                .blobs()
                .open(&blob.digest)
                .map_err(std::io::Error::other)?;
            file.seek(SeekFrom::Start(offset))?;
            Ok(Box::new(file))
        };
        let mount_from = self.elsewhere.get(&blob.digest).map(String::as_str);
        self.registries
            .client()
            .push_blob(self.reference, blob, &open, mount_from, sent)
            .map(|_| ())
            .map_err(registry_error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rbuild_oci::ImageConfig;
    use rbuild_store::Need;
    use rbuild_store::image::{ImageLayer, ImageRecord};

    /// An image that has one layer, whose blob is of these bytes.
    fn image(bytes: &[u8]) -> ImageRecord {
        let digest = Digest::of(bytes);
        let mut config = ImageConfig::default();
        let diff_id = rbuild_oci::DiffId::from_bytes(*digest.as_bytes());
        config.rootfs.diff_ids = vec![diff_id];
        let blob = Descriptor::new(
            "application/vnd.oci.image.layer.v1.tar",
            digest,
            bytes.len() as u64,
        );
        let layer = ImageLayer {
            diff_id,
            source: LayerSource::Blob(Box::new(blob)),
        };
        ImageRecord::new(&config.to_bytes().unwrap(), None, None, vec![layer], 0).unwrap()
    }

    #[test]
    fn a_blob_is_taken_from_another_repository_of_the_same_registry() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path(), "boot", Need::Reading).unwrap();
        let pin = format!("@sha256:{}", "1".repeat(64));
        for (bytes, name) in [
            (&b"here"[..], format!("r.example/base{pin}")),
            (b"elsewhere", format!("other.example/base{pin}")),
            (b"own", format!("r.example/app{pin}")),
            (b"only named", "r.example/named:1".to_owned()),
        ] {
            let image = image(bytes);
            store.images().put(&image).unwrap();
            store.images().tag(&name, &image.id).unwrap();
        }
        let target = Reference::parse("r.example/app:2").unwrap();
        let found = elsewhere(&store, &target)
            .map_err(|failure| failure.to_string())
            .unwrap();
        assert_eq!(found, HashMap::from([(Digest::of(b"here"), "base".to_owned())]));
    }
}
