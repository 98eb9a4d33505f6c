//! The cache mounts of a step: which content each means, and taking them all.

use super::{bind_fingerprints, input_tree};
use crate::engine::Engine;
use crate::ops::spec::{ExecMount, ExecSpec};
use crate::ops::{OpError, StepOutput};
use dockerfile_parser::mount::Sharing;
use rbuild_layer::FileHash;
use rbuild_solver::{Preimage, RunContext, Stream};
use rbuild_store::cache_mount::{CacheMount, CacheMountName};
use std::collections::BTreeMap;

/// Mode of a cache that asks for none.
const USUAL_MODE: u32 = 0o755;

/// What a key says of a cache mount: all that a step can see of an empty cache, and what it starts with.
pub(in crate::ops) fn cache_identity(
    mount: &ExecMount,
    inputs: &[StepOutput],
    preimage: Preimage,
) -> Result<Preimage, OpError> {
    let ExecMount::Cache {
        target,
        read_only,
        seed,
        ..
    } = mount
    else {
        return Ok(preimage);
    };
    let mut preimage = preimage
        .text("cache mount", target)
        .text("cache read-only", read_only.to_string());
    if let Some(owner) = owner(mount) {
        preimage = preimage.text("cache owner", owner);
    }
    Ok(match seed {
        Some((input, source)) => preimage.tree(
            &format!("files at {target}"),
            bind_fingerprints(inputs, *input, source)?,
        ),
        None => preimage,
    })
}

/// Mode and owner that were asked for.
fn owner(mount: &ExecMount) -> Option<String> {
    match mount {
        ExecMount::Cache { mode, uid, gid, .. } if (*mode, *uid, *gid) != (USUAL_MODE, 0, 0) => {
            Some(format!("{mode:04o} {uid}:{gid}"))
        }
        _ => None,
    }
}

/// The content that a cache mount means. One of another owner or mode, or one that starts with other files, is another
/// one: neither could be what both ask for.
fn name(mount: &ExecMount, inputs: &[StepOutput]) -> Result<Option<CacheMountName>, OpError> {
    let ExecMount::Cache { id, seed, .. } = mount else {
        return Ok(None);
    };
    let mut variant = owner(mount).unwrap_or_default();
    if let Some((input, source)) = seed {
        let files = FileHash::from_bytes(bind_fingerprints(inputs, *input, source)?.digest());
        let comma = if variant.is_empty() { "" } else { ", " };
        variant += &format!("{comma}from {}", files.to_hex());
    }
    Ok(Some(CacheMountName {
        id: id.clone(),
        variant,
    }))
}

/// Those of a step, held until the command has ended.
pub(super) struct Caches {
    held: BTreeMap<CacheMountName, CacheMount>,
    /// By the index of the mount in the step.
    names: BTreeMap<usize, CacheMountName>,
}

impl Caches {
    /// Takes them in the order of their names, each once: two steps that want the same locked ones in another order, or
    /// one that wants the same twice, would wait for ever.
    pub(super) fn take(
        spec: &ExecSpec,
        inputs: &[StepOutput],
        engine: &Engine,
        no_cache: bool,
        context: &RunContext<'_>,
    ) -> Result<Self, OpError> {
        let mut wanted: BTreeMap<CacheMountName, (Sharing, &ExecMount)> = BTreeMap::new();
        let mut names = BTreeMap::new();
        for (at, mount) in spec.mounts.iter().enumerate() {
            if let (ExecMount::Cache { sharing, .. }, Some(name)) = (mount, name(mount, inputs)?) {
                let (strictest, _) = wanted.entry(name.clone()).or_insert((*sharing, mount));
                *strictest = stricter(*strictest, *sharing);
                names.insert(at, name);
            }
        }
        let mut held = BTreeMap::new();
        for (name, (sharing, mount)) in wanted {
            // One that is moved into a root can be in one root only.
            let sharing = match engine.mounts() {
                true => sharing,
                false => stricter(sharing, Sharing::Private),
            };
            if no_cache {
                engine.empty_cache_mount_once(&name)?;
            }
            let cache = take(&name, sharing, mount, inputs, engine, context)?;
            held.insert(name, cache);
        }
        Ok(Self { held, names })
    }

    /// That of a mount.
    pub(super) fn of(&self, at: usize) -> Option<&CacheMount> {
        self.held.get(self.names.get(&at)?)
    }
}

fn take(
    name: &CacheMountName,
    sharing: Sharing,
    mount: &ExecMount,
    inputs: &[StepOutput],
    engine: &Engine,
    context: &RunContext<'_>,
) -> Result<CacheMount, OpError> {
    let (owner, seed) = match mount {
        ExecMount::Cache {
            mode, uid, gid, seed, ..
        } => ((*mode, *uid, *gid), seed.as_ref()),
        _ => ((USUAL_MODE, 0, 0), None),
    };
    let seed = match seed {
        Some((input, source)) => Some((input_tree(inputs, *input)?, source.as_str())),
        None => None,
    };
    let tell = || {
        context.log(
            Stream::Err,
            format!("rbuild: another step has the cache `{name}`, waiting for it\n").as_bytes(),
        );
    };
    super::acquire::acquire(engine, name, sharing, owner, seed, &tell, context.cancel())
}

fn stricter(one: Sharing, other: Sharing) -> Sharing {
    match (one, other) {
        (Sharing::Locked, _) | (_, Sharing::Locked) => Sharing::Locked,
        (Sharing::Private, _) | (_, Sharing::Private) => Sharing::Private,
        (Sharing::Shared, Sharing::Shared) => Sharing::Shared,
    }
}
