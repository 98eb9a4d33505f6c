//! Images that come in from files: OCI layouts (directory or tar) and Docker archives (`docker save`), each also
//! compressed or from a pipe.
//!
//! An [`ImageSource`] lists what it holds, gives one image's documents, and opens layers. [`ingest`] copies one
//! into the store, verifying every byte. Nothing is ever extracted by name.
//!
//! Not here: unpacking layers, and which name the user meant by a short reference.

// The law of paths, whose list is in `clippy.toml`.
#![cfg_attr(not(test), deny(clippy::disallowed_methods))]

pub(crate) mod archive;
pub(crate) mod container;
mod docker;
mod oci;

use std::fs::File;
use std::io::Read;
use std::path::Path;

use rbuild_oci::{Descriptor, DiffId, Digest, ImageConfig, ImagePlatform};

use crate::blob::Expect;
use crate::error::StoreError;
use crate::image::ImageError;
use crate::image::record::{ImageLayer, LayerSource};
use crate::image::source::archive::TarArchive;
use crate::image::source::container::Container;
use crate::lock::BlobPin;
use crate::store::Store;

/// One image that a source holds, before its documents are read.
#[derive(Clone, Debug, PartialEq)]
pub struct SourceEntry {
    /// Its names as the source has them, sorted.
    pub names: Vec<String>,
    /// For which machine, if the source says so without looking into the image.
    pub platform: Option<ImagePlatform>,
    /// Digest of its manifest, if it has one.
    pub digest: Option<Digest>,
}

/// One image of a source: its documents, verified, and what its layers are.
#[derive(Clone, Debug, PartialEq)]
pub struct SourceImage {
    /// The config's exact bytes.
    pub config: Vec<u8>,
    /// The manifest and its exact bytes; a Docker archive has none.
    pub manifest: Option<(Descriptor, Vec<u8>)>,
    /// As many as the config has diff ids, lowest first.
    pub layers: Vec<SourceLayer>,
}

impl SourceImage {
    /// The config as a structure.
    pub fn parse_config(&self) -> Result<ImageConfig, ImageError> {
        Ok(ImageConfig::parse(&self.config)?)
    }
}

/// A layer of an image in a source.
#[derive(Clone, Debug, PartialEq)]
pub struct SourceLayer {
    /// Digest of the uncompressed tar, from the config.
    pub diff_id: DiffId,
    /// Media type of the bytes that [`ImageSource::open_layer`] gives.
    pub media_type: String,
    /// Their digest, if the source says so; otherwise it is found out by reading.
    pub digest: Option<Digest>,
    /// How many bytes they are.
    pub size: u64,
    /// The file's name in the source.
    pub(crate) name: String,
    /// The whole descriptor, when there is one.
    pub(crate) descriptor: Option<Descriptor>,
}

/// Somewhere images come from.
pub trait ImageSource {
    /// The path it was opened by, for messages.
    fn path(&self) -> &Path;

    /// What it holds.
    fn entries(&self) -> &[SourceEntry];

    /// Reads and verifies the documents of one entry.
    fn image(&self, entry: usize) -> Result<SourceImage, ImageError>;

    /// The bytes of a layer as they are in the source. They are verified as far as the source names their digest:
    /// the last `read` fails if they differ.
    fn open_layer<'a>(&'a self, layer: &SourceLayer) -> Result<Box<dyn Read + Send + 'a>, ImageError>;
}

/// Opens the OCI layout or archive at `path` (a directory, a file, or a named pipe).
pub fn open(store: &Store, path: &Path) -> Result<Box<dyn ImageSource>, ImageError> {
    from_container(Container::open(path, &|| spool(store))?)
}

/// Reads an archive from a stream, standard input for example. `name` stands for it in messages.
pub fn open_stream(
    store: &Store,
    name: &Path,
    from: impl Read + Send,
) -> Result<Box<dyn ImageSource>, ImageError> {
    from_container(Container::Tar(TarArchive::from_reader(name, from, &|| {
        spool(store)
    })?))
}

/// A temporary file that never has a name: it is gone with its last descriptor, whatever happens.
fn spool(store: &Store) -> Result<File, StoreError> {
    let dir = store.root().join("tmp");
    tempfile::tempfile_in(&dir).map_err(|error| StoreError::from_io("make a file in", &dir, error))
}

fn from_container(container: Container) -> Result<Box<dyn ImageSource>, ImageError> {
    // Docker 25 and later write both; the OCI documents say more. `oci-layout` alone could be a stray file.
    if container.has("oci-layout")? && container.has("index.json")? {
        return Ok(Box::new(oci::OciSource::new(container)?));
    }
    if container.has("manifest.json")? {
        return Ok(Box::new(docker::DockerSource::new(container)?));
    }
    let what = if container.has("repositories")? {
        "it is a Docker archive of before 2015 (without `manifest.json`); save it again with a newer Docker"
    } else {
        "it has neither `oci-layout` and `index.json` nor `manifest.json`"
    };
    Err(ImageError::NotAnImage {
        path: container.path().to_owned(),
        detail: what.to_owned(),
    })
}

fn is_called(entry: &SourceEntry, wanted: &str) -> bool {
    let mut names = entry.names.iter();
    entry.digest.is_some_and(|digest| digest.to_string() == wanted)
        || names.any(|name| name == wanted || tag_of(name) == Some(wanted))
}

