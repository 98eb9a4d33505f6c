//! Which names of a tree are one file: in a directory each has a file of its own.

use std::collections::BTreeMap;

use crate::LayerError;
use crate::listing::is_below;
use crate::tree::{Node, NodeKind, Tree};

/// The names of files that have several. Those with the same number are one file.
#[derive(Debug, Default)]
pub(super) struct Groups {
    numbers: BTreeMap<Vec<u8>, usize>,
    next: usize,
    /// Of the tree that is copied now: by the layer and the first name of a file.
    known: BTreeMap<(usize, Vec<u8>), usize>,
}

impl Groups {
    /// From here on nodes are those of another tree.
    pub(super) fn begin(&mut self) {
        self.known.clear();
    }

    /// Notes a further name of a file, and its first one.
    pub(super) fn note(&mut self, node: &Node, tree: &dyn Tree) -> Result<(), LayerError> {
        let NodeKind::File {
            first_name: Some(first),
            layer,
            ..
        } = &node.kind
        else {
            return Ok(());
        };
        let key = (*layer, first.clone());
        let number = match self.known.get(&key) {
            Some(number) => *number,
            None => {
                self.next += 1;
                // It may have been replaced further up.
                if tree.lookup(first)?.is_some_and(|found| is_first(&found, *layer)) {
                    self.numbers.insert(first.clone(), self.next);
                }
                self.known.insert(key, self.next);
                self.next
            }
        };
        self.numbers.insert(node.path.clone(), number);
        Ok(())
    }

    /// Forgets what is at a path and below it.
    pub(super) fn forget(&mut self, path: &[u8]) {
        self.numbers
            .retain(|name, _| name != path && !is_below(name, path));
    }

    /// All names with their numbers.
    pub(super) fn names(&self) -> impl Iterator<Item = (&[u8], usize)> {
        self.numbers
            .iter()
            .map(|(name, number)| (name.as_slice(), *number))
    }
}

fn is_first(node: &Node, wanted: usize) -> bool {
    matches!(&node.kind, NodeKind::File { first_name: None, layer, .. } if *layer == wanted)
}
