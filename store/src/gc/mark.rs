//! Reading what leads to what.

use std::collections::{BTreeMap, BTreeSet};
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use rbuild_layer::SnapshotId;
use rbuild_oci::{DiffId, Digest};

use crate::containers::Made;
use crate::error::StoreError;
use crate::image::{ImageRecord, LayerSource, Tag};
use crate::key::Key;
use crate::records::FieldValue;
use crate::small_file::{list_dir, read_if_there};
use crate::store::Store;

/// A snapshot on disk.
#[derive(Clone, Debug)]
pub(super) struct SnapshotNode {
    pub(super) parent: Option<SnapshotId>,
    pub(super) bytes: u64,
}

/// A cache record on disk.
#[derive(Clone, Debug)]
pub(super) struct RecordNode {
    pub(super) key: Key,
    pub(super) op: String,
    pub(super) snapshot: Option<SnapshotId>,
    pub(super) trees: Vec<Digest>,
    /// When it last was a hit, or was written, in nanoseconds since 1970.
    pub(super) used: i64,
    pub(super) bytes: u64,
}

/// Everything that leads somewhere.
#[derive(Debug, Default)]
pub(super) struct Graph {
    pub(super) snapshots: BTreeMap<SnapshotId, SnapshotNode>,
    pub(super) records: Vec<RecordNode>,
    /// Damaged records: misses already.
    pub(super) bad_records: Vec<Key>,
    pub(super) images: Vec<(ImageRecord, i64)>,
    /// Images that have a name.
    pub(super) tagged: BTreeSet<Digest>,
    /// What containers are made of, whether they run or not.
    pub(super) containers: Vec<Made>,
}

impl Graph {
    pub(super) fn read(store: &Store) -> Result<Graph, StoreError> {
        let mut graph = Graph::default();
        // Records before snapshots: a record that is written meanwhile may then lead to a snapshot that is not
        // listed, but no listed record to one that is missed.
        for key in store.records().keys()? {
            let path = store.records().path(&key);
            match store.records().read(&key, false)? {
                None => {}
                Some(Err(_)) => graph.bad_records.push(key),
                Some(Ok(record)) => {
                    let trees = record
                        .preimage
                        .fields
                        .iter()
                        .filter_map(|field| match &field.value {
                            FieldValue::Tree(tree) => Some(tree.digest),
                            FieldValue::Text(_) => None,
                        });
                    let Some(used) = last_modified(&path) else {
                        continue;
                    };
                    graph.records.push(RecordNode {
                        snapshot: record.output.snapshot,
                        trees: trees.collect(),
                        used,
                        bytes: size(&path),
                        op: record.op,
                        key,
                    });
                }
            }
        }
        for id in store.images().ids()? {
            match store.images().get(&id) {
                Ok(Some(record)) => {
                    let path = store.path("images").join(format!("{}.json", id.to_hex()));
                    let written = last_modified(&path);
                    graph.images.extend(written.map(|written| (record, written)));
                }
                Ok(None) => {}
                // A damaged record leads nowhere; `check` reports it.
                Err(error) if error.is_corruption() => {}
                // One that cannot be read now may lead to what would be removed.
                Err(error) => return Err(error),
            }
        }
        let tags = store.images().tags()?;
        graph.tagged = tags.iter().flat_map(Tag::images).collect();
        // Who makes one has a lease on its snapshot, and pins blobs, until it is there.
        graph.containers = store.containers().made()?;
        let root = store.snapshots_dir();
        for name in list_dir(&root)? {
            if let Ok(id) = SnapshotId::from_hex(&name) {
                let meta = read_meta(&root.join(&name).join("meta.json"))?;
                let node = SnapshotNode {
                    parent: meta.parent,
                    bytes: meta.bytes,
                };
                graph.snapshots.insert(id, node);
            }
        }
        Ok(graph)
    }

    /// Adds a snapshot and its parents to `into`; returns the bytes of those that were not in it.
    pub(super) fn follow(&self, from: SnapshotId, into: &mut BTreeSet<SnapshotId>) -> u64 {
        let (new, bytes) = self.beyond(from, into, u64::MAX);
        into.extend(new);
        bytes
    }

