//! How much space what takes.

use std::collections::{BTreeSet, HashSet};
use std::path::Path;

use rbuild_layer::SnapshotId;
use rbuild_oci::Digest;

use crate::disk_usage::{disk_usage, measured};
use crate::error::StoreError;
use crate::gc::mark::{Graph, image_blobs, size};
use crate::gc::{Kind, Usage};
use crate::image::ImageRecord;
use crate::image::export::parse_index;
use crate::lease;
use crate::small_file::{list_dir, read_if_there};
use crate::store::Store;

pub(super) fn usage(store: &Store) -> Result<Vec<Usage>, StoreError> {
    let mut graph = Graph::read(store)?;
    let mut counted = measure(store, &mut graph);
    let account = Account::new(store, &graph)?;
    Ok(vec![
        account.images(),
        account.build_cache(&mut counted)?,
        account.compressed_layers(),
        cache_mounts(store)?,
        containers(store)?,
        Usage {
            kind: Kind::BuildLog,
            count: store.builds().numbers()?.len(),
            bytes: disk_usage(&store.path("logs")) + disk_usage(&store.path("builds")),
            reclaimable: 0,
        },
        account.leftovers()?,
    ])
}

/// Writable layers and logs. What none runs in could go.
fn containers(store: &Store) -> Result<Usage, StoreError> {
    let mut usage = Usage {
        kind: Kind::Container,
        count: 0,
        bytes: 0,
        reclaimable: 0,
    };
    for id in store.containers().ids()? {
        let dir = store.containers().dir(&id);
        let bytes = disk_usage(dir.path());
        usage.count += 1;
        usage.bytes += bytes;
        if !dir.is_alive()? {
            usage.reclaimable += bytes;
        }
    }
    Ok(usage)
}

/// What is whose, so that nothing counts twice: what images are made of is theirs, then the cache has what is its own.
struct Account<'a> {
    store: &'a Store,
    graph: &'a Graph,
    image_snapshots: BTreeSet<SnapshotId>,
    image_blobs: BTreeSet<Digest>,
    /// Of records, those of images among them.
    cached: BTreeSet<SnapshotId>,
    /// Blobs that were compressed for an export, and are no image's.
    compressed: BTreeSet<Digest>,
    leased: HashSet<[u8; 32]>,
}

impl<'a> Account<'a> {
    fn new(store: &'a Store, graph: &'a Graph) -> Result<Self, StoreError> {
        let images = || graph.images.iter().map(|(image, _)| image);
        let image_blobs: BTreeSet<Digest> = images().flat_map(image_blobs).collect();
        let mut cached = BTreeSet::new();
        for id in graph.records.iter().filter_map(|record| record.snapshot) {
            graph.follow(id, &mut cached);
        }
        let compressed = compressed_blobs(store)?;
        Ok(Self {
            store,
            graph,
            image_snapshots: graph.image_snapshots(images()),
            cached,
            compressed: compressed.difference(&image_blobs).copied().collect(),
            image_blobs,
            leased: lease::used(store.root())?,
        })
    }

