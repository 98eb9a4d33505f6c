//! `type=bind`: files of the context, a stage or an image.

use super::{bind_of, lent};
use crate::engine::Engine;
use crate::ops::{OpError, StepOutput, copy};
use rbuild_layer::listing::{EntryKind, ancestors};
use rbuild_layer::tree::{LastLink, NodeKind, Resolved, Tree, TreeLayer, TreeView, Walk};
use rbuild_rootfs::absolute;
use rbuild_sandbox::{MountFlags, MountKind};
use rbuild_solver::Fingerprints;
use rbuild_store::snapshot::{Form, Snapshot};
use std::any::Any;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

/// What a key says about the files of a bind mount.
pub(in crate::ops) fn bind_fingerprints(
    inputs: &[StepOutput],
    input: usize,
    source: &str,
) -> Result<Fingerprints, OpError> {
    let Some(snapshot) = inputs.get(input).and_then(StepOutput::snapshot) else {
        return Ok(Fingerprints::default());
    };
    let tree = snapshot.tree()?;
    let Resolved {
        node: Some(node),
        path,
    } = tree.resolve(source.as_bytes(), LastLink::Follow)?
    else {
        return Ok(Fingerprints::default());
    };
    // The whole of a snapshot has a name already.
    if path.is_empty() {
        return Ok([("/", snapshot.content_id().to_hex())].into_iter().collect());
    }
    let mut files = vec![(b".".to_vec(), copy::fingerprint(&node, true))];
    tree.walk(&path, &mut |child| {
        let relative = child.path[path.len() + 1..].to_vec();
        files.push((relative, copy::fingerprint(&child, true)));
        Ok(Walk::Into)
    })?;
    Ok(files.into_iter().collect())
}

/// What appears at a target.
pub(super) fn bind(
    (source, target): (&str, &str),
    files: Option<&Snapshot>,
    writable: bool,
    engine: &Engine,
    guards: &mut Vec<Box<dyn Any + Send>>,
) -> Result<MountKind, OpError> {
    let missing = || OpError::MissingMountSource {
        path: source.to_owned(),
        target: target.to_owned(),
    };
    let tree = files.map(Snapshot::tree).transpose()?.unwrap_or_default();
    let Resolved { node, path } = tree.resolve(source.as_bytes(), LastLink::Follow)?;
    let node = node.ok_or_else(missing)?;
    let flags = MountFlags {
        read_only: !writable,
        ..MountFlags::default()
    };
    if !node.is_dir() {
        if !matches!(node.kind, NodeKind::File { .. }) {
            return Err(missing());
        }
        let (layer, _) = tree.locate(&path)?.ok_or_else(missing)?;
        // Writes to a single file could not be thrown away: it is read-only even where `rw` is asked for.
        let flags = MountFlags {
            read_only: true,
            ..flags
        };
        return Ok(MountKind::Bind {
            source: absolute(&path),
            source_root: Some(layer.files().to_owned()),
            recursive: false,
            lent: false,
            flags,
        });
    }
    if engine.snapshot_form() == Form::Directory {
        return copied((&tree, &path), flags, engine, guards);
    }
    let layers = files
        .map(|files| engine.snapshots.layers(files))
        .transpose()?
        .unwrap_or_default();
    let mut lowers = directories(&layers, &path)?;
    if !writable && lowers.len() == 1 {
        return Ok(bind_of(&lowers.swap_remove(0), flags));
    }
    let tmp = engine.store.tmp_dir()?;
    let make = |name: &str| -> Result<PathBuf, OpError> {
        let path = tmp.path().join(name);
        #[expect(clippy::disallowed_methods, reason = "a directory of the store")]
        std::fs::create_dir(&path)
            .map_err(|error| OpError::io(format!("creating `{}`", path.display()), error))?;
        Ok(path)
    };
    let (upper, work) = (make("upper")?, make("work")?);
    let root = rbuild_rootdir::Root::open(&upper)?;
    let meta = &node.meta;
    rbuild_rootdir::fchown(root.dir(), meta.uid, meta.gid)?;
    rbuild_rootdir::fchmod(root.dir(), meta.mode)?;
    guards.push(Box::new(tmp));
    Ok(MountKind::OverlayBind {
        lowers,
        upper,
        work,
        flags,
    })
}

/// A copy of a directory, where there are no overlays: what is written to it goes away with it.
fn copied(
    (tree, path): (&TreeView, &[u8]),
    flags: MountFlags,
    engine: &Engine,
    guards: &mut Vec<Box<dyn Any + Send>>,
) -> Result<MountKind, OpError> {
    let tmp = engine.store.tmp_dir()?;
    let root = rbuild_rootdir::Root::open(tmp.path())?;
    root.mkdir(b"copy")?;
    let source = tmp.path().join("copy");
    let copy = rbuild_rootdir::Root::open(&source)?;
    rbuild_layer::plain::copy_tree(tree, path, &copy, engine.store.stop())?;
    guards.push(Box::new(tmp));
    Ok(lent(bind_of(&source, flags), !engine.mounts()))
}

/// The directories that together are `path` of stacked layers, topmost first: what an overlay is made of.
fn directories(layers: &[TreeLayer], path: &[u8]) -> Result<Vec<PathBuf>, OpError> {
    let mut found = Vec::new();
    'layers: for layer in layers {
        let entry = |at: &[u8]| layer.entry(at).map_err(rbuild_layer::tree::TreeError::from);
        let mut last = false;
        for at in ancestors(path) {
            match entry(at)?.map(|entry| entry.kind.clone()) {
                Some(EntryKind::Dir { opaque }) => last |= opaque,
                Some(_) => break 'layers,
                None => {}
            }
        }
        match entry(path)?.map(|entry| entry.kind.clone()) {
            Some(EntryKind::Dir { opaque }) => {
                found.push(layer.files().join(OsStr::from_bytes(path)));
                last |= opaque;
            }
            Some(_) => break,
            None if path.is_empty() => found.push(layer.files().to_owned()),
            None => {}
        }
        if last {
            break;
        }
    }
    Ok(found)
}
