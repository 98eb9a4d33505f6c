//! Applying archives: the layers of an image onto each other, or an archive that is added to a layer.
//!
//! Names in an archive are hostile until proven otherwise. Each is cleaned, its directory part is followed through
//! links as they are staged (never on disk), and the result is written by descriptors that follow no link at all.

mod restore;
mod stream;
mod way;

use std::fs::File;
use std::io::{self, Read};

use rbuild_oci::DiffId;
use sha2::{Digest as _, Sha256};

use crate::archive::{TarEntry, TarKind, TarReader};
use crate::fill::{Content, FileSource};
use crate::hash::FileHash;
use crate::holes::Holes;
use crate::listing::{MAX_PATH, Metadata, Xattrs, file_name, join, parent};
use crate::piece::PIECE;
use crate::stage::{Stage, StagedKind};
use crate::stop::Stop;
use crate::tree::{Node, NodeKind, TreeError};
use crate::{LayerError, xattr};
use way::Ways;

pub use restore::restore;

/// How much of an archive is accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Entries, of all archives together.
    pub entries: usize,
    /// Uncompressed bytes of one archive.
    pub bytes: u64,
}

impl Default for Limits {
    /// Two million entries, 1 TiB.
    fn default() -> Self {
        Limits {
            entries: 2_000_000,
            bytes: 1 << 40,
        }
    }
}

/// What the names in an archive mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Meaning<'a> {
    /// A layer of an image: `.wh.` names are whiteouts, `./` is the root directory.
    Layer,
    /// Any archive, unpacked in this directory: `.wh.` names are refused, `./` is left out.
    Archive {
        /// The directory.
        dest: &'a [u8],
        /// Replaces the owners in the archive.
        owner: Option<(u32, u32)>,
    },
}

const PATH_MAX: usize = 4096;

/// Applies one archive on top of what is staged, and gives the digest of all its uncompressed bytes.
///
/// `input` is uncompressed on a thread of its own, where it is hashed too.
pub fn apply(
    stage: &mut Stage,
    input: impl Read + Send,
    name: &str,
    meaning: Meaning<'_>,
    limits: Limits,
) -> Result<DiffId, LayerError> {
    stage.round += 1;
    let stop = stage.stop.clone();
    stream::read(input, name, limits.bytes, &stop, |archive| {
        let mut unpacker = Unpacker {
            stage,
            meaning,
            limits,
            buffer: Vec::new(),
            ways: Ways::default(),
            unpacked: 0,
        };
        unpacker.all(archive)
    })
}

/// A directory on the way to an entry that is none.
fn of_way(error: TreeError, refuse: impl Fn(&'static str) -> LayerError) -> LayerError {
    match error {
        TreeError::NotADirectory(_) => refuse("goes through something that is no directory"),
        TreeError::TooManyLinks(_) => refuse("goes through too many symbolic links"),
        TreeError::DanglingLink(_) => {
            refuse("goes through a symbolic link to something that is not in the directory of the archive")
        }
        other => other.into(),
    }
}

struct Unpacker<'a> {
    stage: &'a mut Stage,
    meaning: Meaning<'a>,
    limits: Limits,
    buffer: Vec<u8>,
    ways: Ways,
    /// Bytes of all files.
    unpacked: u64,
}

