//! The mounts of a `RUN`: sources become host paths or bytes, targets become paths without links, and what a target
//! lacks to stand on is made without a trace (ARCHITECTURE, "Mount points without a trace").

mod acquire;
mod bind;
mod caches;

pub(super) use bind::bind_fingerprints;
pub(super) use caches::cache_identity;

use super::spec::{ExecMount, ExecSpec};
use super::ssh_agent::ForwardedAgent;
use super::{OpError, StepOutput};
use crate::engine::Engine;
use bind::bind;
use caches::Caches;
use rbuild_layer::tree::TreeView;
use rbuild_rootfs::{MountPoints, shows_directory, standard_mounts};
use rbuild_sandbox::Network;
use rbuild_sandbox::{Mount, MountFlags, MountKind};
use rbuild_solver::RunContext;
use rbuild_store::cache_mount::CacheMount;
use rbuild_store::snapshot::ActiveSnapshot;
use std::any::Any;
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// What the sandbox needs besides the command.
pub(crate) struct Prepared {
    /// All mounts in order.
    pub mounts: Vec<Mount>,
    /// Working directory, links followed.
    pub cwd: PathBuf,
    /// Locks and temporary directories: dropped when the command has ended.
    pub guards: Vec<Box<dyn Any + Send>>,
}

/// Turns the mounts of a spec, and a script's name and content, into the sandbox's.
pub(super) fn prepare(
    (spec, no_cache, network): (&ExecSpec, bool, Network),
    script: Option<(&str, &str)>,
    inputs: &[StepOutput],
    engine: &Engine,
    tree: &TreeView,
    active: &mut ActiveSnapshot<'_>,
    context: &RunContext<'_>,
) -> Result<Prepared, OpError> {
    let mut points = MountPoints::new(tree);
    let mut guards: Vec<Box<dyn Any + Send>> = Vec::new();
    let hostname = super::exec::hostname(spec);
    let mut mounts = standard_mounts(&mut points, &spec.add_hosts, hostname, network)?;
    let caches = Caches::take(spec, inputs, engine, no_cache, context)?;
    // Whatever their order in the Dockerfile, none hides another that lies in it.
    let mut parents_first = Vec::with_capacity(spec.mounts.len());
    for (at, mount) in spec.mounts.iter().enumerate() {
        let place = mount.target().map(|target| points.resolved(target)).transpose()?;
        parents_first.push((place, mount, caches.of(at)));
    }
    parents_first.sort_by(|(one, ..), (other, ..)| one.cmp(other));
    let mut placed: Vec<(PathBuf, Option<&CacheMount>)> = Vec::new();
    for (_, mount, cache) in parents_first {
        let Some(made) = one(mount, inputs, engine, cache, &mut points, &mut guards)? else {
            continue;
        };
        let around = placed.iter().rev().find(|(at, _)| made.target.starts_with(at));
        if let Some((at, Some(cache))) = around
            && let Ok(inside) = made.target.strip_prefix(at)
        {
            stand_in_cache(cache, inside, &made.kind)?;
        }
        placed.push((made.target.clone(), cache));
        mounts.push(made);
    }
    mounts.extend(super::devices::mounts(&spec.devices.edits, &mut points)?);
    if let Some(size) = spec.shm_size {
        mounts.push(Mount {
            target: "/dev/shm".into(),
            kind: MountKind::Tmpfs {
                size: Some(size),
                mode: 0o1777,
                flags: MountFlags {
                    nosuid: true,
                    nodev: true,
                    noexec: true,
                    ..MountFlags::default()
                },
            },
        });
    }
    if let Some((name, content)) = script {
        mounts.push(script_mount(name, content, engine, &mut guards)?);
    }
    let cwd = points.working_directory(&spec.cwd)?;
    points.finish(active)?;
    guards.push(Box::new(caches));
    Ok(Prepared { mounts, cwd, guards })
}

/// Makes what a mount inside of a cache stands on. It stays in the cache, as what a command makes there.
fn stand_in_cache(cache: &CacheMount, inside: &Path, kind: &MountKind) -> Result<(), OpError> {
    let root = rbuild_rootdir::Root::open(cache.path())?;
    let inside = inside.as_os_str().as_bytes();
    if inside.is_empty()
        || root
            .resolve_in_root(inside, rbuild_rootdir::LastLink::Keep)
            .is_ok()
    {
        return Ok(());
    }
    if shows_directory(kind) != Some(false) {
        root.create_dir_all(inside)?;
        return Ok(());
    }
    if let Some(slash) = inside.iter().rposition(|byte| *byte == b'/') {
        root.create_dir_all(&inside[..slash])?;
    }
    root.create_file(inside)?;
    Ok(())
}