    fn bytes_of<'i>(&self, ids: impl IntoIterator<Item = &'i SnapshotId>) -> u64 {
        let nodes = ids.into_iter().filter_map(|id| self.graph.snapshots.get(id));
        nodes.map(|node| node.bytes).sum()
    }

    fn blob_bytes<'i>(&self, blobs: impl IntoIterator<Item = &'i Digest>) -> u64 {
        let paths = blobs.into_iter().map(|digest| self.store.blobs().path(digest));
        paths.map(|path| size(&path)).sum()
    }

    /// Bytes of those that are in use, and of what is below them.
    fn held(&self, ids: &BTreeSet<SnapshotId>) -> u64 {
        let mut kept = BTreeSet::new();
        ids.iter()
            .filter(|id| self.leased.contains(id.as_bytes()))
            .map(|id| self.graph.follow(*id, &mut kept))
            .sum()
    }

    fn images(&self) -> Usage {
        let tagged = &self.graph.tagged;
        let all = self.graph.images.iter().map(|(image, _)| image);
        let named: Vec<&ImageRecord> = all
            .filter(|image| tagged.contains(&image.id) || self.graph.has_container(&image.id))
            .collect();
        let named_snapshots = self.graph.image_snapshots(named.iter().copied());
        let named_blobs: BTreeSet<Digest> = named.iter().flat_map(|image| image_blobs(image)).collect();
        let bytes = self.bytes_of(&self.image_snapshots) + self.blob_bytes(&self.image_blobs);
        Usage {
            kind: Kind::Image,
            count: self.graph.images.len(),
            bytes,
            // Blobs come and go meanwhile.
            reclaimable: bytes
                .saturating_sub(self.bytes_of(&named_snapshots) + self.blob_bytes(&named_blobs)),
        }
    }

    fn build_cache(&self, counted: &mut BTreeSet<(u64, u64)>) -> Result<Usage, StoreError> {
        let only_cached: BTreeSet<SnapshotId> =
            self.cached.difference(&self.image_snapshots).copied().collect();
        let (_, trees) = flat_bytes(&self.store.path("records/trees"))?;
        let (_, memos) = flat_bytes(&self.store.memo_dir())?;
        let records: u64 = self.graph.records.iter().map(|record| record.bytes).sum();
        // The files that are in them count where they were.
        let flattened = measured(&self.store.path("flattened"), counted).unwrap_or(0);
        let bytes = records + trees + memos + flattened + self.bytes_of(&only_cached);
        Ok(Usage {
            kind: Kind::BuildCache,
            count: self.graph.records.len(),
            bytes,
            reclaimable: bytes.saturating_sub(self.held(&only_cached)),
        })
    }

    fn compressed_layers(&self) -> Usage {
        let bytes = self.blob_bytes(&self.compressed);
        Usage {
            kind: Kind::CompressedLayer,
            count: self.compressed.len(),
            bytes,
            reclaimable: bytes,
        }
    }

    /// What belongs to nothing.
    fn leftovers(&self) -> Result<Usage, StoreError> {
        let mut blobs = self.store.blobs().list()?;
        blobs.retain(|digest| !self.image_blobs.contains(digest) && !self.compressed.contains(digest));
        let is_reached = |id: &SnapshotId| self.image_snapshots.contains(id) || self.cached.contains(id);
        let all = self.graph.snapshots.keys();
        let unreached: BTreeSet<SnapshotId> = all.filter(|id| !is_reached(id)).copied().collect();
        let (tmp_count, tmp_bytes) = leftovers(self.store)?;
        let bytes = self.blob_bytes(&blobs) + self.bytes_of(&unreached) + tmp_bytes;
        Ok(Usage {
            kind: Kind::Leftover,
            count: blobs.len() + unreached.len() + tmp_count,
            bytes,
            reclaimable: bytes.saturating_sub(self.held(&unreached)),
        })
    }
}

fn cache_mounts(store: &Store) -> Result<Usage, StoreError> {
    let mounts = store.cache_mounts()?;
    let copies = mounts
        .iter()
        .flat_map(|mount| mount.copies.iter().map(|copy| (&mount.hash, *copy)));
    let bytes = copies
        .map(|(hash, copy)| disk_usage(&store.cache_mount_dir(hash, copy)))
        .sum();
    Ok(Usage {
        kind: Kind::CacheMount,
        count: mounts.len(),
        bytes,
        // Whether a step has one now is not asked: asking takes the lock for a moment, and a step that looks for a free
        // copy would then take another one.
        reclaimable: bytes,
    })
}

/// Puts blocks on disk in place of the sums of file sizes. A file that several snapshots share counts once, in an
/// image's snapshot if there is one. Where directories cannot be read (files of subordinate ids, seen from outside
/// of the user namespace) the sum stays. The answer is the inodes that were counted.
pub(super) fn measure(store: &Store, graph: &mut Graph) -> BTreeSet<(u64, u64)> {
    let images = graph.image_snapshots(graph.images.iter().map(|(image, _)| image));
    let mut order: Vec<SnapshotId> = graph.snapshots.keys().copied().collect();
    order.sort_by_key(|id| !images.contains(id));
    let mut seen = BTreeSet::new();
    for id in order {
        let path = store.snapshots_dir().join(id.to_string());
        if let (Some(bytes), Some(node)) = (measured(&path, &mut seen), graph.snapshots.get_mut(&id)) {
            node.bytes = bytes;
        }
    }
    seen
}

fn compressed_blobs(store: &Store) -> Result<BTreeSet<Digest>, StoreError> {
    let dir = store.compressed_dir();
    let mut digests = BTreeSet::new();
    for name in list_dir(&dir)? {
        let blob = read_if_there(&dir.join(name))?.and_then(|bytes| parse_index(&bytes));
        digests.extend(blob.map(|blob| blob.digest));
    }
    Ok(digests)
}

/// Files directly in a directory, and their bytes.
fn flat_bytes(dir: &Path) -> Result<(usize, u64), StoreError> {
    let names = list_dir(dir)?;
    Ok((names.len(), names.iter().map(|name| size(&dir.join(name))).sum()))
}

/// Directories of dead processes under `tmp/`, and their bytes.
fn leftovers(store: &Store) -> Result<(usize, u64), StoreError> {
    let tmp = store.path("tmp");
    let mut count = 0;
    let mut bytes = 0;
    for name in list_dir(&tmp)? {
        let path = tmp.join(name);
        if let Ok(handle) = std::fs::File::open(&path)
            && handle.try_lock_shared().is_ok()
        {
            count += 1;
            bytes += disk_usage(&path);
        }
    }
    Ok((count, bytes))
}