impl Unpacker<'_> {
    fn all<R: Read>(&mut self, archive: &mut TarReader<R>) -> Result<(), LayerError> {
        while let Some(entry) = archive.next_entry()? {
            if self.stage.len() >= self.limits.entries {
                let layer = archive.name().to_owned();
                return Err(LayerError::Limit {
                    layer,
                    what: "has more entries than allowed",
                });
            }
            self.entry(archive, entry)?;
        }
        Ok(())
    }

    fn entry<R: Read>(&mut self, archive: &mut TarReader<R>, entry: TarEntry) -> Result<(), LayerError> {
        let refuse = |what| LayerError::Entry {
            layer: archive.name().to_owned(),
            path: entry.path.clone(),
            what,
        };
        let name = clean_name(&entry.path).map_err(refuse)?;
        let is_layer = matches!(self.meaning, Meaning::Layer);
        let meta = self.metadata(&entry);
        if name.is_empty() {
            return match entry.kind {
                TarKind::Dir if is_layer => self.stage.dir(b"", meta),
                _ if is_layer => Err(refuse("is the root, which must be a directory")),
                // The directory that it is unpacked in stays as it is.
                _ => Ok(()),
            };
        }
        let dir = self.follow(parent(&name).unwrap_or_default());
        let dir = dir.map_err(|error| of_way(error, refuse))?;
        let last = file_name(&name);
        if let Some(hidden) = last.strip_prefix(b".wh.") {
            if !is_layer {
                return Err(refuse("has a name that is reserved for whiteouts"));
            }
            return if self.whiteout(&dir, hidden)? {
                Ok(())
            } else {
                Err(refuse("is no whiteout"))
            };
        }
        let path = join(&dir, last);
        if path.len() > MAX_PATH {
            return Err(refuse("has too long a path"));
        }
        self.ways.landed(&path, entry.kind == TarKind::Dir);
        match entry.kind {
            // What is a link to a directory, below or in an earlier layer, becomes a directory: the layer says so.
            TarKind::Dir => self.stage.dir(&path, meta),
            TarKind::File(size) => self.file(archive, &path, size, meta),
            TarKind::Symlink(ref target) => {
                if target.is_empty() || target.len() >= PATH_MAX {
                    return Err(refuse("is a symbolic link without, or with too long, a target"));
                }
                self.stage.symlink(&path, target, meta)
            }
            TarKind::Hardlink(ref target) => {
                let target = clean_name(target).map_err(|_| refuse("is a hard link to a place outside"))?;
                let target = self.target(&target).map_err(|error| of_way(error, refuse))?;
                self.hardlink(&path, &target)?.then_some(()).ok_or_else(|| {
                    refuse("is a hard link to something that is not there or cannot be linked")
                })
            }
            TarKind::Fifo => self.special(&path, StagedKind::Fifo, meta),
            // A device 0:0 would be a whiteout on disk.
            TarKind::CharDevice(0) if is_layer => Err(refuse("is a character device 0:0")),
            TarKind::CharDevice(rdev) => self.special(&path, StagedKind::CharDevice(rdev), meta),
            TarKind::BlockDevice(rdev) => self.special(&path, StagedKind::BlockDevice(rdev), meta),
        }
    }

    /// What an entry says of itself, with the owner that was asked for.
    fn metadata(&self, entry: &TarEntry) -> Metadata {
        let owner = match self.meaning {
            Meaning::Layer => None,
            Meaning::Archive { owner, .. } => owner,
        };
        let (uid, gid) = owner.unwrap_or((entry.uid, entry.gid));
        let mut meta = Metadata {
            mode: entry.mode,
            uid,
            gid,
            mtime: entry.mtime,
            dated: true,
            xattrs: Xattrs::new(),
        };
        for (name, value) in &entry.xattrs {
            xattr::keep(&mut meta.xattrs, name, value);
        }
        meta
    }

    /// A whiteout; `false` when the name hides nothing that can be.
    fn whiteout(&mut self, dir: &[u8], hidden: &[u8]) -> Result<bool, LayerError> {
        self.ways = Ways::default();
        match hidden {
            b".wh..opq" => self.stage.hide_earlier_below(dir)?,
            // Bookkeeping of AUFS: `.wh..wh.aufs`, `.wh..wh.plnk`, `.wh..wh.orph`.
            _ if hidden.starts_with(b".wh.") => {}
            b"" | b"." | b".." => return Ok(false),
            _ => self.stage.hide_earlier(&join(dir, hidden))?,
        }
        Ok(true)
    }

    fn special(&mut self, path: &[u8], kind: StagedKind, meta: Metadata) -> Result<(), LayerError> {
        self.stage.node_at(
            path,
            kind,
            Metadata {
                xattrs: Xattrs::new(),
                ..meta
            },
        )
    }

    fn file<R: Read>(
        &mut self,
        archive: &mut TarReader<R>,
        path: &[u8],
        size: u64,
        meta: Metadata,
    ) -> Result<(), LayerError> {
        // Holes count too, which cost the archive nothing.
        self.unpacked = self.unpacked.saturating_add(size);
        if self.unpacked > self.limits.bytes {
            return Err(LayerError::Limit {
                layer: archive.name().to_owned(),
                what: "is larger than allowed",
            });
        }
        let file = self.stage.create_file(path)?;
        let hash = copy_content(archive, &file, &mut self.buffer, path, &self.stage.stop)?;
        self.stage.written_file(path, &file, size, hash, meta)
    }

    /// `false` when the target is nothing that can have a further name.
    fn hardlink(&mut self, path: &[u8], target: &[u8]) -> Result<bool, LayerError> {
        if self.stage.hardlink(path, target)? {
            return Ok(true);
        }
        // A link to what is not a staged file: a symbolic link or node has no content to share, so another one is the
        // same; a file of the tree below is copied, as an overlay would.
        let Some(Node { kind, meta, .. }) = self.stage.lookup(target)? else {
            return Ok(false);
        };
        match kind {
            NodeKind::Symlink(text) => self.stage.symlink(path, &text, meta)?,
            NodeKind::Fifo => self.stage.node_at(path, StagedKind::Fifo, meta)?,
            NodeKind::CharDevice(rdev) => self.stage.node_at(path, StagedKind::CharDevice(rdev), meta)?,
            NodeKind::BlockDevice(rdev) => self.stage.node_at(path, StagedKind::BlockDevice(rdev), meta)?,
            NodeKind::File { size, hash, .. } => {
                let Some(tree) = self.stage.below() else {
                    return Ok(false);
                };
                let source = FileSource::Tree {
                    tree,
                    path: target.to_vec(),
                };
                self.stage
                    .planned_file(path, size, hash, Content::Copied(source), meta)?;
            }
            NodeKind::Dir => return Ok(false),
        }
        Ok(true)
    }
}

fn copy_content<R: Read>(
    archive: &mut TarReader<R>,
    file: &File,
    buffer: &mut Vec<u8>,
    path: &[u8],
    stop: &Stop,
) -> Result<FileHash, LayerError> {
    let written = |e: io::Error| LayerError::content("write", path, e);
    let mut hasher = Sha256::new();
    let mut holes = Holes::new(file);
    while archive.piece(buffer, PIECE)? {
        stop.check().map_err(written)?;
        hasher.update(&*buffer);
        holes.put(buffer).map_err(written)?;
    }
    holes.end().map_err(written)?;
    Ok(FileHash::from_bytes(hasher.finalize().into()))
}

/// A name from an archive as a path: relative, without empty and `.` names, and `..` taken by its text, as every tool
/// takes it.
///
/// # Errors
/// Words for what is wrong with it: it climbs out, or no file can have it.
pub fn clean_name(name: &[u8]) -> Result<Vec<u8>, &'static str> {
    let mut path: Vec<&[u8]> = Vec::new();
    for part in rbuild_rootdir::components(name) {
        if part.len() > 255 {
            return Err("has too long a name");
        }
        if part != b".." {
            path.push(part);
        } else if path.pop().is_none() {
            return Err("climbs out with `..`");
        }
    }
    Ok(path.join(&b'/'))
}
