//! `COPY` and `ADD`: select, plan, write (ARCHITECTURE, "COPY without a mount").

mod key;
mod plan;
mod select;
mod sources;
#[cfg(test)]
mod tests;

pub(crate) use key::fingerprint;
pub(super) use key::{part, preimage};
pub use select::names_any;
pub(super) use sources::Sources;

use super::spec::{CopySource, CopySpec, Step};
use super::{OpError, StepOutput, owner};
use crate::engine::Engine;
use plan::{Planned, Planner, What};
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::Read;
use std::sync::Arc;

use rbuild_store::hash::FileHash;
use rbuild_store::layer::{FileSource, LayerError, Limits};
use rbuild_store::manifest::Metadata;
use rbuild_store::snapshot::{LayerBuilder, SnapshotError};
use rbuild_store::tree::{Node, NodeKind, Tree, TreeView};

/// The layer of an earlier result, on top of what is below now.
pub(super) fn transplant(
    inputs: &[StepOutput],
    earlier: &StepOutput,
    engine: &Engine,
) -> Result<Option<StepOutput>, OpError> {
    let Some(scion) = earlier.snapshot() else {
        return Ok(None);
    };
    let parent = inputs.first().and_then(StepOutput::snapshot);
    let committed = engine
        .snapshots
        .transplant(scion, parent, &engine.commit_options())?;
    Ok(committed.map(StepOutput::committed))
}

pub(super) fn run(
    spec: &CopySpec,
    step: &Step,
    inputs: &[StepOutput],
    sources: &Sources,
    engine: &Engine,
) -> Result<StepOutput, OpError> {
    let parent = inputs.first().and_then(StepOutput::snapshot);
    let dest = match parent {
        Some(parent) if !spec.link => parent.tree()?,
        _ => TreeView::default(),
    };
    let chown = spec
        .chown
        .as_deref()
        .map(|chown| owner::chown(&dest, chown))
        .transpose()?;
    let mut planner = Planner::new(
        &dest,
        chown,
        spec.chmod.as_ref().map(|chmod| &chmod.rules),
        spec.default_mtime,
    );
    let only_directory = spec.sources.len() > 1 && !spec.dest.ends_with('/');
    if only_directory && !planner.destination(&spec.dest)?.1 {
        return Err(OpError::ManySources {
            dest: spec.dest.clone(),
        });
    }
    let inline = spec
        .sources
        .iter()
        .filter(|source| matches!(source, CopySource::Inline { .. }))
        .count();
    let many = sources.selected.len() + inline > 1;
    let mut archives = Vec::new();
    for (at, source) in spec.sources.iter().enumerate() {
        if let CopySource::Inline { name, .. } = source {
            planner.inline(at, name, &spec.dest, many)?;
        }
        for selected in sources.selected.iter().filter(|selected| selected.source == at) {
            let unpack = if matches!(source, CopySource::Snapshot { .. }) {
                spec.unpack_remote
            } else {
                spec.unpack
            };
            if unpack && is_archive(sources.trees[at].as_deref(), &selected.node)? {
                archives.push((at, &selected.node));
            } else {
                planner.place(selected, &spec.dest, many)?;
            }
        }
    }
    let archive_dest = planner.destination(&spec.dest)?.0;
    let mut layer = if spec.link {
        engine.snapshots.begin_independent_layer(parent)?
    } else {
        engine.snapshots.begin_layer(parent)?
    };
    if let Some(previous) = (engine.previous)(&step.title)
        && let Some(snapshot) = previous.snapshot()
    {
        layer.reuse(snapshot)?;
    }
    if let Some((uid, gid)) = chown {
        layer.archive_owner(uid, gid);
    }
    let (uid, gid) = chown.unwrap_or((0, 0));
    layer.implicit_dirs(Metadata::new(0o755, uid, gid).with_mtime(spec.default_mtime, 0));
    // In the order of the sources: what comes later replaces what came before, whether a file or out of an archive.
    let mut planned = planner.finish().into_iter();
    let mut later = Vec::new();
    for (at, node) in archives {
        for entry in planned.by_ref().chain(std::mem::take(&mut later)) {
            if entry.source < at {
                add(&mut layer, entry, spec, &sources.trees)?;
            } else {
                later.push(entry);
            }
        }
        let Some(tree) = &sources.trees[at] else { continue };
        let name = String::from_utf8_lossy(&node.path).into_owned();
        let mut archive = Hashing::new(tree.open(&node.path)?);
        layer
            .archive(&mut archive, &name, &archive_dest, Limits::default())
            .map_err(given)?;
        archive.check(node)?;
    }
    for entry in planned.chain(later) {
        add(&mut layer, entry, spec, &sources.trees)?;
    }
    let committed = layer.commit(&engine.commit_options()).map_err(given)?;
    Ok(StepOutput::committed(committed))
}

