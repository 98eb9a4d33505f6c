//! A shared cache in a registry: each record is a small manifest under a tag of its own, so nothing is overwritten by
//! another job, and the registry's own tools expire what is old.
//!
//! ```text
//! REPOSITORY:<prefix>-<key>    config: empty; the record is an annotation; layers: the bytes that it names
//! ```
//! So a record is one request, and the registry keeps the bytes as long as the record.

use super::place::{Place, Source};
use super::record::{Piece, SharedRecord};
use super::spool::Spool;
use crate::error::SharedCacheError;
use crate::registries::Registries;
use rbuild_oci::{Descriptor, Digest, Document, Manifest, MediaTypes, Reference};
use rbuild_registry::Pushed;
use rbuild_store::Key;
use serde_json::Value;
use std::collections::BTreeMap;
use std::io::Read;
use std::sync::Mutex;

/// The annotation that a record is.
const RECORD: &str = "dev.rbuild.cache.record";
/// What such a manifest is for.
const ARTIFACT: &str = "application/vnd.rbuild.cache.v1";
const LISTING: &str = "application/vnd.rbuild.cache.listing.v1+gzip";
/// Of a manifest that has no config (image-spec, "Guidance for an Empty Descriptor").
const EMPTY: &str = "application/vnd.oci.empty.v1+json";
const EMPTY_BYTES: &[u8] = b"{}";

/// A shared cache in a registry.
pub(crate) struct InRegistry {
    /// Its tag is the prefix.
    reference: Reference,
    registries: Registries,
    spool: Spool,
    /// The config that all manifests have is there.
    has_empty: Mutex<bool>,
}

impl InRegistry {
    pub(crate) fn new(reference: Reference, registries: Registries, spool: Spool) -> Self {
        Self {
            reference,
            registries,
            spool,
            has_empty: Mutex::new(false),
        }
    }

    fn tagged(&self, key: &Key) -> Result<Reference, SharedCacheError> {
        let prefix = self.reference.tag().unwrap_or_default();
        let tagged = self.reference.with_tag(&format!("{prefix}-{key}"));
        tagged.map_err(|source| SharedCacheError::Reference { source })
    }

    fn push(&self, descriptor: &Descriptor, source: &Source<'_>) -> Result<Pushed, SharedCacheError> {
        let pushed = self
            .registries
            .client()
            .push_blob(&self.reference, descriptor, source, None, &|_| {});
        Ok(pushed?)
    }
}

fn empty() -> Descriptor {
    Descriptor::new(EMPTY, Digest::of(EMPTY_BYTES), EMPTY_BYTES.len() as u64)
}

/// A layer that others may mount, a list of files that they may not.
fn descriptor(piece: &Piece, media_type: &str) -> Descriptor {
    Descriptor::new(media_type, piece.digest, piece.size)
}

/// The manifest of a record.
fn manifest(record: &SharedRecord) -> Result<Vec<u8>, SharedCacheError> {
    let tar = MediaTypes::Oci.layer(rbuild_oci::LayerCompression::Gzip);
    let mut layers: Vec<Descriptor> = Vec::new();
    for layer in &record.layers {
        layers.extend(layer.listing_apart().map(|listing| descriptor(&listing, LISTING)));
        layers.push(descriptor(&layer.tar, tar));
    }
    if layers.is_empty() {
        layers.push(empty());
    }
    let text = String::from_utf8_lossy(&record.to_bytes()?).into_owned();
    let mut manifest = Manifest::new(MediaTypes::Oci, empty(), layers);
    manifest.annotations = Some(BTreeMap::from([(RECORD.to_owned(), text)]));
    manifest
        .extra
        .insert("artifactType".to_owned(), Value::from(ARTIFACT));
    manifest.to_bytes().map_err(|source| SharedCacheError::Manifest {
        key: record.key.clone(),
        source,
    })
}

impl Place for InRegistry {
    fn record(&self, key: &Key) -> Result<Option<Vec<u8>>, SharedCacheError> {
        let found = match self.registries.client().fetch_manifest(&self.tagged(key)?) {
            Ok(found) => found,
            Err(error) if error.status() == Some(404) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let annotations = match found.document {
            Document::Manifest(manifest) => manifest.annotations.unwrap_or_default(),
            Document::Index(_) => BTreeMap::new(),
        };
        match annotations.get(RECORD) {
            Some(text) => Ok(Some(text.clone().into_bytes())),
            None => Err(SharedCacheError::Record {
                key: key.clone(),
                what: "is a manifest without one",
            }),
        }
    }

    fn has_record(&self, key: &Key) -> Result<bool, SharedCacheError> {
        Ok(self.registries.client().exists(&self.tagged(key)?)?.is_some())
    }

    fn put_record(&self, record: &SharedRecord) -> Result<(), SharedCacheError> {
        let bytes = manifest(record)?;
        let mut has_empty = self
            .has_empty
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        if !*has_empty {
            self.push(&empty(), &|offset| {
                let rest = EMPTY_BYTES.get(offset as usize..).unwrap_or_default();
                Ok(Box::new(rest) as Box<dyn Read>)
            })?;
            *has_empty = true;
        }
        drop(has_empty);
        let reference = self.tagged(&record.key)?;
        let client = self.registries.client();
        client.push_manifest(&reference, MediaTypes::Oci.manifest(), &bytes)?;
        Ok(())
    }

    fn open(&self, piece: &Piece) -> Result<Option<Box<dyn Read + Send + '_>>, SharedCacheError> {
        let descriptor = descriptor(piece, ARTIFACT);
        let mut file = self.spool.file()?;
        let fetched = self
            .registries
            .client()
            .fetch_blob(&self.reference, &descriptor, &mut file, &|_| {});
        match fetched {
            Ok(()) => Ok(Some(Box::new(self.spool.rewound(file)?))),
            Err(error) if error.status() == Some(404) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Sending asks first.
    fn has(&self, _: &Piece) -> Result<bool, SharedCacheError> {
        Ok(false)
    }

    fn put(&self, piece: &Piece, source: &Source<'_>) -> Result<(), SharedCacheError> {
        let media_type = MediaTypes::Oci.layer(rbuild_oci::LayerCompression::Gzip);
        self.push(&descriptor(piece, media_type), source).map(|_| ())
    }
}
