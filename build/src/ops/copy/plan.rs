//! What a `COPY` makes: placed nodes to the entries of the new layer.
//!
//! Pure: reads trees, writes nothing.

use crate::ops::OpError;
use dockerfile_parser::chmod::Chmod;
use rbuild_layer::FileHash;
use rbuild_layer::listing::{Metadata, parent, path_cmp};
use rbuild_layer::tree::{Node, NodeKind, Tree};
use std::collections::HashMap;

/// One entry of the layer to be.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Planned {
    /// Path in the image.
    pub path: Vec<u8>,
    /// Which source of the instruction asked for it last.
    pub source: usize,
    /// What it is, and for a file where its bytes are.
    pub what: What,
    /// Owner, mode, time, extended attributes.
    pub meta: Metadata,
}

/// What a planned entry is.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum What {
    /// A directory.
    Dir,
    /// A file with the bytes of a source's file.
    File {
        /// Which source.
        source: usize,
        /// Path in the source's tree.
        from: Vec<u8>,
        /// Length in bytes.
        size: u64,
        /// Hash of the content, where it is known.
        hash: Option<FileHash>,
    },
    /// A file with the bytes of a heredoc.
    Inline {
        /// Which source.
        source: usize,
    },
    /// A further name of a file of this layer.
    Hardlink {
        /// Its first name.
        target: Vec<u8>,
    },
    /// A link, pipe or device.
    Special(NodeKind),
}

/// Mode of a directory that is made because it is missing.
const NEW_DIR: u16 = 0o755;

/// One name of an inode: where it is put, and what it is called in the source.
struct Name {
    path: Vec<u8>,
    from: Vec<u8>,
}

/// The rules of one instruction.
pub(super) struct Planner<'a> {
    pub(super) dest: &'a dyn Tree,
    owner: Option<(u32, u32)>,
    chmod: Option<&'a Chmod>,
    /// The source that is being placed.
    pub(super) source: usize,
    pub(super) planned: HashMap<Vec<u8>, Planned>,
    /// Names of each source inode, for hard links: source, layer and first name to planned paths.
    inodes: HashMap<(usize, usize, Vec<u8>), Vec<Name>>,
}

impl<'a> Planner<'a> {
    /// For a destination tree; `owner` replaces every owner.
    pub(super) fn new(dest: &'a dyn Tree, owner: Option<(u32, u32)>, chmod: Option<&'a Chmod>) -> Self {
        Self {
            dest,
            owner,
            chmod,
            source: 0,
            planned: HashMap::new(),
            inodes: HashMap::new(),
        }
    }

    /// The directory that stands for a directory of the source: when it is made, `--chmod` is for it too.
    pub(super) fn ensure_top(&mut self, path: &[u8]) -> Result<(), OpError> {
        let mode = match self.chmod {
            Some(chmod) => chmod_mode(chmod, NEW_DIR, true),
            None => NEW_DIR,
        };
        self.ensure(path, mode)
    }

    /// A directory that must exist: what is there stays as it is, what is missing is made 0755.
    pub(super) fn ensure_dir(&mut self, path: &[u8]) -> Result<(), OpError> {
        self.ensure(path, NEW_DIR)
    }

    fn ensure(&mut self, path: &[u8], new_mode: u16) -> Result<(), OpError> {
        if path.is_empty() {
            return Ok(());
        }
        if let Some(planned) = self.planned.get(path) {
            return match planned.what {
                What::Dir => Ok(()),
                _ => Err(OpError::NotADirectory { path: shown(path) }),
            };
        }
        let meta = match self.existing(path)? {
            Some((true, meta)) => meta,
            Some((false, _)) => return Err(OpError::NotADirectory { path: shown(path) }),
            None => {
                let (uid, gid) = self.owner.unwrap_or((0, 0));
                Metadata::new(new_mode, uid, gid)
            }
        };
        self.ensure_parents(path)?;
        self.planned.insert(
            path.to_vec(),
            Planned {
                path: path.to_vec(),
                source: self.source,
                what: What::Dir,
                meta,
            },
        );
        Ok(())
    }