    /// A snapshot and its parents up to the first that is known, and their bytes; no further than it takes to be more
    /// than `enough`.
    pub(super) fn beyond(
        &self,
        from: SnapshotId,
        known: &BTreeSet<SnapshotId>,
        enough: u64,
    ) -> (BTreeSet<SnapshotId>, u64) {
        let (mut new, mut bytes) = (BTreeSet::new(), 0);
        let mut at = Some(from);
        while let Some(id) = at {
            let Some(node) = self.snapshots.get(&id) else {
                break;
            };
            // What is met twice is damaged and stands in a circle.
            if known.contains(&id) || !new.insert(id) {
                break;
            }
            bytes += node.bytes;
            at = node.parent.filter(|_| bytes <= enough);
        }
        (new, bytes)
    }

    /// All snapshots, each before its parent.
    pub(super) fn children_first(&self) -> Vec<SnapshotId> {
        let mut order = Vec::with_capacity(self.snapshots.len());
        let mut done = BTreeSet::new();
        for id in self.snapshots.keys() {
            // From the lowest that is not in the order yet up to this one.
            let mut chain = Vec::new();
            let mut at = Some(*id);
            while let Some(id) = at
                && let Some(node) = self.snapshots.get(&id)
                && done.insert(id)
            {
                chain.push(id);
                at = node.parent;
            }
            order.extend(chain.into_iter().rev());
        }
        order.reverse();
        order
    }

    /// Whether a container was made of this image.
    pub(super) fn has_container(&self, image: &Digest) -> bool {
        self.containers.iter().any(|container| container.image == *image)
    }

    /// Adds what containers stand on.
    pub(super) fn follow_containers(&self, into: &mut BTreeSet<SnapshotId>) {
        for id in self.containers.iter().filter_map(|container| container.snapshot) {
            self.follow(id, into);
        }
    }

    /// The snapshots that these images need.
    pub(super) fn image_snapshots<'i>(
        &self,
        images: impl IntoIterator<Item = &'i ImageRecord>,
    ) -> BTreeSet<SnapshotId> {
        let mut needed = BTreeSet::new();
        for image in images {
            for id in image.snapshots() {
                self.follow(*id, &mut needed);
            }
        }
        needed
    }
}

/// What of a snapshot's `meta.json` matters here.
#[derive(Default, serde::Deserialize)]
struct Meta {
    parent: Option<SnapshotId>,
    /// Sum of its files' sizes. Files that it shares with other snapshots count in each.
    bytes: u64,
}

/// A damaged file names no parent; then the snapshot is of no use, and neither are its parents through it.
fn read_meta(path: &Path) -> Result<Meta, StoreError> {
    let bytes = read_if_there(path)?.unwrap_or_default();
    Ok(serde_json::from_slice(&bytes).unwrap_or_default())
}

/// The blobs that an image needs: config, manifest, layers that cannot be made again.
pub(super) fn image_blobs(image: &ImageRecord) -> impl Iterator<Item = Digest> {
    std::iter::once(image.id).chain(image.blobs().map(|descriptor| descriptor.digest))
}

/// The layers of an image that were made here, whose compressed form is worth keeping.
pub(super) fn made_layers(image: &ImageRecord) -> impl Iterator<Item = DiffId> {
    image.layers.iter().filter_map(|layer| match layer.source {
        LayerSource::Snapshot { .. } => Some(layer.diff_id),
        LayerSource::Blob(_) => None,
    })
}

/// A file's time of last modification in nanoseconds since 1970.
pub(super) fn modified(path: &Path) -> Option<i64> {
    std::fs::symlink_metadata(path)
        .ok()
        .map(|metadata| nanoseconds(&metadata))
}

/// The same; `None`: it is gone since it was read. What cannot be looked at counts as new.
fn last_modified(path: &Path) -> Option<i64> {
    match std::fs::symlink_metadata(path) {
        Ok(metadata) => Some(nanoseconds(&metadata)),
        Err(error) if error.kind() == ErrorKind::NotFound => None,
        Err(_) => Some(i64::MAX),
    }
}

fn nanoseconds(metadata: &std::fs::Metadata) -> i64 {
    metadata
        .mtime()
        .saturating_mul(1_000_000_000)
        .saturating_add(metadata.mtime_nsec())
}

pub(super) fn size(path: &Path) -> u64 {
    std::fs::symlink_metadata(path).map_or(0, |metadata| metadata.len())
}
