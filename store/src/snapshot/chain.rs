//! What a chain of snapshots is as one tree. Parts of a long one are folded, so that a question to it is not one to each
//! of its layers: of 5,000 layers that are small, at most 45 parts are asked.
//!
//! Which layers are folded depends on where they stand alone, as the digits of a number do: those up to a multiple of 16
//! are folded into one, 16 such up to a multiple of 256, and so on. So a chain that grows by one is folded anew at its
//! end only, and all chains on one snapshot share what it is folded into.

use std::sync::{Arc, OnceLock};

use rbuild_layer::tree::{Folded, Run, TreeView};

use super::meta::Meta;
use super::{Snapshot, SnapshotError};

/// How many parts are folded into one.
const FAN: usize = 16;

/// The most layers in one part.
const MOST: usize = FAN.pow(3);

/// A layer with more entries is a part by itself: what is folded is held in memory.
const SMALL: u64 = 128;

/// Where a snapshot stands in its chain.
#[derive(Debug)]
pub(super) struct Place {
    /// How many layers there are up to this one, itself counted, beside those of an image that it begins with.
    height: usize,
    /// Small layers up to this one, itself counted; 0 for one that is not small.
    number: usize,
    /// How many layers are in the part that ends here.
    layers: usize,
    /// What that part stands on.
    below: Option<Snapshot>,
    part: OnceLock<Run>,
}

impl Place {
    pub(super) fn new(parent: Option<&Snapshot>, meta: &Meta) -> Place {
        let is_small = meta.imported.is_none() && meta.entries <= SMALL;
        let number = match is_small {
            true => parent.map_or(0, |parent| parent.0.place.number) + 1,
            false => 0,
        };
        let mut layers = 1;
        while number > 0 && layers < MOST && number.is_multiple_of(layers * FAN) {
            layers *= FAN;
        }
        let height = match meta.imported {
            Some(_) => 0,
            None => parent.map_or(0, Snapshot::height) + 1,
        };
        Place {
            height,
            number,
            layers,
            below: parent.and_then(|parent| parent.chain().nth(layers - 1)).cloned(),
            part: OnceLock::new(),
        }
    }

    /// Gives up what is below: somebody else's parent too, until now.
    pub(super) fn leave(&mut self) {
        self.below = None;
    }
}

impl Snapshot {
    /// This and all below it, topmost first.
    pub fn chain(&self) -> impl Iterator<Item = &Snapshot> {
        std::iter::successors(Some(self), |snapshot| snapshot.parent())
    }

    /// How many layers there are up to this one, beside those of an image that it begins with.
    pub(super) fn height(&self) -> usize {
        self.0.place.height
    }

    /// All its files as a container sees them.
    pub fn tree(&self) -> Result<TreeView, SnapshotError> {
        Ok(TreeView::of(self.stack()?))
    }

    /// The same, and of how many of its parts: those of the lowest snapshots, all but `upper` of the chain.
    pub(super) fn tree_above(&self, upper: usize) -> Result<(TreeView, usize), SnapshotError> {
        let mut stack = Vec::with_capacity(upper);
        for snapshot in self.chain().take(upper) {
            stack.push(Run::Layer(snapshot.layer()?.clone()));
        }
        if stack.len() > FAN {
            stack = vec![Run::Folded(Arc::new(Folded::new(&stack)?))];
        }
        let kept = match self.chain().nth(upper) {
            Some(kept) => kept.stack()?,
            None => Vec::new(),
        };
        let count = kept.len();
        stack.extend(kept);
        Ok((TreeView::of(stack), count))
    }

    /// The parts of its chain, topmost first.
    fn stack(&self) -> Result<Vec<Run>, SnapshotError> {
        std::iter::successors(Some(self), |snapshot| snapshot.0.place.below.as_ref())
            .map(Snapshot::part)
            .collect()
    }

    /// The part that ends here.
    fn part(&self) -> Result<Run, SnapshotError> {
        let place = &self.0.place;
        if place.layers == 1 {
            return Ok(Run::Layer(self.layer()?.clone()));
        }
        if let Some(part) = place.part.get() {
            return Ok(part.clone());
        }
        let mut parts = vec![Run::Layer(self.layer()?.clone())];
        let mut at = self.parent();
        while let Some(snapshot) = at
            && snapshot.0.place.number > place.number - place.layers
        {
            parts.push(snapshot.part()?);
            at = snapshot.0.place.below.as_ref();
        }
        let part = Run::Folded(Arc::new(Folded::new(&parts)?));
        Ok(place.part.get_or_init(|| part).clone())
    }
}
