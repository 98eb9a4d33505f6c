//! How much space what takes.

use std::collections::BTreeSet;
use std::ffi::CString;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;

use rbuild_layer::SnapshotId;
use rbuild_oci::Digest;
use rustix::fs::{AtFlags, CWD, Dir, FileType, Mode, OFlags};

use crate::error::StoreError;
use crate::gc::mark::{Graph, image_blobs, size};
use crate::gc::{Kind, Usage};
use crate::image::ImageRecord;
use crate::image::export::parse_index;
use crate::lease;
use crate::small_file::{list_dir, read_if_there};
use crate::store::Store;

/// Directories inside directories that are counted.
const MAX_DEPTH: usize = 256;

const DIRECTORY: OFlags = OFlags::RDONLY
    .union(OFlags::DIRECTORY)
    .union(OFlags::NOFOLLOW)
    .union(OFlags::CLOEXEC);

pub(super) fn usage(store: &Store) -> Result<Vec<Usage>, StoreError> {
    let mut graph = Graph::read(store)?;
    let mut counted = measure(store, &mut graph);
    let graph = graph;
    let bytes_of = |ids: &BTreeSet<SnapshotId>| -> u64 {
        ids.iter()
            .filter_map(|id| graph.snapshots.get(id))
            .map(|node| node.bytes)
            .sum()
    };
    let all: Vec<&ImageRecord> = graph.images.iter().map(|(image, _)| image).collect();
    let named: Vec<&ImageRecord> = all
        .iter()
        .copied()
        .filter(|image| graph.tagged.contains(&image.id))
        .collect();
    let all_snapshots = graph.image_snapshots(all.iter().copied());
    let named_snapshots = graph.image_snapshots(named.iter().copied());
    let all_blobs: BTreeSet<Digest> = all.iter().flat_map(|image| image_blobs(image)).collect();
    let named_blobs: BTreeSet<Digest> = named.iter().flat_map(|image| image_blobs(image)).collect();
    let blob_bytes = |blobs: &BTreeSet<Digest>| -> u64 {
        blobs.iter().map(|digest| size(&store.blobs().path(digest))).sum()
    };
    let image_bytes = bytes_of(&all_snapshots) + blob_bytes(&all_blobs);
    let images = Usage {
        kind: Kind::Image,
        count: all.len(),
        bytes: image_bytes,
        // Blobs come and go meanwhile.
        reclaimable: image_bytes.saturating_sub(bytes_of(&named_snapshots) + blob_bytes(&named_blobs)),
    };

    let mut cached = BTreeSet::new();
    for record in &graph.records {
        if let Some(id) = record.snapshot {
            graph.follow(id, &mut cached);
        }
    }
    let only_cached: BTreeSet<SnapshotId> = cached.difference(&all_snapshots).copied().collect();
    let trees = flat_bytes(&store.path("records/trees"))?;
    let memos = flat_bytes(&store.memo_dir())?;
    let records: u64 = graph.records.iter().map(|record| record.bytes).sum();
    // The files that are in them count where they were.
    let flattened = measured(&store.path("flattened"), &mut counted).unwrap_or(0);
    let cache_bytes = records + trees.1 + memos.1 + flattened + bytes_of(&only_cached);
    let leased = lease::used(store.root())?;
    let held = |ids: &BTreeSet<SnapshotId>| -> u64 {
        let mut kept = BTreeSet::new();
        ids.iter()
            .filter(|id| leased.contains(id.as_bytes()))
            .map(|id| graph.follow(*id, &mut kept))
            .sum()
    };
    let cache = Usage {
        kind: Kind::BuildCache,
        count: graph.records.len(),
        bytes: cache_bytes,
        reclaimable: cache_bytes.saturating_sub(held(&only_cached)),
    };

    let compressed = compressed_blobs(store)?;
    let compressed: BTreeSet<Digest> = compressed.difference(&all_blobs).copied().collect();
    let compressed_bytes = blob_bytes(&compressed);
    let other: BTreeSet<Digest> = store
        .blobs()
        .list()?
        .into_iter()
        .filter(|digest| !all_blobs.contains(digest) && !compressed.contains(digest))
        .collect();
    let unreached: BTreeSet<SnapshotId> = graph
        .snapshots
        .keys()
        .filter(|id| !all_snapshots.contains(id) && !cached.contains(id))
        .copied()
        .collect();
    let (tmp_count, tmp_bytes) = leftovers(store)?;
    let leftover = blob_bytes(&other) + bytes_of(&unreached) + tmp_bytes;

    let mut mounts = Usage {
        kind: Kind::CacheMount,
        count: 0,
        bytes: 0,
        reclaimable: 0,
    };
    for mount in store.cache_mounts()? {
        mounts.count += 1;
        for copy in mount.copies {
            let bytes = disk_usage(&store.cache_mount_dir(&mount.hash, copy));
            mounts.bytes += bytes;
            // Whether a step has it now is not asked: asking takes the lock for a moment, and a step that looks
            // for a free copy would then take another one.
            mounts.reclaimable += bytes;
        }
    }
    let builds = store.builds().numbers()?;
    let logs = disk_usage(&store.path("logs")) + disk_usage(&store.path("builds"));
    Ok(vec![
        images,
        cache,
        Usage {
            kind: Kind::CompressedLayer,
            count: compressed.len(),
            bytes: compressed_bytes,
            reclaimable: compressed_bytes,
        },
        mounts,
        Usage {
            kind: Kind::BuildLog,
            count: builds.len(),
            bytes: logs,
            reclaimable: 0,
        },
        Usage {
            kind: Kind::Leftover,
            count: other.len() + unreached.len() + tmp_count,
            bytes: leftover,
            reclaimable: leftover.saturating_sub(held(&unreached)),
        },
    ])
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

/// Bytes of disk blocks below a directory; each inode once. What cannot be read is not counted.
pub(super) fn disk_usage(path: &Path) -> u64 {
    let mut blocks = Blocks {
        seen: &mut BTreeSet::new(),
        bytes: 0,
        complete: true,
    };
    blocks.count(path);
    blocks.bytes
}

/// As [`disk_usage`], without inodes that were seen before; `None` when something could not be read.
fn measured(path: &Path, seen: &mut BTreeSet<(u64, u64)>) -> Option<u64> {
    let mut blocks = Blocks {
        seen,
        bytes: 0,
        complete: true,
    };
    blocks.count(path);
    blocks.complete.then_some(blocks.bytes)
}

struct Blocks<'s> {
    seen: &'s mut BTreeSet<(u64, u64)>,
    bytes: u64,
    complete: bool,
}