    /// The directories above a path: mostly the last of them is planned, and so all are.
    fn ensure_parents(&mut self, path: &[u8]) -> Result<(), OpError> {
        let is_planned = |dir: &[u8]| {
            let planned = self.planned.get(dir);
            planned.is_some_and(|planned| planned.what == What::Dir)
        };
        let mut missing = Vec::new();
        let mut at = parent(path);
        while let Some(dir) = at
            && !dir.is_empty()
            && !is_planned(dir)
        {
            missing.push(dir.to_vec());
            at = parent(dir);
        }
        for dir in missing.iter().rev() {
            self.ensure_dir(dir)?;
        }
        Ok(())
    }

    pub(super) fn node(&mut self, source: usize, node: &Node, path: Vec<u8>) -> Result<(), OpError> {
        let what = match &node.kind {
            NodeKind::Dir => What::Dir,
            NodeKind::File {
                first_name,
                layer,
                size,
                hash,
            } => {
                let first_name = first_name.clone().unwrap_or_else(|| node.path.clone());
                let inode = (source, *layer, first_name);
                let names = self.inodes.entry(inode).or_default();
                // The same name twice, once by way of a link, makes two files.
                if names.iter().all(|name| name.from != node.path) {
                    names.push(Name {
                        path: path.clone(),
                        from: node.path.clone(),
                    });
                }
                What::File {
                    source,
                    from: node.path.clone(),
                    size: *size,
                    hash: *hash,
                }
            }
            other => What::Special(other.clone()),
        };
        self.put(path, what, node.meta.clone())
    }

    pub(super) fn put(&mut self, path: Vec<u8>, what: What, mut meta: Metadata) -> Result<(), OpError> {
        if path.is_empty() {
            return if what == What::Dir {
                Ok(())
            } else {
                Err(OpError::ReplacesDirectory { path: "/".to_owned() })
            };
        }
        match (self.is_dir(&path)?, what == What::Dir) {
            (Some(true), false) => return Err(OpError::ReplacesDirectory { path: shown(&path) }),
            (Some(false), true) => return Err(OpError::NotADirectory { path: shown(&path) }),
            _ => {}
        }
        self.ensure_parents(&path)?;
        if let Some((uid, gid)) = self.owner {
            (meta.uid, meta.gid) = (uid, gid);
        }
        if let Some(chmod) = self.chmod
            && !matches!(what, What::Special(NodeKind::Symlink(_)))
        {
            meta.mode = chmod_mode(chmod, meta.mode, what == What::Dir);
        }
        self.planned.insert(
            path.clone(),
            Planned {
                path,
                source: self.source,
                what,
                meta,
            },
        );
        Ok(())
    }

    pub(super) fn is_dir(&self, path: &[u8]) -> Result<Option<bool>, OpError> {
        if path.is_empty() {
            return Ok(Some(true));
        }
        if let Some(planned) = self.planned.get(path) {
            return Ok(Some(planned.what == What::Dir));
        }
        Ok(self.existing(path)?.map(|(is_dir, _)| is_dir))
    }

    fn existing(&self, path: &[u8]) -> Result<Option<(bool, Metadata)>, OpError> {
        // Below something new there is nothing old.
        Ok(self.dest.lookup(path)?.map(|node| (node.is_dir(), node.meta)))
    }

    /// The entries, sorted; files that were one inode in their source are one here.
    #[must_use]
    pub(super) fn finish(mut self) -> Vec<Planned> {
        for ((of, _, _), mut names) in self.inodes.drain().filter(|(_, names)| names.len() > 1) {
            // What a later source replaced is no name of this inode any more.
            names.retain(|name| {
                self.planned.get(&name.path).is_some_and(|planned| {
                    matches!(&planned.what, What::File { source, from, .. } if *source == of && *from == name.from)
                })
            });
            names.sort_by(|one, other| path_cmp(&one.path, &other.path));
            let Some((first, others)) = names.split_first() else {
                continue;
            };
            for other in others {
                if let Some(planned) = self.planned.get_mut(&other.path) {
                    planned.what = What::Hardlink {
                        target: first.path.clone(),
                    };
                }
            }
        }
        let mut entries: Vec<Planned> = self.planned.into_values().collect();
        entries.sort_by(|one, other| path_cmp(&one.path, &other.path));
        entries
    }
}

fn chmod_mode(chmod: &Chmod, mode: u16, is_dir: bool) -> u16 {
    u16::try_from(chmod.apply(u32::from(mode), is_dir)).unwrap_or(mode)
}

pub(super) fn shown(path: &[u8]) -> String {
    format!("/{}", String::from_utf8_lossy(path))
}
