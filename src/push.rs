//! Sending images: the store's blobs to the registry's client. An adapter, because neither crate knows the other.

use crate::error::{Failure, Kind};
use crate::export::{self, with_export};
use crate::options::output::LayerCompression;
use crate::pull::{Progress, Puller, registry_failure};
use rbuild_registry::Reference;
use rbuild_store::Store;
use rbuild_store::image::{Descriptor, ImageRecord, export as store_export};
use std::io::{Read, Seek, SeekFrom};

/// Pushes an image under a name; layers first, the name last. Returns the digest of its manifest. Must run inside the
/// user namespace.
///
/// # Errors
/// The registry refuses, or a layer cannot be read.
pub fn push(
    store: &Store,
    puller: &Puller,
    image: &ImageRecord,
    reference: &Reference,
    docker_format: bool,
    progress: Progress<'_>,
) -> Result<String, Failure> {
    let options = export::options(LayerCompression::Gzip(None), docker_format);
    with_export(store, &[(image, vec![reference.to_string()])], |outgoing, pin| {
        let Some(outgoing) = outgoing.first() else {
            return Err(Failure::host("internal error: nothing to push"));
        };
        let prepared = store_export::prepare(store, outgoing, &options, pin)
            .map_err(|error| Failure::from_error(Kind::Host, &error).context("preparing the image for the registry"))?;
        store.blobs().put_bytes(&prepared.config_bytes).map_err(Failure::from_host)?;
        let total = prepared.layers.iter().map(|layer| layer.size).sum();
        let mut done = 0;
        for layer in &prepared.layers {
            push_blob(store, puller, reference, layer, &|sent| progress(done + sent, total))?;
            done += layer.size;
            progress(done, total);
        }
        push_blob(store, puller, reference, &prepared.config, &|_| {})?;
        puller
            .client()
            .push_manifest(reference, &prepared.manifest.media_type, &prepared.manifest_bytes)
            .map_err(|error| registry_failure(&error))?;
        Ok(prepared.manifest.digest.to_string())
    })
}

fn push_blob(
    store: &Store,
    puller: &Puller,
    reference: &Reference,
    blob: &Descriptor,
    sent: &dyn Fn(u64),
) -> Result<(), Failure> {
    let digest = blob.digest.to_string();
    let descriptor = rbuild_registry::Descriptor::new(
        &*blob.media_type,
        digest.parse().map_err(|error| Failure::host(format!("digest `{digest}`: {error}")))?,
        blob.size,
    );
    let open = |offset: u64| -> std::io::Result<Box<dyn Read>> {
        let mut file = store.blobs().open(&blob.digest).map_err(std::io::Error::other)?;
        file.seek(SeekFrom::Start(offset))?;
        Ok(Box::new(file))
    };
    puller
        .client()
        .push_blob(reference, &descriptor, &open, None, sent)
        .map(|_| ())
        .map_err(|error| registry_failure(&error))
}
