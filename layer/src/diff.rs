//! What a command changed: an overlay's upper directory compared with the tree below it.
//!
//! The upper directory is not the truth. It holds copies of files that were only opened for writing or changed back,
//! directories that are there only because something in them changed once, marks of the overlay, sockets. What differs
//! in nothing is left out of the layer, and is removed from the directory too.

mod walk;

use std::collections::hash_map::Entry as Slot;
use std::collections::{HashMap, HashSet};

use rbuild_rootdir::{Dir, Kind, Root, Stat};
use sha2::{Digest as _, Sha256};

use crate::LayerError;
use crate::dates::{Dates, Shape};
use crate::fill::{Content, FileJob};
use crate::hash::FileHash;
use crate::inode::Creator;
use crate::listing::{Entry, EntryKind, Metadata, Xattrs, is_below, parent};
use crate::piece::read_piece;
use crate::stop::Stop;
use crate::tree::{Node, NodeKind, Tree};
use crate::xattr;
use walk::OpenDir;

/// Real changes. The hashes in the entries' files are not set yet: that is the work of `files`, in the same order.
pub struct Changes {
    /// The entries of the layer.
    pub entries: Vec<Entry>,
    /// Its regular files, in the order of the entries.
    pub files: Vec<FileJob>,
}

/// Hash of a file whose content was not read yet.
pub(crate) const UNKNOWN: FileHash = FileHash::from_bytes([0; 32]);

/// Compares `upper` with the tree below it, and removes from `upper` what is no change. `dates` tells of times whether
/// they are content.
pub fn changes(upper: &Root, below: &dyn Tree, dates: &Dates, stop: &Stop) -> Result<Changes, LayerError> {
    let mut diff = Diff {
        below,
        dates,
        stop,
        found: Vec::new(),
        inodes: HashMap::new(),
        touched: HashSet::new(),
    };
    let root = upper.dir();
    diff.root(root)?;
    diff.tree(upper)?;
    let Diff {
        mut found,
        inodes,
        mut touched,
        ..
    } = diff;
    drop_unchanged_links(upper, &mut found, &inodes, &mut touched)?;
    drop_unchanged_dirs(upper, &mut found, &mut touched)?;
    restore_times(upper, &found, &touched)?;
    Ok(assemble(found, &inodes))
}

/// Whether the tree below shows through in a directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Below {
    Shown,
    Hidden,
}

struct Found {
    entry: Entry,
    /// For files.
    size: u64,
    hash: Option<FileHash>,
    /// For files with several names.
    inode: Option<Inode>,
    /// Equal to what is below, in everything.
    unchanged: bool,
}

struct Diff<'a> {
    below: &'a dyn Tree,
    dates: &'a Dates,
    stop: &'a Stop,
    found: Vec<Found>,
    /// Of the files with several names: their hash once it is known.
    inodes: HashMap<Inode, Group>,
    /// Directories from which something was removed here, which changed their time on disk.
    touched: HashSet<Vec<u8>>,
}

/// Device and number.
type Inode = (u64, u64);

#[derive(Default)]
struct Group {
    hash: Option<FileHash>,
    /// A name of it is a change.
    changed: bool,
    /// At one of its names the time is known not to be set; it is the same at all.
    undated: bool,
}

