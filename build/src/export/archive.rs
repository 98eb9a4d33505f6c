//! OCI layouts and docker archives of images in the store.

use super::destination::{Interruptible, unwritten, write_to};
use crate::error::{Error, ExportError};
use crate::request::{Destination, LayerCompression};
use rbuild_layer::DEFAULT_ZSTD_LEVEL;
use rbuild_oci::MediaTypes;
use rbuild_store::Store;
use rbuild_store::image::export::{
    Compression, ExportImage, ExportLayer, ExportList, ExportOptions, ExportSet, LayerData, PreparedSet,
    write_docker_archive, write_oci_archive, write_oci_dir,
};
use rbuild_store::image::{ImageList, ImageRecord, LayerSource};
use rbuild_store::lock::BlobPin;
use rbuild_store::snapshot::{Check, SnapshotStore};
use std::collections::BTreeMap;
use std::io::{self, Write};
use std::sync::Arc;

/// What goes out under its names: an image, or several that an index lists.
#[derive(Debug, Clone)]
pub struct Outgoing<'a> {
    /// Full names.
    pub names: Vec<String>,
    /// The images, in the order of the list.
    pub images: Vec<&'a ImageRecord>,
    /// What the index says of them; without one there is one image.
    pub list: Option<&'a ImageList>,
    /// Annotations of what points to the index.
    pub descriptor: BTreeMap<String, String>,
}

impl<'a> Outgoing<'a> {
    /// An image alone.
    #[must_use]
    pub fn image(image: &'a ImageRecord, names: Vec<String>) -> Self {
        Self {
            names,
            images: vec![image],
            list: None,
            descriptor: BTreeMap::new(),
        }
    }
}

/// Calls `work` with the images in their outgoing form. Layers that were built here are read from their snapshots,
/// so this must run inside the user namespace.
///
/// # Errors
/// Those of `work`, or a snapshot is gone.
pub fn with_export<T>(
    store: &Store,
    what: &[Outgoing<'_>],
    work: impl FnOnce(ExportSet<'_>, &BlobPin) -> Result<T, Error>,
) -> Result<T, Error> {
    let pin = store.locks().pin_blobs()?;
    let snapshots = Arc::new(SnapshotStore::new(store.clone()));
    type Program = Box<dyn Fn(&mut dyn Write) -> io::Result<()> + Sync>;
    let mut programs: Vec<Vec<Option<Program>>> = Vec::new();
    let mut images: Vec<(&ImageRecord, Vec<String>)> = Vec::new();
    let mut lists = Vec::new();
    for outgoing in what {
        let names = match outgoing.list {
            None => outgoing.names.clone(),
            Some(list) => {
                lists.push(ExportList {
                    names: outgoing.names.clone(),
                    list,
                    first: images.len(),
                    descriptor: outgoing.descriptor.clone(),
                });
                Vec::new()
            }
        };
        images.extend(outgoing.images.iter().map(|image| (*image, names.clone())));
    }
    for (record, _) in &images {
        let mut list = Vec::new();
        for layer in &record.layers {
            list.push(match &layer.source {
                LayerSource::Blob(_) => None,
                LayerSource::Snapshot { id, epoch, depth, .. } => {
                    let snapshot = snapshots.get(id, Check::Now)?.ok_or(ExportError::SnapshotGone {
                        snapshot: *id,
                        image: record.id,
                    })?;
                    let (epoch, depth) = (*epoch, *depth);
                    let snapshots = Arc::clone(&snapshots);
                    let program: Program = Box::new(move |out| {
                        let out = Interruptible(out, snapshots.store().stop());
                        let packed = match depth {
                            1 => snapshots.pack(&snapshot, epoch, out),
                            _ => snapshots.pack_squashed(&snapshot, depth, epoch, out),
                        };
                        packed.map(|_| ()).map_err(io::Error::other)
                    });
                    Some(program)
                }
            });
        }
        programs.push(list);
    }
    let outgoing: Vec<ExportImage<'_>> = images
        .iter()
        .zip(&programs)
        .map(|((record, names), programs)| ExportImage {
            config: record.config.as_bytes(),
            layers: record
                .layers
                .iter()
                .zip(programs)
                .map(|(layer, program)| ExportLayer {
                    diff_id: layer.diff_id,
                    data: match (&layer.source, program) {
                        (LayerSource::Snapshot { size, .. }, Some(program)) => LayerData::Tar {
                            size: *size,
                            write: program.as_ref(),
                        },
                        (LayerSource::Blob(descriptor), _) => LayerData::Blob(descriptor.as_ref()),
                        (LayerSource::Snapshot { .. }, None) => unreachable_program(),
                    },
                })
                .collect(),
            names: names.clone(),
            annotations: record.annotations.clone(),
            original: record.manifest.clone(),
        })
        .collect();
    let set = ExportSet {
        images: &outgoing,
        lists: &lists,
    };
    work(set, &pin)
}

/// Every snapshot layer got its program in the loop above; an empty one is never read.
fn unreachable_program<'a>() -> LayerData<'a> {
    LayerData::Tar {
        size: 0,
        write: &|_| Err(io::Error::other("internal error: a layer has no program")),
    }
}

/// Options of an export.
#[must_use]
pub fn options(compression: LayerCompression, docker_format: bool) -> ExportOptions {
    let defaults = ExportOptions::default();
    ExportOptions {
        compression: match compression {
            LayerCompression::None => Compression::None,
            LayerCompression::Gzip(None) => defaults.compression,
            LayerCompression::Gzip(Some(level)) => Compression::Gzip { level },
            LayerCompression::Zstd(level) => Compression::Zstd {
                level: level.filter(|level| *level > 0).unwrap_or(DEFAULT_ZSTD_LEVEL),
            },
        },
        media_types: if docker_format {
            MediaTypes::Docker
        } else {
            MediaTypes::Oci
        },
        ..defaults
    }
}

/// Writes an OCI layout: an archive, or a directory. Returns what was written of each image.
///
/// # Errors
/// The destination cannot be written, or a layer cannot be read.
pub fn oci(
    store: &Store,
    what: &[Outgoing<'_>],
    dest: &Destination,
    tar: bool,
    options: &ExportOptions,
) -> Result<PreparedSet, Error> {
    with_export(store, what, |outgoing, pin| match dest {
        Destination::Path(path) if !tar => {
            #[expect(clippy::disallowed_methods, reason = "the caller names this path")]
            std::fs::create_dir_all(path).map_err(|source| ExportError::Create {
                path: path.clone(),
                source,
            })?;
            write_oci_dir(store, outgoing, options, path, pin)
                .map_err(|error| unwritten(&format!("`{}`", path.display()), error))
        }
        _ => write_to(dest, store.stop(), |name, out| {
            write_oci_archive(store, outgoing, options, name, out, pin)
                .map_err(|error| unwritten(name, error))
        }),
    })
}

/// Writes an archive for `docker load`.
///
/// # Errors
/// As [`oci`].
pub fn docker_archive(
    store: &Store,
    what: &[Outgoing<'_>],
    dest: &Destination,
    options: &ExportOptions,
) -> Result<(), Error> {
    // Only the layout knows images for several platforms; who reads the one reads the other's `manifest.json`.
    if what.iter().any(|outgoing| outgoing.list.is_some()) {
        return oci(store, what, dest, true, options).map(|_| ());
    }
    with_export(store, what, |outgoing, pin| {
        write_to(dest, store.stop(), |name, out| {
            write_docker_archive(store, outgoing.images, options, name, out, pin)
                .map(|_| ())
                .map_err(|error| unwritten(name, error))
        })
    })
}
