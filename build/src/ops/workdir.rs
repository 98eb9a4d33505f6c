//! `WORKDIR`: a directory that exists, owned by the USER in force where it had to be made.

use super::spec::WorkdirSpec;
use super::{OpError, StepOutput};
use crate::engine::Engine;
use rbuild_layer::listing::Metadata;
use rbuild_layer::tree::{LastLink, Tree};
use rbuild_rootfs::users;
use rbuild_solver::Preimage;
use rbuild_store::snapshot::Snapshot;

/// Raised when the result of the same fields changes.
const REVISION: u32 = 3;

pub(super) fn preimage(spec: &WorkdirSpec, inputs: &[StepOutput]) -> Preimage {
    let mut preimage = Preimage::new("workdir", REVISION);
    if let Some(base) = inputs.first() {
        preimage = preimage.input("base", base.content().to_hex());
    }
    preimage.text("path", &spec.path).text("user", &spec.user)
}

pub(super) fn run(spec: &WorkdirSpec, inputs: &[StepOutput], engine: &Engine) -> Result<StepOutput, OpError> {
    let parent = inputs.first().and_then(StepOutput::snapshot);
    let tree = parent.map(Snapshot::tree).transpose()?.unwrap_or_default();
    let resolved = tree.resolve(spec.path.as_bytes(), LastLink::Follow)?;
    let mut layer = engine.snapshots.begin_layer(parent)?;
    match resolved.node {
        Some(node) if !node.is_dir() => {
            return Err(OpError::WorkdirIsNone {
                path: spec.path.clone(),
            });
        }
        // An empty layer: the history has one entry more, and so must the image.
        Some(_) => {}
        None => {
            // As of `--chown`, a number alone is the group too.
            let (uid, gid) = match users::numeric(&spec.user) {
                Some(ids) => ids,
                None => users::user(&tree, &spec.user).map(|user| (user.uid, user.gid))?,
            };
            let meta = Metadata::new(0o755, uid, gid);
            layer.implicit_dirs(meta.clone());
            layer.dir(&resolved.path, meta)?;
        }
    }
    Ok(StepOutput::committed(
        layer
            .commit(&engine.commit_options())
            .map_err(OpError::of_layer)?,
    ))
}
