//! Which paths of a tree a source of COPY names: wildcards, and the `/./` of `--parents`.

use super::select::Selection;
use crate::ops::OpError;
use dockerfile_parser::glob::{self, Component};
use rbuild_layer::listing::{file_name, is_below, join, path_cmp};
use rbuild_layer::tree::{LastLink, Resolved, TreeError};
use std::collections::HashSet;

/// What a pattern names, before it is looked at.
pub(super) struct Named {
    /// Sorted. One without wildcards names itself.
    pub paths: Vec<Vec<u8>>,
    /// With `--parents`: how many components are dropped.
    pub pivot: usize,
    /// Whether there are wildcards in it.
    pub is_pattern: bool,
}

/// A directory that is to be searched for what the rest of a pattern names.
type Open<'c> = (Vec<u8>, &'c [Component]);

impl Selection<'_> {
    /// The paths that the pattern names.
    ///
    /// # Errors
    /// The pattern is malformed, the tree cannot be read, or what stands before `/./` is not there.
    pub(super) fn named(&self) -> Result<Named, OpError> {
        let (pivot, pattern) = self.pivot();
        let components = if self.literal {
            literal_components(&pattern)
        } else {
            glob::components(&pattern, self.parents)
                .map_err(|error| OpError::pattern(self.pattern, &error))?
        };
        let Some(path) = literal_path(&components) else {
            self.check_pivot(components.get(..pivot).unwrap_or_default())?;
            return Ok(Named {
                paths: self.expand(&components)?,
                pivot,
                is_pattern: true,
            });
        };
        Ok(Named {
            paths: vec![path],
            pivot,
            is_pattern: false,
        })
    }

    /// With `--parents`, `/./` in the pattern says where the kept path begins: how many components are dropped.
    fn pivot(&self) -> (usize, String) {
        if !self.parents {
            return (0, self.pattern.to_owned());
        }
        match self.pattern.split_once("/./") {
            Some((before, after)) => {
                let dropped = before
                    .split('/')
                    .filter(|part| !part.is_empty() && *part != ".")
                    .count();
                (dropped, format!("{before}/{after}"))
            }
            None => (0, self.pattern.to_owned()),
        }
    }

    /// A directory before `/./` that is named without wildcards must be there, whatever the wildcards behind it match.
    fn check_pivot(&self, before: &[Component]) -> Result<(), OpError> {
        match literal_path(before) {
            Some(path) if self.tree.resolve(&path, LastLink::Follow)?.node.is_none() => {
                Err(self.missing(&path))
            }
            _ => Ok(()),
        }
    }

    /// The paths that match. A tree may be deeper than the stack, so the directories to come are in a list.
    fn expand(&self, components: &[Component]) -> Result<Vec<Vec<u8>>, OpError> {
        let mut found = Vec::new();
        let mut open: Vec<Open<'_>> = vec![(Vec::new(), components)];
        // With several `**` a directory is reached by more than one way.
        let mut seen = HashSet::new();
        while let Some((dir, components)) = open.pop() {
            let Some((first, rest)) = components.split_first() else {
                found.push(dir);
                continue;
            };
            match first {
                // A directory comes with all below it.
                Component::AnyDepth if rest.is_empty() => found.push(dir),
                Component::AnyDepth => {
                    if !seen.insert((dir.clone(), rest.len())) {
                        continue;
                    }
                    let below = self.tree.list(&dir)?;
                    let dirs = below.into_iter().filter(rbuild_layer::tree::Node::is_dir);
                    open.extend(dirs.map(|node| (node.path, components)));
                    open.push((dir, rest));
                }
                Component::Literal(name) => {
                    let path = join(&dir, name.as_bytes());
                    let Resolved { node, path } = self.tree.resolve(&path, LastLink::Keep)?;
                    if node.is_some() {
                        open.extend(self.descend(path, rest, LastLink::Follow)?);
                    }
                }
                Component::Pattern(pattern) => {
                    // `--parents` copies a part of the tree as it is: what a link leads to is not below it.
                    let last = if self.parents {
                        LastLink::Keep
                    } else {
                        LastLink::Follow
                    };
                    for node in self.tree.list(&dir)? {
                        if pattern.matches(file_name(&node.path)) {
                            open.extend(self.descend(node.path, rest, last)?);
                        }
                    }
                }
            }
        }
        found.sort_by(|one, other| path_cmp(one, other));
        found.dedup();
        if components.contains(&Component::AnyDepth) {
            return self.drop_nested(found);
        }
        Ok(found)
    }

    /// What a name that matched opens: itself when it is the last of the pattern, else the directory that it leads to.
    fn descend<'c>(
        &self,
        path: Vec<u8>,
        rest: &'c [Component],
        last: LastLink,
    ) -> Result<Option<Open<'c>>, OpError> {
        if rest.is_empty() {
            return Ok(Some((path, rest)));
        }
        match self.tree.resolve(&path, last) {
            Ok(resolved) => {
                let is_dir = resolved.node.is_some_and(|node| node.is_dir());
                Ok(is_dir.then_some((resolved.path, rest)))
            }
            // A link that leads nowhere has nothing below it.
            Err(TreeError::TooManyLinks(_) | TreeError::NotADirectory(_)) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Leaves out what is below a directory that was found too, which `**` alone can do: it comes with that.
    fn drop_nested(&self, found: Vec<Vec<u8>>) -> Result<Vec<Vec<u8>>, OpError> {
        let mut kept: Vec<Vec<u8>> = Vec::with_capacity(found.len());
        let mut is_dir = false;
        for path in found {
            if is_dir && kept.last().is_some_and(|above| is_below(&path, above)) {
                continue;
            }
            is_dir = self.tree.lookup(&path)?.is_some_and(|node| node.is_dir());
            kept.push(path);
        }
        Ok(kept)
    }
}

/// The path that components name in which nothing is a wildcard.
fn literal_path(components: &[Component]) -> Option<Vec<u8>> {
    let mut path = Vec::new();
    for component in components {
        let Component::Literal(name) = component else {
            return None;
        };
        path = join(&path, name.as_bytes());
    }
    Some(path)
}

/// A path in which nothing is a wildcard.
fn literal_components(path: &str) -> Vec<Component> {
    let mut components = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                components.pop();
            }
            part => components.push(Component::Literal(part.to_owned())),
        }
    }
    components
}