fn all_names(entries: &[SourceEntry]) -> String {
    let names = entries.iter().flat_map(|entry| &entry.names);
    let mut names: Vec<&str> = names.map(String::as_str).collect();
    names.sort_unstable();
    names.dedup();
    match names.is_empty() {
        true => "no names".to_owned(),
        false => names.join(", "),
    }
}

/// Which entry is meant by a name (`None`: the only one) on a machine.
///
/// A name fits an entry that has it whole, as its tag (`latest` for `app:latest`), or as its digest. A single image is
/// chosen for any machine.
pub fn choose(
    source: &dyn ImageSource,
    wanted: Option<&str>,
    machine: &ImagePlatform,
) -> Result<usize, ImageError> {
    let entries = source.entries();
    let named: Vec<usize> = (0..entries.len())
        .filter(|&at| wanted.is_none_or(|wanted| is_called(&entries[at], wanted)))
        .collect();
    let not_chosen = |detail: String| ImageError::NotChosen {
        path: source.path().to_owned(),
        detail,
    };
    if named.is_empty() {
        return Err(not_chosen(match wanted {
            Some(wanted) => format!("has no image `{wanted}`; it has {}", all_names(entries)),
            None => "holds no image".to_owned(),
        }));
    }
    let distance = |at: usize| match &entries[at].platform {
        Some(platform) => machine.distance(platform),
        None => Some(u32::MAX),
    };
    let best = named.iter().filter_map(|&at| distance(at)).min();
    let mut chosen = named
        .iter()
        .copied()
        .filter(|&at| distance(at).is_some() && distance(at) == best);
    let Some(first) = chosen.next() else {
        // The only image there is, is meant; whether its platform will do is for the caller to say.
        if named
            .iter()
            .all(|&at| entries[at].digest.is_some() && entries[at].digest == entries[named[0]].digest)
        {
            return Ok(named[0]);
        }
        let platforms: Vec<String> = named
            .iter()
            .filter_map(|&at| entries[at].platform.as_ref())
            .map(ImagePlatform::to_string)
            .collect();
        return Err(not_chosen(format!(
            "has no image for {machine}, only for {}",
            platforms.join(", ")
        )));
    };
    let equal =
        |other: usize| entries[other].digest == entries[first].digest && entries[other].digest.is_some();
    let others: Vec<usize> = chosen.filter(|&other| !equal(other)).collect();
    if others.is_empty() {
        return Ok(first);
    }
    // A name that all of them have chooses none.
    let names_tell = others
        .iter()
        .any(|&other| entries[other].names != entries[first].names);
    let digests = || {
        let all = std::iter::once(first).chain(others.iter().copied());
        let digests = all.filter_map(|at| entries[at].digest.map(|digest| digest.to_string()));
        digests.collect::<Vec<_>>().join(", ")
    };
    Err(not_chosen(match names_tell {
        true => format!("holds several images, name one of: {}", all_names(entries)),
        false => format!(
            "holds several images of one name and does not say which is for {machine}, name one by its digest: {}",
            digests()
        ),
    }))
}

fn tag_of(name: &str) -> Option<&str> {
    let (_, tag) = name.rsplit_once(':')?;
    (!tag.contains('/')).then_some(tag)
}

/// The blobs of an image that are in the store now.
#[derive(Clone, Debug, PartialEq)]
pub struct Ingested {
    /// The manifest's blob.
    pub manifest: Option<Descriptor>,
    /// The layers, for the [`ImageRecord`](crate::image::ImageRecord).
    pub layers: Vec<ImageLayer>,
}

/// Copies the manifest, the config and the layers of an image into the store, verifying digests and sizes.
///
/// The diff ids of compressed layers are verified when they are unpacked. `_pin` keeps the new blobs from the
/// garbage collector; hold it until the image record is written.
pub fn ingest(
    store: &Store,
    source: &dyn ImageSource,
    image: &SourceImage,
    _pin: &BlobPin,
) -> Result<Ingested, ImageError> {
    let blobs = store.blobs();
    let mut layers = Vec::new();
    for layer in &image.layers {
        let known = match layer.digest {
            Some(digest) if blobs.size(&digest)? == Some(layer.size) => Some(digest),
            _ => None,
        };
        let digest = match known {
            Some(digest) => digest,
            None => {
                let expect = Expect {
                    digest: layer.digest,
                    size: Some(layer.size),
                };
                let mut reader = source.open_layer(layer)?;
                blobs.put(expect, &mut *reader).map_err(unwrap_carried)?.digest
            }
        };
        let descriptor = layer
            .descriptor
            .clone()
            .unwrap_or_else(|| Descriptor::new(&layer.media_type, digest, layer.size));
        layers.push(ImageLayer {
            diff_id: layer.diff_id,
            source: LayerSource::Blob(Box::new(descriptor)),
        });
    }
    blobs.put_bytes(&image.config)?;
    let manifest = match &image.manifest {
        Some((descriptor, bytes)) => {
            blobs.put_bytes(bytes)?;
            Some(Descriptor::new(
                &descriptor.media_type,
                descriptor.digest,
                descriptor.size,
            ))
        }
        None => None,
    };
    Ok(Ingested { manifest, layers })
}

/// An error of the source that travelled through [`Blobs::put`](crate::blob::Blobs::put) as an I/O error.
fn unwrap_carried(error: StoreError) -> ImageError {
    match error {
        StoreError::Io { action, path, source } => match source.downcast::<StoreError>() {
            Ok(inner) => ImageError::Store(inner),
            Err(source) => ImageError::Store(StoreError::Io { action, path, source }),
        },
        other => ImageError::Store(other),
    }
}

#[cfg(test)]
mod tests;