impl Blocks<'_> {
    fn count(&mut self, path: &Path) {
        match rustix::fs::openat(CWD, path, DIRECTORY, Mode::empty()) {
            Ok(dir) => self.below(dir.as_fd(), 0),
            Err(_) => self.complete = false,
        }
    }

    fn below(&mut self, dir: BorrowedFd<'_>, depth: usize) {
        let Ok(entries) = Dir::read_from(dir) else {
            self.complete = false;
            return;
        };
        let names: Vec<CString> = entries
            .flatten()
            .map(|entry| entry.file_name().to_owned())
            .collect();
        for name in names {
            if name.as_c_str() == c"." || name.as_c_str() == c".." {
                continue;
            }
            let Ok(stat) = rustix::fs::statat(dir, &name, AtFlags::SYMLINK_NOFOLLOW) else {
                self.complete = false;
                continue;
            };
            let is_dir = FileType::from_raw_mode(stat.st_mode) == FileType::Directory;
            if !is_dir && stat.st_nlink > 1 && !self.seen.insert((stat.st_dev, stat.st_ino)) {
                continue;
            }
            self.bytes += u64::try_from(stat.st_blocks).unwrap_or(0) * 512;
            if is_dir {
                match rustix::fs::openat(dir, &name, DIRECTORY, Mode::empty()) {
                    Ok(child) if depth < MAX_DEPTH => self.below(child.as_fd(), depth + 1),
                    _ => self.complete = false,
                }
            }
        }
    }
}
