//! [`PatternSet`]: all patterns of an ignore file, matched against a path in one pass.
//!
//! The patterns are a tree of steps: what begins alike is looked at once, so thousands of patterns cost little more
//! than one. A pass holds the places in the tree that the path so far may have led to.

use crate::matcher::{Chars, Token};

/// One step of an ignore pattern. Characters sort first, so that they are found by binary search.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Label {
    /// What globs have too.
    Token(Token),
    /// Nothing, or anything up to and with a `/`: `(.*/)?`.
    Dirs,
    /// Anything.
    Rest,
}

/// What a pattern is matched by.
pub(super) struct Steps {
    /// In order.
    pub steps: Vec<Label>,
    /// `!`.
    pub reinclude: bool,
}

/// The patterns of a file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct PatternSet {
    /// The root first, each before its children.
    nodes: Vec<Node>,
    /// Those of one node stand together, in order of their steps.
    edges: Vec<Edge>,
}

/// Numbers of patterns count from 1 here; 0 is none.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Node {
    first_edge: usize,
    stay: Stay,
    /// The last pattern that ends here.
    accepts: usize,
    /// The last pattern that ends here or further down.
    last: usize,
    /// As `last`, of those with `!`.
    last_reinclude: usize,
}

/// Which characters a place in the tree may be held over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stay {
    No,
    /// `*`: all but `/`.
    Name,
    /// All.
    Rest,
    /// Within `Dirs`: all, and a `/` leads on.
    Dirs,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Edge {
    from: usize,
    step: Label,
    to: usize,
}

/// What a path led to.
pub(super) struct Found {
    /// The last pattern that matches the path or a parent of it.
    pub last: Option<usize>,
    /// Whether a later pattern with `!` may match something below the path.
    pub reincludes_below: bool,
}

impl PatternSet {
    /// The numbers that are told later are positions in this list.
    pub(super) fn new(patterns: &[Steps]) -> Self {
        let mut sorted: Vec<(usize, &Steps)> = patterns.iter().enumerate().collect();
        sorted.sort_by_key(|(_, pattern)| &pattern.steps);
        let mut set = Self::default();
        set.nodes.push(Node::new(Stay::No));
        // The nodes that the pattern before went through, the root first.
        let mut way = vec![0];
        let mut before: &[Label] = &[];
        for (index, pattern) in sorted {
            let steps = pattern.steps.as_slice();
            let shared = steps.iter().zip(before).take_while(|(a, b)| a == b).count();
            way.truncate(shared + 1);
            for step in steps.get(shared..).unwrap_or_default() {
                let from = way.last().copied().unwrap_or(0);
                way.push(set.grow(from, step));
            }
            let end = way.last().copied().unwrap_or(0);
            let node = &mut set.nodes[end];
            node.accepts = node.accepts.max(index + 1);
            node.last = node.accepts;
            if pattern.reinclude {
                node.last_reinclude = node.last_reinclude.max(index + 1);
            }
            before = steps;
        }
        for edge in set.edges.iter().rev() {
            let (last, reinclude) = (set.nodes[edge.to].last, set.nodes[edge.to].last_reinclude);
            let parent = &mut set.nodes[edge.from];
            parent.last = parent.last.max(last);
            parent.last_reinclude = parent.last_reinclude.max(reinclude);
        }
        set.edges.sort_by_key(|edge| edge.from);
        let mut first = 0;
        for (at, node) in set.nodes.iter_mut().enumerate() {
            node.first_edge = first;
            first += set.edges[first..]
                .iter()
                .take_while(|edge| edge.from == at)
                .count();
        }
        set
    }

    /// A new node behind `from`.
    fn grow(&mut self, from: usize, step: &Label) -> usize {
        let (stay, is_dirs) = match step {
            Label::Token(Token::Star) => (Stay::Name, false),
            Label::Token(_) => (Stay::No, false),
            Label::Rest => (Stay::Rest, false),
            Label::Dirs => (Stay::Dirs, true),
        };
        let to = self.nodes.len();
        self.nodes.push(Node::new(stay));
        let step = step.clone();
        self.edges.push(Edge { from, step, to });
        if is_dirs {
            // What follows is reached from within at a `/`, and at once.
            self.nodes.push(Node::new(Stay::No));
            let step = Label::Dirs;
            self.edges.push(Edge {
                from: to,
                step,
                to: to + 1,
            });
            return to + 1;
        }
        to
    }

