//! Removing. The order is: references first, then what they led to.

mod beside;

use std::collections::{BTreeMap, BTreeSet};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use rbuild_layer::SnapshotId;
use rbuild_oci::{DiffId, Digest};

use crate::error::StoreError;
use crate::file_lock::{Lock, Mode};
use crate::gc::mark::{Graph, RecordNode, image_blobs, made_layers, modified, size};
use crate::gc::usage::measure;
use crate::gc::{Kind, PruneOptions, Pruned, Removed};
use crate::image::ImageRecord;
use crate::image::export::parse_index;
use crate::lease::Collection;
use crate::memo::file_system_now;
use crate::remove::remove_tree;
use crate::small_file::{list_dir, read_if_there, remove_if_there};
use crate::snapshot::packed_snapshot;
use crate::store::Store;
use crate::tmp::TmpDir;

pub(super) fn prune(store: &Store, options: &PruneOptions, now: i64) -> Result<Pruned, StoreError> {
    let mut sweep = Sweep {
        store,
        options,
        now,
        leases: Collection::begin(store.root())?,
        trash: None,
        serial: 0,
        pruned: Pruned::default(),
    };
    // Held from before anything is looked at until the last blob is gone.
    let pin = Lock::try_take(&store.locks().blob_pin_path(), Mode::Exclusive)?;
    let mut graph = Graph::read(store)?;
    if options.keep_bytes.is_some() {
        measure(store, &mut graph);
    }

    let images = sweep.images(&graph, pin.is_some())?;
    let records = sweep.records(&graph, &images)?;
    let mut needed = graph.image_snapshots(images.iter().copied());
    graph.follow_containers(&mut needed);
    for record in &records {
        if let Some(id) = record.snapshot {
            graph.follow(id, &mut needed);
        }
    }
    sweep.snapshots(&graph, needed)?;
    sweep.flattened()?;
    sweep.trees(&records)?;
    if pin.is_some() {
        sweep.blobs(&images)?;
    } else {
        sweep
            .pruned
            .in_use
            .push("blobs (an image is being loaded, pulled or exported)".to_owned());
    }
    drop(pin);
    if options.cache_mounts {
        sweep.cache_mounts()?;
    }
    sweep.memos()?;
    sweep.stubs()?;
    sweep.lock_files()?;
    if !options.dry_run {
        store
            .builds()
            .retain(crate::buildlog::KEEP_BUILDS, crate::buildlog::KEEP_LOG_BYTES)?;
        sweep.empty_trash();
        let swept = store.sweep_tmp()?;
        sweep.pruned.failed.extend(swept.failed);
    }
    Ok(sweep.pruned)
}

/// How far ahead a time is that cannot be of now, in nanoseconds: some file systems stamp with a finer clock than ours.
const AHEAD: i64 = 60_000_000_000;
/// The time of what could not be looked at.
const UNKNOWN: i64 = i64::MAX;

struct Sweep<'a> {
    store: &'a Store,
    options: &'a PruneOptions,
    now: i64,
    leases: Collection,
    trash: Option<TmpDir>,
    serial: u64,
    pruned: Pruned,
}

impl<'a> Sweep<'a> {
    /// Whether something last used at `used` may go. A time that is still to come was stamped while the clock was wrong, and
    /// says nothing of when that was.
    fn is_old(&self, used: i64) -> bool {
        let before = used < self.now || (used > file_system_now() + AHEAD && used != UNKNOWN);
        before && self.options.unused_since.is_none_or(|since| used < since)
    }

    fn note(&mut self, kind: Kind, name: String, bytes: u64) {
        self.pruned.removed.push(Removed { kind, name, bytes });
    }

    fn remove_file(&mut self, path: &Path) -> Result<(), StoreError> {
        if !self.options.dry_run {
            remove_if_there(path)?;
        }
        Ok(())
    }

    /// A place for something that is moved out of sight; it is emptied at the end.
    fn trash(&mut self) -> Result<PathBuf, StoreError> {
        let trash = match &self.trash {
            Some(trash) => trash,
            None => self.trash.insert(self.store.tmp_dir()?),
        };
        self.serial += 1;
        Ok(trash.path().join(self.serial.to_string()))
    }

    fn empty_trash(&mut self) {
        if let Some(trash) = self.trash.take()
            && let Err(error) = remove_tree(trash.path())
        {
            self.pruned
                .failed
                .push((trash.path().to_owned(), error.to_string()));
        }
    }

