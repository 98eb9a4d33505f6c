//! A tree of files as a container sees it, without a mount.
//!
//! [`Tree`] is what a source or destination of `COPY` looks like; the build context offers the same shape elsewhere.
//! [`TreeView`] is the one over stacked layers: it answers from their listings and touches the files only to open one.
//! Nothing is written here.

mod fold;
mod merge;
mod squash;
#[cfg(test)]
pub(crate) mod stacks;
mod view;

use std::fs::File;

use crate::hash::FileHash;
use crate::listing::{ListingError, Metadata, join, parent};

pub use fold::Folded;
pub use rbuild_rootdir::LastLink;
pub use view::default_root;
pub use view::{Run, TreeLayer, TreeView};

/// What is at a path of a tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// Relative to the root, no link in any but the last name; empty for the root itself.
    pub path: Vec<u8>,
    /// What it is.
    pub kind: NodeKind,
    /// Owner, mode, time, extended attributes.
    pub meta: Metadata,
}

/// The kinds of nodes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NodeKind {
    /// A regular file.
    File {
        /// Length in bytes.
        size: u64,
        /// Hash of the content, where it is known without reading the file.
        hash: Option<FileHash>,
        /// For a further name of a hard-linked file: its first name. Two files are one inode if they are in one layer
        /// and their first names (the own path counts for the first itself) are equal.
        first_name: Option<Vec<u8>>,
        /// Which layer of the tree it is in: a first name that was replaced in an upper layer is another file.
        layer: usize,
    },
    /// A directory.
    Dir,
    /// A symbolic link with this text.
    Symlink(Vec<u8>),
    /// A named pipe.
    Fifo,
    /// A character device with its number.
    CharDevice(u64),
    /// A block device with its number.
    BlockDevice(u64),
}

impl Node {
    /// True for a directory.
    pub fn is_dir(&self) -> bool {
        self.kind == NodeKind::Dir
    }
}

/// What can go wrong when a tree is asked.
#[derive(Debug, thiserror::Error)]
pub enum TreeError {
    /// A listing could not be read.
    #[error(transparent)]
    Listing(#[from] ListingError),
    /// A file could not be opened.
    #[error(transparent)]
    Access(#[from] rbuild_rootdir::Error),
    /// A path goes on below something that is no directory.
    #[error("`{}` is not a directory", String::from_utf8_lossy(.0))]
    NotADirectory(Vec<u8>),
    /// A file was asked for, and something else is there, or nothing.
    #[error("`{}` is not a regular file", String::from_utf8_lossy(.0))]
    NotAFile(Vec<u8>),
    /// A symbolic link on the way leads to something that is not there.
    #[error("`{}` is a symbolic link that leads nowhere", String::from_utf8_lossy(.0))]
    DanglingLink(Vec<u8>),
    /// Symbolic links lead in a circle.
    #[error("too many levels of symbolic links in `{}`", String::from_utf8_lossy(.0))]
    TooManyLinks(Vec<u8>),
}

/// Where a path leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resolved {
    /// The path without links: what exists of it is real directories; the rest is as it was written.
    pub path: Vec<u8>,
    /// What is there.
    pub node: Option<Node>,
}

/// What to do below a directory that was visited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Walk {
    /// Go into it.
    Into,
    /// Leave out all below it. The same as `Into` for what is no directory.
    Over,
    /// End the walk.
    Stop,
}

/// A tree of files, read-only. Paths are raw bytes, relative to its root.
pub trait Tree: Send + Sync {
    /// What is at `path`; no link is followed, neither on the way (then the answer is `None`) nor at the end.
    fn lookup(&self, path: &[u8]) -> Result<Option<Node>, TreeError>;

    /// What is directly in `dir`, sorted by name. Empty when `dir` is no directory.
    fn list(&self, dir: &[u8]) -> Result<Vec<Node>, TreeError>;

    /// Opens the file at `path`, which holds no links.
    fn open(&self, path: &[u8]) -> Result<File, TreeError>;

    /// Visits all below `dir`, parents first, siblings sorted by name.
    fn walk(
        &self,
        dir: &[u8],
        visit: &mut dyn FnMut(Node) -> Result<Walk, TreeError>,
    ) -> Result<(), TreeError> {
        walk_by_list(self, dir, visit).map(|_| ())
    }

    /// Follows a path as a process in the tree would: links, `.` and `..` stay inside the root. Names that do not
    /// exist (yet) are kept.
    fn resolve(&self, path: &[u8], last: LastLink) -> Result<Resolved, TreeError> {
        resolve_by(&mut |path| self.lookup(path), path, last, Missing::Kept)
    }
}