    /// What is found for a path that is not empty.
    pub(super) fn find(&self, path: &[u8]) -> Found {
        let mut pass = Pass {
            set: self,
            last: 0,
            places: Vec::new(),
        };
        let mut before = Vec::new();
        pass.enter(0);
        for ch in Chars(path) {
            if ch == Some('/') {
                pass.accept();
            }
            std::mem::swap(&mut before, &mut pass.places);
            pass.step(&before, ch);
        }
        pass.accept();
        let last = pass.last;
        std::mem::swap(&mut before, &mut pass.places);
        pass.step(&before, Some('/'));
        let reincludes = |place: &usize| self.nodes[*place].last_reinclude > last;
        Found {
            last: last.checked_sub(1),
            reincludes_below: pass.places.iter().any(reincludes),
        }
    }

    fn edges(&self, node: usize) -> &[Edge] {
        let end = self
            .nodes
            .get(node + 1)
            .map_or(self.edges.len(), |next| next.first_edge);
        &self.edges[self.nodes[node].first_edge..end]
    }
}

impl Node {
    fn new(stay: Stay) -> Self {
        Self {
            first_edge: 0,
            stay,
            accepts: 0,
            last: 0,
            last_reinclude: 0,
        }
    }
}

struct Pass<'s> {
    set: &'s PatternSet,
    /// The last pattern that matched so far.
    last: usize,
    places: Vec<usize>,
}

impl Pass<'_> {
    /// Takes a place in, and those behind it that need no character; none from which only patterns are reached that
    /// would not decide any more.
    fn enter(&mut self, node: usize) {
        let mut at = self.places.len();
        self.push(node);
        while let Some(place) = self.places.get(at).copied() {
            at += 1;
            // They sort last.
            for edge in self.set.edges(place).iter().rev() {
                match edge.step {
                    Label::Token(Token::Star) | Label::Dirs | Label::Rest => self.push(edge.to),
                    Label::Token(_) => break,
                }
            }
        }
    }

    fn push(&mut self, node: usize) {
        if self.set.nodes[node].last > self.last {
            self.places.push(node);
        }
    }

    /// From the places of before over one character; `None` is a byte that is no text.
    fn step(&mut self, before: &[usize], ch: Option<char>) {
        self.places.clear();
        let is_slash = ch == Some('/');
        for place in before {
            let edges = self.set.edges(*place);
            match self.set.nodes[*place].stay {
                Stay::Name if !is_slash => self.enter(*place),
                Stay::Rest => self.enter(*place),
                Stay::Dirs => {
                    self.push(*place);
                    if let (true, Some(edge)) = (is_slash, edges.first()) {
                        self.enter(edge.to);
                    }
                    continue;
                }
                Stay::No | Stay::Name => {}
            }
            let chars = edges.partition_point(|edge| matches!(edge.step, Label::Token(Token::Char(_))));
            let (literal, others) = edges.split_at(chars);
            let found = ch.and_then(|ch| {
                let step = Label::Token(Token::Char(ch));
                literal.binary_search_by(|edge| edge.step.cmp(&step)).ok()
            });
            if let Some(edge) = found.and_then(|at| literal.get(at)) {
                self.enter(edge.to);
            }
            for edge in others {
                if matches!(&edge.step, Label::Token(token) if *token != Token::Star && token.matches(ch)) {
                    self.enter(edge.to);
                }
            }
        }
        self.places.sort_unstable();
        self.places.dedup();
    }

    fn accept(&mut self) {
        let accepted = self.places.iter().map(|place| self.set.nodes[*place].accepts);
        self.last = self.last.max(accepted.max().unwrap_or(0));
    }
}