    /// Removes images without a name. Returns those that stay.
    fn images<'g>(&mut self, graph: &'g Graph, alone: bool) -> Result<Vec<&'g ImageRecord>, StoreError> {
        let _lock = self.store.locks().images()?;
        // Under the lock nobody adds a name, so what is listed now is what counts.
        let tagged: BTreeSet<Digest> = self
            .store
            .images()
            .tags()?
            .into_iter()
            .flat_map(|tag| tag.images().collect::<Vec<_>>())
            .collect();
        let mut kept = Vec::new();
        for (image, written) in &graph.images {
            let path = self
                .store
                .path("images")
                .join(format!("{}.json", image.id.to_hex()));
            let is_used = tagged.contains(&image.id) || graph.has_container(&image.id);
            if !alone || is_used || !self.is_old(*written) {
                kept.push(image);
                continue;
            }
            let bytes = size(&path);
            self.remove_file(&path)?;
            self.note(Kind::Image, image.id.to_string(), bytes);
        }
        Ok(kept)
    }

    /// Removes cache records. Returns those that stay.
    fn records<'g>(
        &mut self,
        graph: &'g Graph,
        images: &[&ImageRecord],
    ) -> Result<Vec<&'g RecordNode>, StoreError> {
        for key in &graph.bad_records {
            self.remove_file(&self.store.records().path(key))?;
        }
        let mut newest_first: Vec<&RecordNode> = graph.records.iter().collect();
        newest_first.sort_by_key(|record| std::cmp::Reverse(record.used));
        let mut budget = match self.options.keep_bytes {
            None => None,
            Some(keep) => Some(keep.saturating_sub(self.fixed_bytes(graph, images)?)),
        };
        let mut counted = graph.image_snapshots(images.iter().copied());
        let mut kept = Vec::new();
        for record in newest_first {
            let dangling = record
                .snapshot
                .is_some_and(|id| !graph.snapshots.contains_key(&id));
            let is_old = self.is_old(record.used);
            let evict = (self.options.all || dangling) && is_old;
            let room = budget.map(|budget| budget.saturating_sub(record.bytes));
            let (new, bytes) = match (record.snapshot, room) {
                (Some(id), Some(room)) if !evict => {
                    graph.beyond(id, &counted, if is_old { room } else { u64::MAX })
                }
                _ => Default::default(),
            };
            let over = room.is_some_and(|room| bytes > room) && is_old;
            if !evict && !over {
                counted.extend(new);
                budget = room.map(|room| room.saturating_sub(bytes));
                kept.push(record);
                continue;
            }
            let path = self.store.records().path(&record.key);
            // Written or used again since it was listed: then it stays.
            if modified(&path).is_some_and(|used| used != record.used) {
                kept.push(record);
                continue;
            }
            self.remove_file(&path)?;
            self.note(Kind::BuildCache, record.op.clone(), record.bytes);
        }
        Ok(kept)
    }

    /// Bytes that no eviction of cache records frees.
    fn fixed_bytes(&self, graph: &Graph, images: &[&ImageRecord]) -> Result<u64, StoreError> {
        let snapshots = graph.image_snapshots(images.iter().copied());
        let snapshots: u64 = snapshots
            .iter()
            .filter_map(|id| graph.snapshots.get(id))
            .map(|node| node.bytes)
            .sum();
        let blobs: BTreeSet<Digest> = images.iter().flat_map(|image| image_blobs(image)).collect();
        let mut bytes = snapshots;
        for digest in blobs {
            bytes += self.store.blobs().size(&digest)?.unwrap_or(0);
        }
        Ok(bytes)
    }

    /// Removes snapshots that are not needed, children before parents.
    fn snapshots(&mut self, graph: &Graph, mut needed: BTreeSet<SnapshotId>) -> Result<(), StoreError> {
        let mut index = None;
        for id in graph.children_first() {
            if needed.contains(&id) {
                continue;
            }
            let path = self.store.snapshots_dir().join(id.to_string());
            let removed = if self.options.dry_run {
                self.leases.unless_used(id.as_bytes(), || Ok(true))
            } else {
                let trash = self.trash()?;
                let index = match &index {
                    Some(index) => index,
                    None => index.insert(index_entries(self.store)?),
                };
                self.leases
                    .unless_used(id.as_bytes(), || move_away(&path, &trash, index.get(&id)))
            };
            match removed {
                Ok(Some(true)) => {
                    let bytes = graph.snapshots.get(&id).map_or(0, |node| node.bytes);
                    self.note(Kind::BuildCache, format!("snapshot {id}"), bytes);
                    continue;
                }
                // Another collector was faster.
                Ok(Some(false)) => continue,
                Ok(None) => self.pruned.in_use.push(format!("snapshot {id}")),
                Err(error) => self.pruned.failed.push((path, error.to_string())),
            }
            graph.follow(id, &mut needed);
        }
        self.indexes()
    }

    /// Entries of `content/` and `diffids/` whose snapshot is gone, unless somebody is about to commit it again.
    fn indexes(&mut self) -> Result<(), StoreError> {
        if self.options.dry_run {
            return Ok(());
        }
        for (id, paths) in index_entries(self.store)? {
            let home = self.store.snapshots_dir().join(id.to_hex());
            if home.exists() {
                continue;
            }
            self.leases.unless_used(id.as_bytes(), || {
                if !home.exists() {
                    for path in paths {
                        remove_if_there(&path)?;
                    }
                }
                Ok(())
            })?;
        }
        Ok(())
    }

    /// Stored lists that no record refers to.
    fn trees(&mut self, records: &[&RecordNode]) -> Result<(), StoreError> {
        let needed: BTreeSet<Digest> = records
            .iter()
            .flat_map(|record| record.trees.iter().copied())
            .collect();
        for name in list_dir(&self.store.path("records/trees"))? {
            let Ok(digest) = Digest::from_hex(&name) else {
                continue;
            };
            if needed.contains(&digest) {
                continue;
            }
            let path = self.store.records().tree_path(&digest);
            let bytes = size(&path);
            let dry_run = self.options.dry_run;
            // The list is written, under a lease, before its record.
            let removed = self.leases.unless_used(digest.as_bytes(), || match dry_run {
                true => Ok(true),
                false => remove_if_there(&path),
            })?;
            if removed == Some(true) {
                self.note(Kind::BuildCache, format!("file list {digest}"), bytes);
            }
        }
        Ok(())
    }

    /// Blobs that no image needs. The caller holds the blob lock alone.
    fn blobs(&mut self, images: &[&ImageRecord]) -> Result<(), StoreError> {
        let mut needed: BTreeSet<Digest> = images.iter().flat_map(|image| image_blobs(image)).collect();
        let made: BTreeSet<DiffId> = images.iter().flat_map(|image| made_layers(image)).collect();
        let dir = self.store.compressed_dir();
        let mut compressed = BTreeSet::new();
        for name in list_dir(&dir)? {
            let path = dir.join(&name);
            let blob = read_if_there(&path)?.and_then(|bytes| parse_index(&bytes));
            let Some(blob) = blob else {
                self.remove_file(&path)?;
                continue;
            };
            compressed.insert(blob.digest);
            let diff_id = name.split('-').next().and_then(|hex| DiffId::from_hex(hex).ok());
            let wanted = diff_id.is_some_and(|id| made.contains(&id)) && !self.options.all;
            let recent = modified(&path).is_none_or(|used| !self.is_old(used));
            if wanted || recent {
                needed.insert(blob.digest);
            } else {
                self.remove_file(&path)?;
            }
        }
        for digest in self.store.blobs().list()? {
            if needed.contains(&digest) {
                continue;
            }
            let path = self.store.blobs().path(&digest);
            let bytes = size(&path);
            self.remove_file(&path)?;
            let kind = if compressed.contains(&digest) {
                Kind::CompressedLayer
            } else {
                Kind::Leftover
            };
            self.note(kind, digest.to_string(), bytes);
        }
        Ok(())
    }
}

