//! What a `COPY` takes: patterns against a source tree. The destination plays no part here.

use super::names::Named;
use crate::ops::OpError;
use dockerfile_parser::ignore::IgnoreFile;
use rbuild_layer::listing::{file_name, join};
use rbuild_layer::tree::{LastLink, Node, NodeKind, Resolved, Tree, Walk};
use std::collections::HashMap;

/// One thing that a pattern named.
#[derive(Debug)]
pub(super) struct Selected {
    /// Which source of the instruction.
    pub source: usize,
    /// Path by which it was named, even where that is a link.
    pub path: Vec<u8>,
    /// What is there, links followed; with `--parents` a link itself.
    pub node: Node,
    /// For a directory: all below it, parents first; paths are those of the source tree.
    pub below: Vec<Node>,
    /// With `--parents`: the directories above it that are kept, outermost first, and the kept path of each.
    pub kept: Vec<(Vec<u8>, Node)>,
    /// With `--parents`: the kept path of the thing itself.
    pub kept_path: Vec<u8>,
}

impl Selected {
    /// Name under which it is put into a directory: its own, even where it is a link.
    pub(super) fn name(&self) -> &[u8] {
        file_name(&self.path)
    }
}

/// With `--parents`: the directories that are kept, and the kept path of the thing itself.
type Kept = (Vec<(Vec<u8>, Node)>, Vec<u8>);

/// Whether a pattern of COPY or ADD names anything in a tree.
///
/// # Errors
/// It is malformed, or the tree cannot be read.
pub fn names_any(tree: &dyn Tree, pattern: &str, parents: bool) -> Result<bool, OpError> {
    let selection = Selection {
        tree,
        source: 0,
        pattern,
        literal: false,
        parents,
        excludes: None,
    };
    Ok(!selection.named()?.paths.is_empty())
}

/// How a source is read.
pub(super) struct Selection<'a> {
    /// The source tree.
    pub tree: &'a dyn Tree,
    /// Which source of the instruction.
    pub source: usize,
    /// Path or pattern as expanded.
    pub pattern: &'a str,
    /// The text is a path, even with `*` in it.
    pub literal: bool,
    /// `--parents`.
    pub parents: bool,
    /// `--exclude`.
    pub excludes: Option<&'a IgnoreFile>,
}

impl Selection<'_> {
    /// Everything that the pattern names, sorted. A pattern with wildcards may name nothing.
    ///
    /// # Errors
    /// A path without wildcards is not there, or the tree cannot be read.
    pub(super) fn run(&self) -> Result<Vec<Selected>, OpError> {
        let Named {
            paths,
            pivot,
            is_pattern,
        } = self.named()?;
        let mut selected = Vec::new();
        for path in paths {
            if let Some(one) = self.take(&path, pivot, is_pattern)? {
                selected.push(one);
            }
        }
        name_inodes(&mut selected);
        Ok(selected)
    }

    fn take(&self, path: &[u8], pivot: usize, is_pattern: bool) -> Result<Option<Selected>, OpError> {
        // `--parents` copies a part of the tree as it is, so a link stays one.
        let last = if self.parents {
            LastLink::Keep
        } else {
            LastLink::Follow
        };
        let Resolved { node, .. } = self.tree.resolve(path, last)?;
        let Some(node) = node else {
            // A dangling link that a pattern hit is nothing to copy.
            return if is_pattern {
                Ok(None)
            } else {
                Err(self.missing(path))
            };
        };
        if let Some(excludes) = self.excludes
            && !node.is_dir()
            && excludes.decide(file_name(path)).excluded
        {
            return Ok(None);
        }
        let mut below = Vec::new();
        if node.is_dir() {
            let base = node.path.len() + usize::from(!node.path.is_empty());
            self.tree.walk(&node.path, &mut |child| {
                if let Some(excludes) = self.excludes {
                    let relative = &child.path[base..];
                    if excludes.decide(relative).excluded {
                        let enter = child.is_dir() && excludes.may_reinclude_below(relative);
                        return Ok(if enter { Walk::Into } else { Walk::Over });
                    }
                }
                below.push(child);
                Ok(Walk::Into)
            })?;
            if self.excludes.is_some() {
                restore_parents(self.tree, &node.path, &mut below)?;
            }
        }
        let (kept, kept_path) = if self.parents {
            self.kept(path, pivot)?
        } else {
            (Vec::new(), Vec::new())
        };
        Ok(Some(Selected {
            source: self.source,
            path: path.to_vec(),
            node,
            below,
            kept,
            kept_path,
        }))
    }

    fn kept(&self, path: &[u8], pivot: usize) -> Result<Kept, OpError> {
        let components: Vec<&[u8]> = path
            .split(|byte| *byte == b'/')
            .filter(|part| !part.is_empty())
            .collect();
        let mut kept = Vec::new();
        let (mut full, mut short) = (Vec::new(), Vec::new());
        for (at, component) in components.iter().enumerate() {
            full = join(&full, component);
            if at < pivot {
                continue;
            }
            short = join(&short, component);
            if at + 1 < components.len()
                && let Some(node) = self.tree.resolve(&full, LastLink::Follow)?.node
            {
                kept.push((short.clone(), node));
            }
        }
        Ok((kept, short))
    }

    pub(super) fn missing(&self, path: &[u8]) -> OpError {
        if let Ok(Some(Node {
            kind: NodeKind::Symlink(target),
            ..
        })) = self.tree.lookup(path)
        {
            return OpError::DanglingLink {
                source_at: self.source,
                path: String::from_utf8_lossy(path).into_owned(),
                target: String::from_utf8_lossy(&target).into_owned(),
            };
        }
        let parent = rbuild_layer::listing::parent(path).unwrap_or_default();
        let siblings: Vec<String> = self
            .tree
            .list(parent)
            .unwrap_or_default()
            .iter()
            .map(|node| String::from_utf8_lossy(&node.path).into_owned())
            .collect();
        let shown = String::from_utf8_lossy(path).into_owned();
        let near = dockerfile_parser::suggest::nearest(&shown, siblings.iter().map(String::as_str))
            .map(str::to_owned);
        OpError::MissingSource {
            source_at: self.source,
            path: shown,
            near,
            hidden_by: None,
        }
    }
}