impl Diff<'_> {
    /// The root is in the layer only if its owner, mode or attributes changed, or its time was set: any other time it has
    /// from what was made in it.
    fn root(&mut self, dir: &Dir) -> Result<(), LayerError> {
        let stat = dir.stat()?;
        let marks = xattr::read(dir)?;
        let old = self.below.lookup(b"")?;
        let meta = self.metadata(&stat, marks.kept, Shape::Dir, old.as_ref())?;
        let is_new = |old: Node| !old.meta.same_but_time(&meta) || (meta.dated && old.meta != meta);
        if old.is_none_or(is_new) || marks.opaque {
            let kind = EntryKind::Dir { opaque: marks.opaque };
            self.push(
                Entry {
                    path: Vec::new(),
                    kind,
                    meta,
                },
                false,
            );
        }
        Ok(())
    }

    /// Takes a name out of the upper directory that is no change.
    fn remove(&mut self, dir: &Dir, name: &[u8], path: &[u8]) -> Result<(), LayerError> {
        dir.unlink(name).map_err(|e| e.at(path))?;
        self.touched.insert(parent(path).unwrap_or_default().to_vec());
        Ok(())
    }

    fn push(&mut self, entry: Entry, unchanged: bool) {
        self.found.push(Found {
            entry,
            size: 0,
            hash: None,
            inode: None,
            unchanged,
        });
    }

    fn whiteout(&mut self, dir: &Dir, name: &[u8], path: Vec<u8>, hides: bool) -> Result<(), LayerError> {
        if !hides {
            return self.remove(dir, name, &path);
        }
        self.push(Entry::whiteout(path), false);
        Ok(())
    }

    fn subdir(
        &mut self,
        dir: &Dir,
        name: &[u8],
        path: Vec<u8>,
        old: Option<Node>,
    ) -> Result<OpenDir, LayerError> {
        let open = dir.open_dir(name).map_err(|e| e.at(&path))?;
        let stat = open.stat().map_err(|e| e.at(&path))?;
        let marks = xattr::read(&open).map_err(|e| e.at(&path))?;
        let meta = self.metadata(&stat, marks.kept, Shape::Dir, old.as_ref())?;
        let old = old.filter(Node::is_dir);
        // Overlay marks a directory that was renamed into place as well. Where nothing is below, the mark says nothing
        // about files; but a mount point in a lower layer would not be seen through it.
        let opaque = marks.opaque && old.is_some();
        if marks.opaque && !opaque {
            rbuild_rootdir::fremovexattr(&open, xattr::OPAQUE).map_err(|e| e.at(&path))?;
        }
        let unchanged = !opaque && old.as_ref().is_some_and(|old| old.meta == meta);
        let below = if opaque || old.is_none() {
            Below::Hidden
        } else {
            Below::Shown
        };
        self.push(
            Entry {
                path: path.clone(),
                kind: EntryKind::Dir { opaque },
                meta,
            },
            unchanged,
        );
        OpenDir::new(open, path, below)
    }

    fn file(&mut self, dir: &Dir, name: &[u8], path: Vec<u8>, old: Option<Node>) -> Result<(), LayerError> {
        let (mut file, stat) = dir.open_file_with_stat(name).map_err(|e| e.at(&path))?;
        let marks = xattr::read(&file).map_err(|e| e.at(&path))?;
        if marks.whiteout && stat.size == 0 {
            // The store has one form of whiteouts, the native one.
            if old.is_some() {
                self.remove(dir, name, &path)?;
                Creator::current().whiteout(dir, &path)?;
            }
            return self.whiteout(dir, name, path, old.is_some());
        }
        let inode = (stat.nlink > 1).then_some((stat.dev, stat.ino));
        let mut hash = inode.and_then(|inode| self.inodes.entry(inode).or_default().hash);
        // Only where it decides is the content worth a look. A copy that changed in nothing is rare and mostly small.
        let stop = self.stop;
        let mut look = || match hash {
            Some(hash) => Ok(hash),
            None => Ok(*hash.insert(hash_file(&mut file, stat.size, &path, stop)?)),
        };
        let old_meta = old.as_ref().map(|old| &old.meta);
        let dated = self
            .dates
            .is_set(stat.mtime, Shape::File(stat.size), old_meta, &mut look)?;
        let meta = metadata(&stat, marks.kept, dated);
        let mut unchanged = false;
        if let Some(Node {
            kind:
                NodeKind::File {
                    size,
                    hash: Some(old_hash),
                    ..
                },
            meta: old_meta,
            ..
        }) = &old
            && *size == stat.size
            && *old_meta == meta
        {
            unchanged = look()? == *old_hash;
        }
        if unchanged && inode.is_none() {
            return self.remove(dir, name, &path);
        }
        if let Some(inode) = inode {
            let group = self.inodes.entry(inode).or_default();
            group.hash = group.hash.or(hash);
            group.changed |= !unchanged;
            group.undated |= !dated;
        }
        let entry = Entry::file(path, stat.size, UNKNOWN, meta);
        self.found.push(Found {
            entry,
            size: stat.size,
            hash,
            inode,
            unchanged,
        });
        Ok(())
    }

    /// Links, pipes and devices.
    fn other(
        &mut self,
        dir: &Dir,
        name: &[u8],
        path: Vec<u8>,
        stat: &Stat,
        old: Option<Node>,
    ) -> Result<(), LayerError> {
        let (kind, node_kind, shape) = match stat.kind {
            Kind::Symlink => {
                let target = dir.readlink(name).map_err(|e| e.at(&path))?;
                (
                    EntryKind::Symlink {
                        target: target.clone(),
                    },
                    NodeKind::Symlink(target.clone()),
                    Shape::Symlink(target),
                )
            }
            Kind::CharDevice => (
                EntryKind::CharDevice { rdev: stat.rdev },
                NodeKind::CharDevice(stat.rdev),
                Shape::Other,
            ),
            Kind::BlockDevice => (
                EntryKind::BlockDevice { rdev: stat.rdev },
                NodeKind::BlockDevice(stat.rdev),
                Shape::Other,
            ),
            _ => (EntryKind::Fifo, NodeKind::Fifo, Shape::Other),
        };
        let meta = self.metadata(stat, Xattrs::new(), shape, old.as_ref())?;
        if old.is_some_and(|old| old.kind == node_kind && old.meta == meta) {
            return self.remove(dir, name, &path);
        }
        self.push(Entry { path, kind, meta }, false);
        Ok(())
    }

    /// Of anything but a file, whose content may have to be looked at.
    fn metadata(
        &self,
        stat: &Stat,
        xattrs: Xattrs,
        shape: Shape,
        old: Option<&Node>,
    ) -> Result<Metadata, LayerError> {
        let old = old.map(|old| &old.meta);
        let dated = self.dates.is_set(stat.mtime, shape, old, &mut || Ok(UNKNOWN))?;
        Ok(metadata(stat, xattrs, dated))
    }
}