/// A fault in the sources or the archives is the user's to mend: no failure of the store.
fn given(error: SnapshotError) -> OpError {
    match error {
        SnapshotError::Layer(layer) if layer.is_input() => OpError::Layer(layer),
        other => other.into(),
    }
}

/// An archive that is unpacked, and hashed on the way: what was unpacked must be what the key was made from.
struct Hashing {
    file: File,
    hasher: Sha256,
}

impl Hashing {
    fn new(file: File) -> Self {
        Self {
            file,
            hasher: Sha256::new(),
        }
    }

    /// Reads what is left after the archive's end, and compares.
    fn check(mut self, node: &Node) -> Result<(), OpError> {
        std::io::copy(&mut self, &mut std::io::sink()).map_err(|error| {
            OpError::io(
                format!("reading `{}`", String::from_utf8_lossy(&node.path)),
                error,
            )
        })?;
        let hash = FileHash::from_bytes(self.hasher.finalize().into());
        match &node.kind {
            NodeKind::File {
                hash: Some(keyed), ..
            } if *keyed != hash => Err(LayerError::Changed {
                path: node.path.clone(),
            }
            .into()),
            _ => Ok(()),
        }
    }
}

impl Read for Hashing {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let read = self.file.read(buffer)?;
        self.hasher.update(&buffer[..read]);
        Ok(read)
    }
}

fn add(
    layer: &mut LayerBuilder<'_>,
    planned: Planned,
    spec: &CopySpec,
    trees: &[Option<Arc<dyn Tree>>],
) -> Result<(), OpError> {
    let Planned { path, what, meta, .. } = planned;
    match what {
        What::Dir => layer.dir(&path, meta)?,
        What::File {
            source,
            from,
            size,
            hash,
        } => {
            let Some(tree) = &trees[source] else { return Ok(()) };
            let content = FileSource::Tree {
                tree: Arc::clone(tree),
                path: from,
            };
            layer.file(&path, size, hash, content, meta)?;
        }
        What::Inline { source } => {
            if let CopySource::Inline { content, .. } = &spec.sources[source] {
                layer.bytes(&path, content.as_bytes(), meta)?;
            }
        }
        What::Hardlink { target } => {
            layer.hardlink(&path, &target)?;
        }
        What::Special(kind) => match kind {
            NodeKind::Symlink(target) => layer.symlink(&path, &target, meta)?,
            NodeKind::Fifo => layer.fifo(&path, meta)?,
            NodeKind::CharDevice(rdev) => layer.char_device(&path, rdev, meta)?,
            NodeKind::BlockDevice(rdev) => layer.block_device(&path, rdev, meta)?,
            NodeKind::File { .. } | NodeKind::Dir => {}
        },
    }
    Ok(())
}

/// Whether a file is an archive by what it holds, not by what it is called.
fn is_archive(tree: Option<&dyn Tree>, node: &Node) -> Result<bool, OpError> {
    let (Some(tree), NodeKind::File { .. }) = (tree, &node.kind) else {
        return Ok(false);
    };
    let mut file = tree.open(&node.path)?;
    let mut head = Vec::new();
    file.by_ref().take(1024).read_to_end(&mut head).map_err(|error| {
        OpError::io(
            format!("reading `{}`", String::from_utf8_lossy(&node.path)),
            error,
        )
    })?;
    if rbuild_store::layer::is_tar(&head) {
        return Ok(true);
    }
    // A compressed file is an archive only if a tar is inside.
    let again = tree.open(&node.path)?;
    let Ok((compression, mut inside)) =
        rbuild_store::layer::decompress(again, &String::from_utf8_lossy(&node.path))
    else {
        return Ok(false);
    };
    if compression == rbuild_store::layer::Compression::None {
        return Ok(false);
    }
    let mut head = Vec::new();
    Ok(inside.by_ref().take(1024).read_to_end(&mut head).is_ok() && rbuild_store::layer::is_tar(&head))
}
