//! [`Graph`]: what depends on what. petgraph stays inside this file.

use crate::key::DefinitionDigest;
use crate::op::Op;
use crate::vertex_id::VertexId;
use petgraph::algo::astar;
use petgraph::stable_graph::{NodeIndex, StableDiGraph};
use petgraph::visit::{DfsPostOrder, Reversed};
use std::collections::{HashMap, HashSet};

/// An edge would have closed a circle.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("circular dependency: `{}`", names.join("` needs `"))]
pub struct CycleError {
    /// The vertices of the circle, each needing the next.
    pub path: Vec<VertexId>,
    /// Their names; the last is the first again.
    #[doc(hidden)]
    pub names: Vec<String>,
}

/// Ops and what each takes as input. Always acyclic.
pub struct Graph<O> {
    vertices: StableDiGraph<Node<O>, ()>,
    merged: HashMap<(DefinitionDigest, Vec<VertexId>), VertexId>,
}

struct Node<O> {
    op: O,
    /// In order and with repetitions, which edges do not keep.
    inputs: Vec<VertexId>,
}

/// Where petgraph has it.
fn node_of(vertex: VertexId) -> NodeIndex {
    NodeIndex::new(vertex.index())
}

impl<O> Default for Graph<O> {
    fn default() -> Self {
        Self {
            vertices: StableDiGraph::default(),
            merged: HashMap::new(),
        }
    }
}

impl<O: Op> Graph<O> {
    /// A graph without vertices.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds work that takes these inputs. If a vertex of the same definition and the same inputs is there already,
    /// that one is returned and `op` is dropped.
    ///
    /// # Panics
    /// When an input is not of this graph: a bug of the caller.
    pub fn add(&mut self, op: O, inputs: &[VertexId]) -> VertexId {
        assert!(
            inputs.iter().all(|input| self.contains(*input)),
            "an input of `{}` is not in this graph",
            op.name()
        );
        let identity = op.definition().map(|definition| (definition, inputs.to_vec()));
        if let Some(twin) = identity.as_ref().and_then(|identity| self.merged.get(identity)) {
            return *twin;
        }
        let node = self.vertices.add_node(Node {
            op,
            inputs: inputs.to_vec(),
        });
        // One edge for each. Asking petgraph whether it is there already means a look at all edges of the input.
        let mut distinct = HashSet::new();
        for input in inputs.iter().filter(|input| distinct.insert(**input)) {
            self.vertices.add_edge(node_of(*input), node, ());
        }
        let vertex = VertexId::from_index(node.index());
        if let Some(identity) = identity {
            self.merged.insert(identity, vertex);
        }
        vertex
    }

    /// Gives `vertex` one more input, behind those it has. It is merged with nothing from now on.
    ///
    /// # Errors
    /// [`CycleError`] when `input` needs `vertex`; the graph is unchanged.
    ///
    /// # Panics
    /// When one of them is not of this graph: a bug of the caller.
    pub fn connect(&mut self, vertex: VertexId, input: VertexId) -> Result<(), CycleError> {
        assert!(
            self.contains(vertex) && self.contains(input),
            "{vertex} or {input} is not in this graph"
        );
        if let Some(path) = self.circle(vertex, input) {
            let names = path
                .iter()
                .chain(path.first())
                .map(|vertex| self.op(*vertex).name().to_owned())
                .collect();
            return Err(CycleError { path, names });
        }
        self.merged.retain(|_, merged| *merged != vertex);
        self.vertices.update_edge(node_of(input), node_of(vertex), ());
        self.vertices[node_of(vertex)].inputs.push(input);
        Ok(())
    }

    /// Whether the vertex is there (it may have been pruned).
    pub fn contains(&self, vertex: VertexId) -> bool {
        self.vertices.contains_node(node_of(vertex))
    }

