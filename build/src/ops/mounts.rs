//! The mounts of a `RUN`: sources become host paths or bytes, targets become paths without links, and what a target
//! lacks to stand on is made without a trace (ARCHITECTURE, "Mount points without a trace").

mod bind;
mod caches;
mod etc;
mod targets;

pub(super) use bind::bind_fingerprints;
pub(super) use caches::cache_identity;
pub use etc::etc_files;
pub use targets::Targets;
use targets::host_form;

use super::spec::{ExecMount, ExecSpec};
use super::ssh_agent::ForwardedAgent;
use super::{OpError, StepOutput};
use crate::engine::Engine;
use bind::bind;
use caches::Caches;
use rbuild_layer::tree::TreeView;
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
    /// The layer of empty mount points, below all others.
    pub lower: Option<PathBuf>,
}

/// Turns the mounts of a spec, and a script's name and content, into the sandbox's.
pub(super) fn prepare(
    (spec, no_cache): (&ExecSpec, bool),
    script: Option<(&str, &str)>,
    inputs: &[StepOutput],
    engine: &Engine,
    tree: &TreeView,
    active: &mut ActiveSnapshot<'_>,
    context: &RunContext<'_>,
) -> Result<Prepared, OpError> {
    let mut targets = Targets::new(tree);
    let mut guards: Vec<Box<dyn Any + Send>> = Vec::new();
    let mut mounts = etc_files(&mut targets, &spec.add_hosts, super::exec::hostname(spec))?;
    let caches = Caches::take(spec, inputs, engine, no_cache, context)?;
    // Whatever their order in the Dockerfile, none hides another that lies in it.
    let mut parents_first = Vec::with_capacity(spec.mounts.len());
    for (at, mount) in spec.mounts.iter().enumerate() {
        let place = mount
            .target()
            .map(|target| targets.resolved(target))
            .transpose()?;
        parents_first.push((place, mount, caches.of(at)));
    }
    parents_first.sort_by(|(one, ..), (other, ..)| one.cmp(other));
    let mut placed: Vec<(PathBuf, Option<&CacheMount>)> = Vec::new();
    for (_, mount, cache) in parents_first {
        let Some(made) = one(mount, inputs, engine, cache, &mut targets, &mut guards)? else {
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
    mounts.extend(super::devices::mounts(&spec.devices.edits, &mut targets)?);
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
    let cwd = targets.working_directory(&spec.cwd)?;
    let lower = targets.finish(&engine.snapshots, active)?;
    guards.push(Box::new(caches));
    Ok(Prepared {
        mounts,
        cwd,
        guards,
        lower,
    })
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
    let is_file = match kind {
        MountKind::SecretFile { .. } | MountKind::ReadOnlyFile { .. } => true,
        // A directory is bound as it is, a file out of its layer, an agent's socket by its name.
        MountKind::Bind {
            source, source_root, ..
        } => {
            #[expect(clippy::disallowed_methods, reason = "resolved: nothing on the way is a link")]
            let is_dir = source.is_dir();
            source_root.is_some() || !is_dir
        }
        MountKind::OverlayBind { .. } | MountKind::Tmpfs { .. } => false,
    };
    if !is_file {
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
        kind: MountKind::Bind {
            source,
            source_root: None,
            recursive: false,
            flags,
        },
    })
}

fn one(
    mount: &ExecMount,
    inputs: &[StepOutput],
    engine: &Engine,
    cache: Option<&CacheMount>,
    targets: &mut Targets<'_>,
    guards: &mut Vec<Box<dyn Any + Send>>,
) -> Result<Option<Mount>, OpError> {
    Ok(Some(match mount {
        ExecMount::Tmpfs {
            target,
            size,
            read_only,
        } => Mount {
            target: targets.place(target, true)?,
            kind: MountKind::Tmpfs {
                size: *size,
                mode: 0o1777,
                flags: MountFlags {
                    read_only: *read_only,
                    nosuid: true,
                    nodev: true,
                    ..MountFlags::default()
                },
            },
        },
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
            Mount {
                target: targets.place(target, false)?,
                kind: MountKind::SecretFile {
                    bytes: bytes.to_vec().into(),
                    mode: *mode,
                    uid: *uid,
                    gid: *gid,
                },
            }
        }
        ExecMount::Cache {
            target, read_only, ..
        } => {
            let Some(cache) = cache else {
                return Ok(None);
            };
            let kind = MountKind::Bind {
                source: cache.path().to_owned(),
                source_root: None,
                recursive: false,
                flags: MountFlags {
                    read_only: *read_only,
                    ..MountFlags::default()
                },
            };
            Mount {
                target: targets.place(target, true)?,
                kind,
            }
        }
        ExecMount::Bind {
            target,
            input,
            source,
            writable,
        } => bind(
            target,
            inputs.get(*input).and_then(StepOutput::snapshot),
            source,
            *writable,
            engine,
            targets,
            guards,
        )?,
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
            let agent = ForwardedAgent::start(source, engine.store.tmp_dir()?, (*mode, *uid, *gid))?;
            let kind = MountKind::Bind {
                source: agent.socket().to_owned(),
                source_root: None,
                recursive: false,
                flags: MountFlags {
                    nosuid: true,
                    nodev: true,
                    noexec: true,
                    ..MountFlags::default()
                },
            };
            guards.push(Box::new(agent));
            Mount {
                target: targets.place(target, false)?,
                kind,
            }
        }
    }))
}

fn input_tree(inputs: &[StepOutput], input: usize) -> Result<TreeView, OpError> {
    match inputs.get(input).and_then(StepOutput::snapshot) {
        Some(snapshot) => Ok(snapshot.tree()?),
        None => Ok(TreeView::default()),
    }
}