/// Answers what is at a path.
type Lookup<'a> = dyn FnMut(&[u8]) -> Result<Option<Node>, TreeError> + 'a;

/// What a name means that does not exist.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Missing {
    /// It is kept.
    Kept,
    /// It is kept if it is of the path itself; where a link asks for it the answer is [`TreeError::DanglingLink`].
    KeptUnlessLinked,
}

/// [`Tree::resolve`] for whatever can look up a path.
pub(crate) fn resolve_by(
    lookup: &mut Lookup<'_>,
    path: &[u8],
    last: LastLink,
    missing: Missing,
) -> Result<Resolved, TreeError> {
    let mut way = Way::new(path);
    // False as soon as a name does not exist: then there is nothing more to follow.
    let mut node = lookup(b"")?;
    while let Some(name) = way.rest.pop() {
        if name == b".." {
            way.at = parent(&way.at).unwrap_or_default().to_vec();
            node = lookup(&way.at)?;
            continue;
        }
        match &node {
            Some(node) if !node.is_dir() => return Err(TreeError::NotADirectory(node.path.clone())),
            None => {
                way.at = join(&way.at, &name);
                continue;
            }
            Some(_) => {}
        }
        let here = join(&way.at, &name);
        let found = lookup(&here)?;
        if found.is_none()
            && missing == Missing::KeptUnlessLinked
            && let Some(link) = way.link()
        {
            return Err(TreeError::DanglingLink(link.to_vec()));
        }
        if let Some(Node {
            kind: NodeKind::Symlink(target),
            ..
        }) = &found
            && (!way.rest.is_empty() || last == LastLink::Follow || way.wants_dir)
        {
            way.follow(here, target, path)?;
            if target.first() == Some(&b'/') {
                node = lookup(b"")?;
            }
            continue;
        }
        way.at = here;
        node = found;
    }
    if let Some(node) = &node
        && way.wants_dir
        && !node.is_dir()
    {
        return Err(TreeError::NotADirectory(node.path.clone()));
    }
    Ok(Resolved { path: way.at, node })
}

/// What of a path has been walked, and what is left.
struct Way {
    at: Vec<u8>,
    /// The next name is the last one.
    rest: Vec<Vec<u8>>,
    wants_dir: bool,
    links: usize,
    /// The last link that was followed, and how many names were behind it.
    followed: Option<(Vec<u8>, usize)>,
}

impl Way {
    fn new(path: &[u8]) -> Self {
        let mut way = Self {
            at: Vec::new(),
            rest: Vec::new(),
            wants_dir: wants_dir(path),
            links: 0,
            followed: None,
        };
        way.take_up(path);
        way
    }

    fn take_up(&mut self, path: &[u8]) {
        let names = rbuild_rootdir::components(path).rev();
        self.rest.extend(names.map(<[u8]>::to_vec));
    }

    /// The link in whose text the last name stood.
    fn link(&self) -> Option<&[u8]> {
        let (link, behind) = self.followed.as_ref()?;
        (self.rest.len() >= *behind).then_some(link)
    }

    /// Goes on with the text of a link; `path` is the one that was asked for.
    fn follow(&mut self, link: Vec<u8>, target: &[u8], path: &[u8]) -> Result<(), TreeError> {
        const MAX_LINKS: usize = 40;
        self.links += 1;
        if self.links > MAX_LINKS {
            return Err(TreeError::TooManyLinks(path.to_vec()));
        }
        // Within a link's text another link counts as that text.
        let behind = match &self.followed {
            Some((_, behind)) if self.rest.len() >= *behind => *behind,
            _ => self.rest.len(),
        };
        self.followed = Some((link, behind));
        if target.first() == Some(&b'/') {
            self.at.clear();
        }
        self.wants_dir |= self.rest.is_empty() && wants_dir(target);
        self.take_up(target);
        Ok(())
    }
}

fn wants_dir(path: &[u8]) -> bool {
    path.ends_with(b"/") || path.ends_with(b"/.")
}

/// The plain way to walk: list, visit, go deeper. `false` when a visitor ended it.
fn walk_by_list(
    tree: &(impl Tree + ?Sized),
    dir: &[u8],
    visit: &mut dyn FnMut(Node) -> Result<Walk, TreeError>,
) -> Result<bool, TreeError> {
    let mut pending: Vec<Node> = tree.list(dir)?;
    pending.reverse();
    while let Some(node) = pending.pop() {
        let (path, is_dir) = (node.path.clone(), node.is_dir());
        match visit(node)? {
            Walk::Stop => return Ok(false),
            Walk::Into if is_dir => pending.extend(tree.list(&path)?.into_iter().rev()),
            _ => {}
        }
    }
    Ok(true)
}