    /// How many vertices.
    pub fn len(&self) -> usize {
        self.vertices.node_count()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The vertices in the order of adding.
    pub fn vertices(&self) -> impl Iterator<Item = VertexId> {
        self.vertices
            .node_indices()
            .map(|node| VertexId::from_index(node.index()))
    }

    /// What a vertex does.
    pub fn op(&self, vertex: VertexId) -> &O {
        &self.vertices[node_of(vertex)].op
    }

    /// What a vertex takes, in order.
    pub fn inputs(&self, vertex: VertexId) -> &[VertexId] {
        &self.vertices[node_of(vertex)].inputs
    }

    /// Drops what no target needs. Ids stay.
    pub fn prune(&mut self, targets: &[VertexId]) {
        let needed: HashSet<VertexId> = self.order(targets).into_iter().collect();
        self.vertices
            .retain_nodes(|_, node| needed.contains(&VertexId::from_index(node.index())));
        self.merged.retain(|_, vertex| needed.contains(vertex));
    }

    /// What the targets need, targets included: depth first, each vertex behind its inputs.
    pub fn order(&self, targets: &[VertexId]) -> Vec<VertexId> {
        let towards_inputs = Reversed(&self.vertices);
        let mut walk = DfsPostOrder::empty(towards_inputs);
        let mut order = Vec::new();
        for target in targets.iter().filter(|target| self.contains(**target)) {
            walk.move_to(node_of(*target));
            while let Some(node) = walk.next(towards_inputs) {
                order.push(VertexId::from_index(node.index()));
            }
        }
        order
    }

    /// The circle that the edge from `input` to `vertex` would close: `vertex`, then each the input of the one before.
    fn circle(&self, vertex: VertexId, input: VertexId) -> Option<Vec<VertexId>> {
        let is_input = |node| node == node_of(input);
        let (_, path) = astar(&self.vertices, node_of(vertex), is_input, |_| 1, |_| 0)?;
        let (first, users) = path.split_first()?;
        let circle = std::iter::once(first).chain(users.iter().rev());
        Some(circle.map(|node| VertexId::from_index(node.index())).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::KeyHasher;
    use crate::op::{Effort, RunContext};
    use crate::preimage::Preimage;

    struct Named(&'static str, bool);

    impl Op for Named {
        type Output = ();
        type Error = std::fmt::Error;

        fn name(&self) -> &str {
            self.0
        }

        fn definition(&self) -> Option<DefinitionDigest> {
            self.1.then(|| KeyHasher::new(self.0, 1).finish_definition())
        }

        fn preimage(&self, _: &[()], _: Effort) -> Result<Option<Preimage>, Self::Error> {
            Ok(None)
        }

        fn run(&self, _: &[()], _: &RunContext<'_>) -> Result<(), Self::Error> {
            Ok(())
        }
    }

    fn names(graph: &Graph<Named>, order: &[VertexId]) -> Vec<&'static str> {
        order.iter().map(|vertex| graph.op(*vertex).0).collect()
    }

    #[test]
    fn equal_vertices_are_merged_and_others_are_not() {
        let mut graph = Graph::new();
        let base = graph.add(Named("base", true), &[]);
        assert_eq!(graph.add(Named("base", true), &[]), base);
        let step = graph.add(Named("step", true), &[base]);
        assert_eq!(graph.add(Named("step", true), &[base]), step);
        assert_ne!(
            graph.add(Named("step", true), &[base, base]),
            step,
            "other inputs"
        );
        assert_ne!(graph.add(Named("step", true), &[step]), step, "another input");
        assert_ne!(
            graph.add(Named("single", false), &[]),
            graph.add(Named("single", false), &[])
        );
    }

    #[test]
    fn order_is_depth_first_with_inputs_first_and_only_what_is_needed() {
        let mut graph = Graph::new();
        let left = graph.add(Named("left", true), &[]);
        let right = graph.add(Named("right", true), &[]);
        let unused = graph.add(Named("unused", true), &[left]);
        let upper = graph.add(Named("upper", true), &[right]);
        let top = graph.add(Named("top", true), &[upper, left, upper]);
        assert_eq!(
            names(&graph, &graph.order(&[top])),
            ["right", "upper", "left", "top"]
        );
        assert_eq!(
            names(&graph, &graph.order(&[left, top, left])),
            ["left", "right", "upper", "top"]
        );
        assert_eq!(graph.inputs(top), [upper, left, upper]);

        graph.prune(&[top]);
        assert_eq!(graph.len(), 4);
        assert!(!graph.contains(unused));
        assert_eq!(graph.op(top).0, "top", "ids stay");
        let again = graph.add(Named("unused", true), &[left]);
        assert!(graph.contains(again), "what was pruned can be added again");
    }

    #[test]
    fn a_circle_is_refused_with_its_path() {
        let mut graph = Graph::new();
        let a = graph.add(Named("a", true), &[]);
        let b = graph.add(Named("b", true), &[a]);
        let side = graph.add(Named("side", true), &[]);
        let c = graph.add(Named("c", true), &[side, b]);
        let error = graph.connect(a, c).unwrap_err();
        assert_eq!(error.path, [a, c, b]);
        assert_eq!(
            error.to_string(),
            "circular dependency: `a` needs `c` needs `b` needs `a`"
        );
        assert_eq!(
            graph.connect(a, a).unwrap_err().to_string(),
            "circular dependency: `a` needs `a`"
        );
        assert!(graph.inputs(a).is_empty(), "a refused edge leaves no trace");

        graph.connect(a, side).unwrap();
        assert_eq!(names(&graph, &graph.order(&[c])), ["side", "a", "b", "c"]);
        assert_ne!(
            graph.add(Named("a", true), &[]),
            a,
            "a connected vertex is not what it was"
        );
    }
}