/// A script as an executable file at `/dev/pipes/NAME`.
fn script_mount(
    name: &str,
    content: &str,
    engine: &Engine,
    guards: &mut Vec<Box<dyn Any + Send>>,
) -> Result<Mount, OpError> {
    let tmp = engine.store.tmp_dir()?;
    let root = rbuild_rootdir::Root::open(tmp.path())?;
    let mut file = root.create_file(b"script")?;
    file.write_all(content.as_bytes())
        .map_err(|error| OpError::io("writing the script of a heredoc", error))?;
    root.chmod(b"script", 0o755)?;
    let source = tmp.path().join("script");
    guards.push(Box::new(tmp));
    let flags = MountFlags {
        read_only: true,
        nosuid: true,
        nodev: true,
        noexec: false,
    };
    Ok(Mount {
        target: format!("/dev/pipes/{name}").into(),
        kind: bind_of(&source, flags),
    })
}

fn one(
    mount: &ExecMount,
    inputs: &[StepOutput],
    engine: &Engine,
    cache: Option<&CacheMount>,
    points: &mut MountPoints<'_>,
    guards: &mut Vec<Box<dyn Any + Send>>,
) -> Result<Option<Mount>, OpError> {
    let (target, kind) = match mount {
        ExecMount::Tmpfs {
            target,
            size,
            read_only,
        } => (
            target,
            MountKind::Tmpfs {
                size: *size,
                mode: 0o1777,
                flags: MountFlags {
                    read_only: *read_only,
                    nosuid: true,
                    nodev: true,
                    ..MountFlags::default()
                },
            },
        ),
        ExecMount::Secret {
            id,
            target,
            mode,
            uid,
            gid,
            ..
        } => {
            let (Some(bytes), Some(target)) = (engine.secret(id)?, target) else {
                return Ok(None);
            };
            (
                target,
                MountKind::SecretFile {
                    bytes: bytes.to_vec().into(),
                    mode: *mode,
                    uid: *uid,
                    gid: *gid,
                },
            )
        }
        ExecMount::Cache {
            target, read_only, ..
        } => {
            let Some(cache) = cache else {
                return Ok(None);
            };
            let flags = MountFlags {
                read_only: *read_only,
                ..MountFlags::default()
            };
            (target, lent(bind_of(cache.path(), flags), !engine.mounts()))
        }
        ExecMount::Bind {
            target,
            input,
            source,
            writable,
        } => {
            let files = inputs.get(*input).and_then(StepOutput::snapshot);
            let kind = bind((source, target), files, *writable, engine, guards)?;
            (target, kind)
        }
        ExecMount::Ssh {
            id,
            target,
            mode,
            uid,
            gid,
            ..
        } => {
            let Some(source) = engine.ssh.get(id) else {
                return Ok(None);
            };
            let agent = {
                let tmp = engine.store.tmp_dir()?;
                ForwardedAgent::start(source, &engine.environment, tmp, (*mode, *uid, *gid))?
            };
            let flags = MountFlags {
                nosuid: true,
                nodev: true,
                noexec: true,
                ..MountFlags::default()
            };
            let kind = bind_of(agent.socket(), flags);
            guards.push(Box::new(agent));
            (target, kind)
        }
    };
    Ok(Some(points.mount(target, kind)?))
}

/// A directory or file of the host, as it is.
fn bind_of(source: &Path, flags: MountFlags) -> MountKind {
    MountKind::Bind {
        source: source.to_owned(),
        source_root: None,
        recursive: false,
        lent: false,
        flags,
    }
}

/// The same, moved into the root where nothing can be mounted.
fn lent(kind: MountKind, is_lent: bool) -> MountKind {
    match kind {
        MountKind::Bind {
            source,
            source_root,
            recursive,
            flags,
            ..
        } => MountKind::Bind {
            source,
            source_root,
            recursive,
            lent: is_lent,
            flags,
        },
        other => other,
    }
}

fn input_tree(inputs: &[StepOutput], input: usize) -> Result<TreeView, OpError> {
    match inputs.get(input).and_then(StepOutput::snapshot) {
        Some(snapshot) => Ok(snapshot.tree()?),
        None => Ok(TreeView::default()),
    }
}
