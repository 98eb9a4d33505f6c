//! [`Ready`]: what may start next. Pure: no threads, no clock, no ops.

use crate::vertex_id::VertexId;
use std::collections::{BTreeMap, BTreeSet};

/// The vertices still to do, and which of them wait for nothing.
///
/// Of several that may start, the one with the longest way to go behind it starts first; of equals, the one that was
/// added first.
#[derive(Debug, Default)]
pub struct Ready {
    waiting: BTreeMap<VertexId, Waiting>,
    /// Sorted by falling height, then by id.
    ready: BTreeSet<(std::cmp::Reverse<usize>, VertexId)>,
}

#[derive(Debug)]
struct Waiting {
    height: usize,
    missing: BTreeSet<VertexId>,
    users: Vec<VertexId>,
}

impl Ready {
    /// Takes what is to be done, inputs before users, and each one's inputs. Inputs that are not to be done themselves
    /// are done already.
    pub fn new<'a>(todo: impl IntoIterator<Item = (VertexId, &'a [VertexId])>) -> Self {
        let mut waiting: BTreeMap<VertexId, Waiting> = BTreeMap::new();
        let mut order = Vec::new();
        for (vertex, inputs) in todo {
            let mut missing = BTreeSet::new();
            for input in inputs {
                if let Some(node) = waiting.get_mut(input)
                    && missing.insert(*input)
                {
                    node.users.push(vertex);
                }
            }
            waiting.insert(
                vertex,
                Waiting {
                    height: 0,
                    missing,
                    users: Vec::new(),
                },
            );
            order.push(vertex);
        }
        for vertex in order.iter().rev() {
            let users = waiting.get(vertex).map_or(&[][..], |node| &node.users);
            let height = users
                .iter()
                .filter_map(|user| waiting.get(user))
                .map(|user| user.height + 1)
                .max();
            if let Some(node) = waiting.get_mut(vertex) {
                node.height = height.unwrap_or(0);
            }
        }
        let free = waiting.iter().filter(|(_, node)| node.missing.is_empty());
        let ready = free
            .map(|(vertex, node)| (std::cmp::Reverse(node.height), *vertex))
            .collect();
        Self { waiting, ready }
    }

    /// The next to start; it will not be given out again.
    pub fn pop(&mut self) -> Option<VertexId> {
        self.ready.pop_first().map(|(_, vertex)| vertex)
    }

    /// Takes back what could not be started after all.
    pub fn put_back(&mut self, vertex: VertexId) {
        if let Some(node) = self.waiting.get(&vertex) {
            self.ready.insert((std::cmp::Reverse(node.height), vertex));
        }
    }

    /// A vertex is done: its users may have become ready.
    pub fn done(&mut self, vertex: VertexId) {
        let Some(node) = self.waiting.remove(&vertex) else {
            return;
        };
        for user in node.users {
            if let Some(waiting) = self.waiting.get_mut(&user)
                && waiting.missing.remove(&vertex)
                && waiting.missing.is_empty()
            {
                self.ready.insert((std::cmp::Reverse(waiting.height), user));
            }
        }
    }

    /// Whether there is nothing to start now.
    pub fn is_empty(&self) -> bool {
        self.ready.is_empty()
    }

    /// Whether everything is done.
    pub fn is_finished(&self) -> bool {
        self.waiting.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(index: usize) -> VertexId {
        VertexId::from_index(index)
    }

    fn drain(ready: &mut Ready) -> Vec<usize> {
        std::iter::from_fn(|| ready.pop()).map(VertexId::index).collect()
    }

    #[test]
    fn the_longest_way_starts_first() {
        // 0 alone; 1 → 2 → 3; 4 → 3
        let mut ready = Ready::new([
            (id(0), &[][..]),
            (id(1), &[]),
            (id(2), &[id(1)]),
            (id(4), &[]),
            (id(3), &[id(2), id(4)]),
        ]);
        assert_eq!(drain(&mut ready), [1, 4, 0]);
        ready.done(id(1));
        assert_eq!(drain(&mut ready), [2]);
        ready.done(id(4));
        assert_eq!(drain(&mut ready), [] as [usize; 0]);
        ready.done(id(2));
        assert_eq!(drain(&mut ready), [3]);
        ready.done(id(3));
        assert!(!ready.is_finished());
        ready.done(id(0));
        assert!(ready.is_finished());
    }

    #[test]
    fn what_becomes_ready_is_sorted_in() {
        // 0 → 1; 0 → 2 → 3
        let mut ready = Ready::new([
            (id(0), &[][..]),
            (id(1), &[id(0)]),
            (id(2), &[id(0)]),
            (id(3), &[id(2)]),
        ]);
        assert_eq!(drain(&mut ready), [0]);
        ready.done(id(0));
        assert_eq!(drain(&mut ready), [2, 1]);
    }

    #[test]
    fn inputs_that_are_done_already_are_not_waited_for() {
        let mut ready = Ready::new([(id(7), &[id(1), id(2)][..])]);
        assert_eq!(drain(&mut ready), [7]);
        ready.put_back(id(7));
        assert_eq!(drain(&mut ready), [7]);
    }

    #[test]
    fn an_input_taken_twice_is_waited_for_once() {
        let mut ready = Ready::new([(id(0), &[][..]), (id(1), &[id(0), id(0)])]);
        assert_eq!(drain(&mut ready), [0]);
        ready.done(id(0));
        assert_eq!(drain(&mut ready), [1]);
        ready.done(id(1));
        ready.done(id(1));
        assert!(ready.is_finished());
    }
}
