//! `COPY` and `ADD`: select, plan, write (ARCHITECTURE, "COPY without a mount").

mod archive;
mod key;
mod names;
mod place;
mod plan;
mod select;
mod shared;
mod sources;
#[cfg(test)]
mod tests;

pub(crate) use key::fingerprint;
pub(super) use key::{preimage, weak};
pub use select::names_any;
pub(super) use sources::Sources;

use super::spec::{CopySource, CopySpec, Step};
use super::{OpError, StepOutput};
use crate::engine::Engine;
use archive::Hashing;
use plan::{Planned, Planner, What};
use rbuild_layer::listing::Metadata;
use rbuild_layer::tree::{Node, NodeKind, Tree, TreeView};
use rbuild_layer::{FileSource, Limits};
use rbuild_rootfs::users;
use rbuild_store::snapshot::{LayerBuilder, SnapshotError};
use std::sync::Arc;

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
    let dest = below(spec, inputs)?;
    let chown = spec
        .chown
        .as_deref()
        .map(|owner| {
            users::chown(&dest, owner).map_err(|cause| match cause.is_answer() {
                true => OpError::Chown {
                    owner: owner.to_owned(),
                    cause,
                },
                false => cause.into(),
            })
        })
        .transpose()?;
    let plan = plan(spec, sources, &dest, chown)?;
    let mut layer = if spec.link {
        engine.snapshots.begin_independent_layer(parent)?
    } else {
        engine.snapshots.begin_layer(parent)?
    };
    if let Some(previous) = (engine.previous)(&step.id)
        && let Some(snapshot) = previous.snapshot()
    {
        layer.reuse(snapshot)?;
    }
    if let Some((uid, gid)) = chown {
        layer.archive_owner(uid, gid);
    }
    let (uid, gid) = chown.unwrap_or((0, 0));
    layer.implicit_dirs(Metadata::new(0o755, uid, gid));
    write(&mut layer, plan, spec, sources)?;
    let committed = layer
        .commit(&engine.commit_options())
        .map_err(OpError::of_layer)?;
    Ok(StepOutput::committed(committed))
}

/// The tree that is copied into, as far as the step may look at it.
fn below(spec: &CopySpec, inputs: &[StepOutput]) -> Result<TreeView, OpError> {
    match inputs.first().and_then(StepOutput::snapshot) {
        Some(parent) if !spec.link => Ok(parent.tree()?),
        _ => Ok(TreeView::default()),
    }
}

/// What is written, in two parts.
struct Plan<'s> {
    entries: Vec<Planned>,
    archives: Vec<Unpacked<'s>>,
}

/// An archive, and the directory that it is unpacked in.
struct Unpacked<'s> {
    source: usize,
    node: &'s Node,
    dest: Vec<u8>,
}

/// Each source in turn, as if it were alone in an instruction of its own.
fn plan<'s>(
    spec: &CopySpec,
    sources: &'s Sources,
    dest: &TreeView,
    chown: Option<(u32, u32)>,
) -> Result<Plan<'s>, OpError> {
    let chmod = spec.chmod.as_ref().map(|chmod| &chmod.rules);
    let mut planner = Planner::new(dest, chown, chmod);
    let mut archives = Vec::new();
    for (source, what) in spec.sources.iter().enumerate() {
        if let CopySource::Inline { name, .. } = what {
            planner.inline(source, name, &spec.dest)?;
            continue;
        }
        if spec.parents {
            planner.kept_below(source, &spec.dest)?;
        }
        for selected in sources.of(source) {
            if sources.is_unpacked(spec, selected)? {
                let node = &selected.node;
                let dest = planner.unpacked(source, &spec.dest)?;
                archives.push(Unpacked { source, node, dest });
            } else {
                planner.place(selected, &spec.dest)?;
            }
        }
    }
    Ok(Plan {
        entries: planner.finish(),
        archives,
    })
}

/// In the order of the sources: what comes later replaces what came before, whether a file or out of an archive.
fn write(
    layer: &mut LayerBuilder<'_>,
    plan: Plan<'_>,
    spec: &CopySpec,
    sources: &Sources,
) -> Result<(), OpError> {
    let mut planned = plan.entries.into_iter();
    let mut later = Vec::new();
    for Unpacked { source, node, dest } in plan.archives {
        for entry in planned.by_ref().chain(std::mem::take(&mut later)) {
            if entry.source < source {
                add(layer, entry, spec, &sources.trees).map_err(OpError::of_layer)?;
            } else {
                later.push(entry);
            }
        }
        let Some(tree) = &sources.trees[source] else {
            continue;
        };
        let name = String::from_utf8_lossy(&node.path).into_owned();
        let mut archive = Hashing::new(tree.open(&node.path)?);
        layer
            .archive(&mut archive, &name, &dest, Limits::default())
            .map_err(OpError::of_layer)?;
        archive.check(node)?;
    }
    for entry in planned.chain(later) {
        add(layer, entry, spec, &sources.trees).map_err(OpError::of_layer)?;
    }
    Ok(())
}

fn add(
    layer: &mut LayerBuilder<'_>,
    planned: Planned,
    spec: &CopySpec,
    trees: &[Option<Arc<dyn Tree>>],
) -> Result<(), SnapshotError> {
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