fn metadata(stat: &Stat, xattrs: Xattrs, dated: bool) -> Metadata {
    Metadata {
        mode: stat.mode,
        uid: stat.uid,
        gid: stat.gid,
        mtime: stat.mtime,
        dated,
        xattrs,
    }
}

fn hash_file(file: &mut std::fs::File, size: u64, path: &[u8], stop: &Stop) -> Result<FileHash, LayerError> {
    let mut hasher = Sha256::new();
    let mut buffer = Vec::new();
    let mut left = size;
    while left > 0 {
        read_piece(file, left, &mut buffer, path, stop)?;
        left -= buffer.len() as u64;
        hasher.update(&buffer);
    }
    Ok(FileHash::from_bytes(hasher.finalize().into()))
}

/// A file with several names is left out only if none of them is a change: a new name needs its file in the layer.
fn drop_unchanged_links(
    upper: &Root,
    found: &mut Vec<Found>,
    inodes: &HashMap<Inode, Group>,
    touched: &mut HashSet<Vec<u8>>,
) -> Result<(), LayerError> {
    let mut failed = Ok(());
    found.retain(|file| {
        let Some(inode) = file.inode else { return true };
        let drop = inodes.get(&inode).is_some_and(|group| !group.changed);
        if drop && failed.is_ok() {
            failed = upper.unlink(&file.entry.path);
            touched.insert(parent(&file.entry.path).unwrap_or_default().to_vec());
        }
        !drop
    });
    Ok(failed?)
}

/// Leaves out directories that are as they were and hold no change.
fn drop_unchanged_dirs(
    upper: &Root,
    found: &mut Vec<Found>,
    touched: &mut HashSet<Vec<u8>>,
) -> Result<(), LayerError> {
    // Backwards: what is in a directory comes after it, so when it is reached it is known whether anything is left.
    let mut kept: Vec<Found> = Vec::with_capacity(found.len());
    for item in std::mem::take(found).into_iter().rev() {
        let holds = kept
            .last()
            .is_some_and(|last| is_below(&last.entry.path, &item.entry.path));
        if item.entry.is_dir() && item.unchanged && !holds {
            upper.rmdir(&item.entry.path)?;
            touched.insert(parent(&item.entry.path).unwrap_or_default().to_vec());
        } else {
            kept.push(item);
        }
    }
    kept.reverse();
    *found = kept;
    Ok(())
}

/// Sets back the times of directories that changed because something was taken out of them here.
fn restore_times(upper: &Root, found: &[Found], touched: &HashSet<Vec<u8>>) -> Result<(), LayerError> {
    if touched.is_empty() {
        return Ok(());
    }
    for Found { entry, .. } in found {
        if entry.is_dir() && touched.contains(&entry.path) {
            let dir = upper.open_dir(&entry.path)?;
            rbuild_rootdir::fset_mtime(&dir, entry.meta.mtime).map_err(|e| e.at(&entry.path))?;
        }
    }
    Ok(())
}

/// Makes entries and file jobs; the first name of a file with several is the file, the others are links to it.
fn assemble(found: Vec<Found>, inodes: &HashMap<Inode, Group>) -> Changes {
    let mut changes = Changes {
        entries: Vec::with_capacity(found.len()),
        files: Vec::new(),
    };
    let mut first_names: HashMap<Inode, Vec<u8>> = HashMap::new();
    for Found {
        mut entry,
        size,
        hash,
        inode,
        ..
    } in found
    {
        if inode.is_some_and(|inode| inodes.get(&inode).is_some_and(|group| group.undated)) {
            entry.meta.dated = false;
        }
        if let EntryKind::File { .. } = entry.kind {
            match inode.map(|inode| first_names.entry(inode)) {
                Some(Slot::Occupied(first)) => {
                    entry.kind = EntryKind::Hardlink {
                        target: first.get().clone(),
                    };
                }
                first => {
                    if let Some(first) = first {
                        first.or_insert_with(|| entry.path.clone());
                    }
                    changes.files.push(FileJob {
                        path: entry.path.clone(),
                        size,
                        hash,
                        meta: entry.meta.clone(),
                        content: Content::InPlace,
                    });
                }
            }
        }
        changes.entries.push(entry);
    }
    changes
}
