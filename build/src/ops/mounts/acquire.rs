//! `RUN --mount=type=cache`: the store's copy of the directory, with its owner, mode and first files.

use crate::engine::Engine;
use crate::ops::OpError;
use dockerfile_parser::mount::Sharing;
use rbuild_layer::tree::{LastLink, NodeKind, Tree, TreeView};
use rbuild_solver::CancelToken;
use rbuild_store::cache_mount::{self as store, CacheMount, CacheMountClaim, CacheMountName};
use rustix::io::Errno;
use std::io;
use std::path::Path;

/// Takes a copy of the cache `name`; waits when another step has it and `sharing` says so. A new copy gets
/// (mode, uid, gid) and the files of `seed`. `waiting` is called before a wait.
///
/// # Errors
/// The store cannot be written.
pub(super) fn acquire(
    engine: &Engine,
    name: &CacheMountName,
    sharing: Sharing,
    (mode, uid, gid): (u32, u32, u32),
    seed: Option<(TreeView, &str)>,
    waiting: &dyn Fn(),
    cancel: &CancelToken,
) -> Result<CacheMount, OpError> {
    let sharing = match sharing {
        Sharing::Shared => store::Sharing::Shared,
        Sharing::Private => store::Sharing::Private,
        Sharing::Locked => store::Sharing::Locked,
    };
    let init = |path: &Path| -> io::Result<()> {
        let root = rbuild_rootdir::Root::open(path)?;
        if let Some((tree, source)) = &seed {
            fill(&root, tree, source).map_err(io::Error::other)?;
        }
        rbuild_rootdir::fchown(root.dir(), uid, gid).map_err(|error| match error.errno {
            Errno::INVAL => io::Error::other(format!(
                "its owner {uid}:{gid} is outside the range that the user namespace maps"
            )),
            _ => error.into(),
        })?;
        Ok(rbuild_rootdir::fchmod(
            root.dir(),
            u16::try_from(mode & 0o7777).unwrap_or(0o755),
        )?)
    };
    match engine.store.try_cache_mount(name, sharing, &init)? {
        CacheMountClaim::Held(mount) => Ok(mount),
        CacheMountClaim::Busy => {
            waiting();
            engine
                .store
                .wait_cache_mount_or(name, &init, &|| cancel.is_cancelled())?
                .ok_or(OpError::Cancelled)
        }
    }
}

/// Copies the files below `source` of a tree into a new cache directory.
fn fill(root: &rbuild_rootdir::Root, tree: &TreeView, source: &str) -> Result<(), OpError> {
    let resolved = tree.resolve(source.as_bytes(), LastLink::Follow)?;
    let Some(top) = resolved.node.filter(|node| node.is_dir()) else {
        return Err(OpError::MissingMountSource {
            path: source.to_owned(),
            target: "a cache".to_owned(),
        });
    };
    let mut nodes = Vec::new();
    tree.walk(&top.path, &mut |node| {
        nodes.push(node);
        Ok(rbuild_layer::tree::Walk::Into)
    })?;
    let skip = if top.path.is_empty() {
        0
    } else {
        top.path.len() + 1
    };
    for node in &nodes {
        let path = &node.path[skip..];
        match &node.kind {
            NodeKind::Dir => root.mkdir(path)?,
            NodeKind::Symlink(target) => {
                root.symlink(path, target)?;
                continue;
            }
            NodeKind::File { .. } => {
                let mut from = tree.open(&node.path)?;
                let mut to = root.create_file(path)?;
                io::copy(&mut from, &mut to).map_err(|error| OpError::io("filling a cache mount", error))?;
            }
            NodeKind::Fifo | NodeKind::CharDevice(_) | NodeKind::BlockDevice(_) => continue,
        }
        root.chown(path, node.meta.uid, node.meta.gid)?;
        root.chmod(path, node.meta.mode)?;
    }
    // Build tools compare times. Children last to first: a directory's time changes with what is put into it.
    for node in nodes.iter().rev() {
        if !matches!(
            node.kind,
            NodeKind::Fifo | NodeKind::CharDevice(_) | NodeKind::BlockDevice(_)
        ) {
            root.set_mtime(&node.path[skip..], node.meta.mtime)?;
        }
    }
    Ok(())
}
