//! Where the names in an archive lead.

use std::collections::{HashMap, HashSet};

use rbuild_rootdir::LastLink;

use super::{Meaning, Unpacker};
use crate::listing::{file_name, join, parent};
use crate::tree::{Missing, NodeKind, Resolved, TreeError, resolve_by};

/// The directory parts of names, as they were written, and where they led. Most names go on from one that was followed
/// before, so that the way to a deep one is not gone again and again.
#[derive(Default)]
pub(super) struct Ways {
    known: HashMap<Vec<u8>, Vec<u8>>,
    /// Where they led, and the links that they went through.
    passed: HashSet<Vec<u8>>,
    links: HashSet<Vec<u8>>,
}

impl Ways {
    /// Something was put at a path: a way through what was there is known no more.
    pub(super) fn landed(&mut self, path: &[u8], is_dir: bool) {
        if self.links.contains(path) || (!is_dir && self.passed.contains(path)) {
            *self = Ways::default();
        }
    }
}

impl Unpacker<'_> {
    /// Follows a directory part. Names that are missing are kept: those directories get made.
    pub(super) fn follow(&mut self, dir: &[u8]) -> Result<Vec<u8>, TreeError> {
        if let Some(led) = self.ways.known.get(dir) {
            return Ok(led.clone());
        }
        let led = match self.go_on(dir)? {
            Some(led) => led,
            None => {
                let resolved = self.resolve(dir, LastLink::Follow)?;
                if resolved.node.is_some_and(|node| !node.is_dir()) {
                    return Err(TreeError::NotADirectory(resolved.path));
                }
                resolved.path
            }
        };
        self.ways.passed.insert(led.clone());
        self.ways.known.insert(dir.to_vec(), led.clone());
        Ok(led)
    }

    /// One name further than a way that is known; `None` when there is none, or a link is there.
    fn go_on(&self, dir: &[u8]) -> Result<Option<Vec<u8>>, TreeError> {
        let Some(led) = parent(dir).and_then(|above| self.ways.known.get(above)) else {
            return Ok(None);
        };
        let here = join(led, file_name(dir));
        match self.stage.lookup(&here)?.map(|node| node.kind) {
            None | Some(NodeKind::Dir) => Ok(Some(here)),
            Some(NodeKind::Symlink(_)) => Ok(None),
            Some(_) => Err(TreeError::NotADirectory(here)),
        }
    }

    /// Where a hard link's target is; a link in its last place is not followed.
    pub(super) fn target(&mut self, target: &[u8]) -> Result<Vec<u8>, TreeError> {
        match parent(target).and_then(|above| self.ways.known.get(above)) {
            Some(led) => Ok(join(led, file_name(target))),
            None => Ok(self.resolve(target, LastLink::Keep)?.path),
        }
    }

    /// Resolves a name in the archive as a process would whose root is the directory that the archive is unpacked in:
    /// whatever links say that the archive brought, or that were there before, nothing outside of it is reached.
    fn resolve(&mut self, name: &[u8], last: LastLink) -> Result<Resolved, TreeError> {
        let (base, missing) = match self.meaning {
            Meaning::Layer => (&b""[..], Missing::Kept),
            Meaning::Archive { dest, .. } => (dest, Missing::KeptUnlessLinked),
        };
        let (stage, links) = (&self.stage, &mut self.ways.links);
        let mut lookup = |path: &[u8]| {
            let node = stage.lookup(&join(base, path))?;
            if let Some(node) = &node
                && matches!(node.kind, NodeKind::Symlink(_))
            {
                links.insert(node.path.clone());
            }
            Ok(node)
        };
        let inside = resolve_by(&mut lookup, name, last, missing)?;
        Ok(Resolved {
            path: join(base, &inside.path),
            ..inside
        })
    }
}