/// Hard links are told among the selected: the first selected name of an inode stands for it, whatever other names it
/// has elsewhere. So neither key nor layer depends on what was not selected.
fn name_inodes(selected: &mut [Selected]) {
    /// Each file's path, the layer that its inode is in, and the inode's first name.
    fn files(selected: &mut [Selected]) -> impl Iterator<Item = (&[u8], usize, &mut Option<Vec<u8>>)> {
        selected
            .iter_mut()
            .flat_map(|one| std::iter::once(&mut one.node).chain(&mut one.below))
            .filter_map(|node| match &mut node.kind {
                NodeKind::File {
                    first_name, layer, ..
                } => Some((node.path.as_slice(), *layer, first_name)),
                _ => None,
            })
    }
    let inode = |path: &[u8], layer: usize, first_name: &Option<Vec<u8>>| {
        (layer, first_name.clone().unwrap_or_else(|| path.to_vec()))
    };
    // Inode to its first selected name; only inodes with more than one name are in it.
    let mut first: HashMap<(usize, Vec<u8>), Option<Vec<u8>>> = files(selected)
        .filter_map(|(_, layer, first_name)| Some(((layer, first_name.clone()?), None)))
        .collect();
    if first.is_empty() {
        return;
    }
    for (path, layer, first_name) in files(selected) {
        if let Some(elected) = first.get_mut(&inode(path, layer, first_name))
            && elected
                .as_deref()
                .is_none_or(|elected| rbuild_layer::listing::path_cmp(path, elected).is_lt())
        {
            *elected = Some(path.to_vec());
        }
    }
    for (path, layer, first_name) in files(selected) {
        if let Some(elected) = first.get(&inode(path, layer, first_name)) {
            *first_name = elected.clone().filter(|elected| elected != path);
        }
    }
}

/// A file that is kept below an excluded directory needs that directory.
fn restore_parents(tree: &dyn Tree, top: &[u8], below: &mut Vec<Node>) -> Result<(), OpError> {
    let mut missing: std::collections::BTreeSet<Vec<u8>> = std::collections::BTreeSet::new();
    {
        let present: std::collections::HashSet<&[u8]> =
            below.iter().map(|node| node.path.as_slice()).collect();
        for node in below.iter() {
            let mut at = rbuild_layer::listing::parent(&node.path);
            while let Some(dir) = at {
                if dir == top || dir.is_empty() || present.contains(dir) || !missing.insert(dir.to_vec()) {
                    break;
                }
                at = rbuild_layer::listing::parent(dir);
            }
        }
    }
    for path in missing {
        below.extend(tree.lookup(&path)?);
    }
    below.sort_by(|one, other| rbuild_layer::listing::path_cmp(&one.path, &other.path));
    Ok(())
}