/// The entries of `content/` and `diffids/` by the snapshot that they are about.
fn index_entries(store: &Store) -> Result<BTreeMap<SnapshotId, Vec<PathBuf>>, StoreError> {
    let mut entries: BTreeMap<SnapshotId, Vec<PathBuf>> = BTreeMap::new();
    let content = store.content_dir();
    for name in list_dir(&content)? {
        let path = content.join(name);
        let text = read_if_there(&path)?.and_then(|bytes| String::from_utf8(bytes).ok());
        if let Some(id) = text.and_then(|text| SnapshotId::from_hex(text.trim()).ok()) {
            entries.entry(id).or_default().push(path);
        }
    }
    let diffids = store.diffids_dir();
    for name in list_dir(&diffids)? {
        if let Some(id) = packed_snapshot(&name) {
            entries.entry(id).or_default().push(diffids.join(name));
        }
    }
    Ok(entries)
}

/// Moves a directory away, and before that what is about it out of the indexes; false: it is not there.
fn move_away(path: &Path, to: &Path, about: Option<&Vec<PathBuf>>) -> Result<bool, StoreError> {
    for path in about.into_iter().flatten() {
        remove_if_there(path)?;
    }
    match std::fs::rename(path, to) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        other => other
            .map(|()| true)
            .map_err(|error| StoreError::from_io("move away", path, error)),
    }
}
