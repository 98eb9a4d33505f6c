//! The mounts of a `RUN`: sources become host paths or bytes, targets become paths without links, and what a target
//! lacks to stand on is made without a trace (ARCHITECTURE, "Mount points without a trace").

use super::spec::{ExecMount, ExecSpec};
use super::ssh_agent::ForwardedAgent;
use super::{OpError, StepOutput};
use crate::engine::Engine;
use dockerfile_parser::mount::Sharing;
use rbuild_sandbox::{Mount, MountFlags, MountKind, container_resolv_conf};
use rbuild_solver::{RunContext, Stream, Tree as Fingerprints};
use rbuild_store::cache_mount::CacheMount;
use rbuild_store::manifest::{EntryKind, ancestors};
use rbuild_store::snapshot::{ActiveSnapshot, SnapshotStore, StubKind};
use rbuild_store::tree::{LastLink, NodeKind, Resolved, Tree, TreeView, Walk};
use std::any::Any;
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

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

/// Where mounts go and what they stand on.
pub(crate) struct Targets<'a> {
    tree: &'a TreeView,
    /// Stubs for the lowest layer, by path.
    lower: BTreeSet<(Vec<u8>, StubKind)>,
    /// Stubs that only the upper directory can hold.
    upper: Vec<(Vec<u8>, StubKind)>,
    /// Targets so far, so that a later one below an earlier one needs no stub in a layer.
    taken: Vec<Vec<u8>>,
}

impl<'a> Targets<'a> {
    /// Over the files of an image.
    pub(crate) fn new(tree: &'a TreeView) -> Self {
        Self {
            tree,
            lower: BTreeSet::new(),
            upper: Vec::new(),
            taken: Vec::new(),
        }
    }

    /// The path without links at which `target` is mounted; something to stand on is provided.
    pub(crate) fn place(&mut self, target: &str, is_dir: bool) -> Result<PathBuf, OpError> {
        let Resolved { path, node } = self.tree.resolve(target.as_bytes(), LastLink::Follow)?;
        let inside = self
            .taken
            .iter()
            .any(|taken| rbuild_store::manifest::is_below(&path, taken));
        match node {
            _ if inside => {}
            Some(node) if node.is_dir() == is_dir => {}
            Some(_) => {
                let (want, have) = if is_dir {
                    ("directory", "a file")
                } else {
                    ("file", "a directory")
                };
                return Err(OpError::Failure(crate::error::Failure::new(
                    crate::error::Kind::Step,
                    format!("a {want} cannot be mounted on `{target}`, which is {have} in the image"),
                )));
            }
            None => self.stub(&path, is_dir)?,
        }
        self.taken.push(path.clone());
        Ok(host_form(&path))
    }

    fn stub(&mut self, path: &[u8], is_dir: bool) -> Result<(), OpError> {
        let kind = if is_dir { StubKind::Dir } else { StubKind::File };
        if self.is_hidden(path)? {
            self.upper.push((path.to_vec(), kind));
        } else {
            self.lower.insert((path.to_vec(), kind));
        }
        Ok(())
    }

    /// A directory that must be there while the command runs.
    pub(crate) fn keep_directory(&mut self, path: &[u8]) {
        if !self
            .taken
            .iter()
            .any(|taken| taken == path || rbuild_store::manifest::is_below(path, taken))
        {
            self.upper.push((path.to_vec(), StubKind::Dir));
        }
    }

    /// Whether a whiteout or an opaque directory would hide a stub in the lowest layer.
    fn is_hidden(&self, path: &[u8]) -> Result<bool, OpError> {
        for layer in self.tree.layers() {
            for at in ancestors(path).chain(std::iter::once(path)) {
                let entry = layer.entry(at).map_err(rbuild_store::tree::TreeError::from)?;
                if let Some(EntryKind::Whiteout | EntryKind::Dir { opaque: true }) =
                    entry.map(|entry| entry.kind.clone())
                {
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }

    /// Makes the stubs: the lowest layer (none if nothing is missing), and those of the upper directory.
    pub(crate) fn finish(
        self,
        snapshots: &SnapshotStore,
        active: &mut ActiveSnapshot<'_>,
    ) -> Result<Option<PathBuf>, OpError> {
        for (path, kind) in &self.upper {
            active.add_stub(path, *kind)?;
        }
        if self.lower.is_empty() {
            return Ok(None);
        }
        let stubs: Vec<_> = self.lower.into_iter().collect();
        Ok(Some(snapshots.stub_layer(&stubs)?))
    }
}

/// `/a/b` of `a/b`.
pub(crate) fn host_form(path: &[u8]) -> PathBuf {
    let mut absolute = Vec::with_capacity(path.len() + 1);
    absolute.push(b'/');
    absolute.extend_from_slice(path);
    PathBuf::from(OsStr::from_bytes(&absolute))
}

pub(crate) fn missing_secret(id: &str) -> OpError {
    OpError::Secret {
        id: id.to_owned(),
        why: format!("the step requires it; give it with `--secret id={id},src=FILE` or `env=VAR`"),
    }
}

/// What a key says about the files of a bind mount.
pub(super) fn bind_fingerprints(
    inputs: &[StepOutput],
    input: usize,
    source: &str,
) -> Result<Fingerprints, OpError> {
    let mut fingerprints = Fingerprints::default();
    let Some(snapshot) = inputs.get(input).and_then(StepOutput::snapshot) else {
        return Ok(fingerprints);
    };
    let tree = snapshot.tree()?;
    let Resolved {
        node: Some(node),
        path,
    } = tree.resolve(source.as_bytes(), LastLink::Follow)?
    else {
        return Ok(fingerprints);
    };
    // The whole of a snapshot has a name already.
    if path.is_empty() {
        fingerprints.push(b"/", snapshot.content_id().to_hex().as_bytes());
        return Ok(fingerprints);
    }
    fingerprints.push(b".", super::copy::fingerprint(&node, true).as_bytes());
    tree.walk(&path, &mut |child| {
        let relative = child.path[path.len() + 1..].to_vec();
        fingerprints.push(&relative, super::copy::fingerprint(&child, true).as_bytes());
        Ok(Walk::Into)
    })?;
    Ok(fingerprints)
}

/// Turns the mounts of a spec into the sandbox's.
pub(super) fn prepare(
    spec: &ExecSpec,
    inputs: &[StepOutput],
    engine: &Engine,
    tree: &TreeView,
    active: &mut ActiveSnapshot<'_>,
    context: &RunContext<'_>,
) -> Result<Prepared, OpError> {
    let mut targets = Targets::new(tree);
    let mut guards: Vec<Box<dyn Any + Send>> = Vec::new();
    let mut mounts = etc_files(&mut targets, &spec.add_hosts, super::exec::HOSTNAME)?;
    let caches = caches(spec, inputs, engine, context)?;
    for mount in &spec.mounts {
        if let Some(mount) = one(mount, inputs, engine, &caches, &mut targets, &mut guards)? {
            mounts.push(mount);
        }
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
    if let Some((name, content)) = &spec.script {
        mounts.push(script_mount(name, content, engine, &mut guards)?);
    }
    let cwd = working_directory(&mut targets, &spec.cwd)?;
    let lower = targets.finish(&engine.snapshots, active)?;
    guards.extend(
        caches
            .into_values()
            .map(|cache| Box::new(cache) as Box<dyn Any + Send>),
    );
    Ok(Prepared {
        mounts,
        cwd,
        guards,
        lower,
    })
}

/// The cache mounts of a step by id. They are taken in the order of their ids, each once: two steps that want the same
/// locked ones in another order, or one that wants the same twice, would wait for ever.
fn caches<'s>(
    spec: &'s ExecSpec,
    inputs: &[StepOutput],
    engine: &Engine,
    context: &RunContext<'_>,
) -> Result<BTreeMap<&'s str, CacheMount>, OpError> {
    let mut wanted: BTreeMap<&str, (Sharing, &ExecMount)> = BTreeMap::new();
    for mount in &spec.mounts {
        if let ExecMount::Cache { id, sharing, .. } = mount {
            let (strictest, _) = wanted.entry(id).or_insert((*sharing, mount));
            *strictest = stricter(*strictest, *sharing);
        }
    }
    let mut held = BTreeMap::new();
    for (id, (sharing, mount)) in wanted {
        let ExecMount::Cache {
            mode, uid, gid, seed, ..
        } = mount
        else {
            continue;
        };
        let seed = match seed {
            Some((input, source)) => Some((input_tree(inputs, *input)?, source.as_str())),
            None => None,
        };
        let tell = || {
            context.log(
                Stream::Err,
                format!("rbuild: another step has the cache `{id}`, waiting for it\n").as_bytes(),
            );
        };
        let cache = crate::cache_mount::acquire(
            engine,
            id,
            sharing,
            (*mode, *uid, *gid),
            seed,
            &tell,
            context.cancel(),
        )?;
        held.insert(id, cache);
    }
    Ok(held)
}

fn stricter(one: Sharing, other: Sharing) -> Sharing {
    match (one, other) {
        (Sharing::Locked, _) | (_, Sharing::Locked) => Sharing::Locked,
        (Sharing::Private, _) | (_, Sharing::Private) => Sharing::Private,
        (Sharing::Shared, Sharing::Shared) => Sharing::Shared,
    }
}

/// A script as an executable file at `/dev/pipes/NAME`.
fn script_mount(
    name: &str,
    content: &str,
    engine: &Engine,
    guards: &mut Vec<Box<dyn Any + Send>>,
) -> Result<Mount, OpError> {
    let tmp = engine.store.tmp_dir()?;
    let root = beneath::Root::open(tmp.path())?;
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

/// The working directory: followed, and made when it is missing; if the command leaves it empty it goes again.
fn working_directory(targets: &mut Targets<'_>, cwd: &str) -> Result<PathBuf, OpError> {
    let Resolved { path, node } = targets.tree.resolve(cwd.as_bytes(), LastLink::Follow)?;
    match node {
        Some(node) if node.is_dir() => {}
        Some(_) => return Err(OpError::NotADirectory { path: cwd.to_owned() }),
        None => targets.keep_directory(&path),
    }
    Ok(host_form(&path))
}

/// `/proc`, `/sys`, `/dev` to stand on, and the three files of /etc that every step gets.
pub(crate) fn etc_files(
    targets: &mut Targets<'_>,
    add_hosts: &[(String, String)],
    hostname: &str,
) -> Result<Vec<Mount>, OpError> {
    let mut mounts = Vec::new();
    for (path, kind) in rbuild_sandbox::default_mount_points() {
        let target = targets.place(path, *kind == rbuild_sandbox::StubKind::Dir)?;
        let content = match *path {
            "/etc/hosts" => hosts(add_hosts, hostname),
            "/etc/hostname" => format!("{hostname}\n"),
            "/etc/resolv.conf" => resolv_conf(),
            _ => continue,
        };
        mounts.push(Mount {
            target,
            kind: MountKind::ReadOnlyFile {
                content: content.as_str().into(),
            },
        });
    }
    Ok(mounts)
}

fn hosts(add_hosts: &[(String, String)], hostname: &str) -> String {
    let mut text = format!("127.0.0.1\tlocalhost {hostname}\n::1\tlocalhost ip6-localhost ip6-loopback\n");
    for (name, address) in add_hosts {
        text.push_str(&format!("{address}\t{name}\n"));
    }
    text
}

fn resolv_conf() -> String {
    let host = std::fs::read_to_string("/etc/resolv.conf").unwrap_or_default();
    let upstream = std::fs::read_to_string("/run/systemd/resolve/resolv.conf").ok();
    container_resolv_conf(&host, upstream.as_deref(), false)
}

fn one(
    mount: &ExecMount,
    inputs: &[StepOutput],
    engine: &Engine,
    caches: &BTreeMap<&str, CacheMount>,
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
            required,
            mode,
            uid,
            gid,
            ..
        } => {
            let bytes = match engine.secret(id)? {
                Some(bytes) => bytes,
                None if *required => return Err(missing_secret(id)),
                None => return Ok(None),
            };
            let Some(target) = target else { return Ok(None) };
            Mount {
                target: targets.place(target, false)?,
                kind: MountKind::SecretFile {
                    bytes: bytes.into(),
                    mode: *mode,
                    uid: *uid,
                    gid: *gid,
                },
            }
        }
        ExecMount::Cache {
            target,
            id,
            read_only,
            ..
        } => {
            let Some(cache) = caches.get(id.as_str()) else {
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
            &input_tree(inputs, *input)?,
            source,
            *writable,
            engine,
            targets,
            guards,
        )?,
        ExecMount::Ssh {
            id,
            target,
            required,
            mode,
            uid,
            gid,
        } => {
            let Some(source) = engine.ssh.get(id) else {
                if *required {
                    return Err(OpError::Failure(
                        crate::error::Failure::new(
                            crate::error::Kind::Step,
                            format!("the step requires the ssh agent `{id}`, which was not given"),
                        )
                        .hint(format!("give it with `--ssh {id}`, or `--ssh {id}=SOCKET|KEY`")),
                    ));
                }
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

fn bind(
    target: &str,
    tree: &TreeView,
    source: &str,
    writable: bool,
    engine: &Engine,
    targets: &mut Targets<'_>,
    guards: &mut Vec<Box<dyn Any + Send>>,
) -> Result<Mount, OpError> {
    let missing = || OpError::MissingMountSource {
        path: source.to_owned(),
        target: target.to_owned(),
    };
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
        return Ok(Mount {
            target: targets.place(target, false)?,
            kind: MountKind::Bind {
                source: host_form(&path),
                source_root: Some(layer.files().to_owned()),
                recursive: false,
                flags,
            },
        });
    }
    let mut lowers = directories(tree, &path)?;
    let target = targets.place(target, true)?;
    if !writable && lowers.len() == 1 {
        let source = lowers.swap_remove(0);
        let kind = MountKind::Bind {
            source,
            source_root: None,
            recursive: false,
            flags,
        };
        return Ok(Mount { target, kind });
    }
    let tmp = engine.store.tmp_dir()?;
    let make = |name: &str| -> Result<PathBuf, OpError> {
        let path = tmp.path().join(name);
        std::fs::create_dir(&path)
            .map_err(|error| OpError::io(format!("creating `{}`", path.display()), error))?;
        Ok(path)
    };
    let (upper, work) = (make("upper")?, make("work")?);
    let root = beneath::Root::open(&upper)?;
    let meta = &node.meta;
    beneath::fchown(root.dir(), meta.uid, meta.gid)?;
    beneath::fchmod(root.dir(), meta.mode)?;
    guards.push(Box::new(tmp));
    Ok(Mount {
        target,
        kind: MountKind::OverlayBind {
            lowers,
            upper,
            work,
            flags,
        },
    })
}

/// The directories that together are `path` of a tree, topmost first: what an overlay is made of.
fn directories(tree: &TreeView, path: &[u8]) -> Result<Vec<PathBuf>, OpError> {
    let mut found = Vec::new();
    'layers: for layer in tree.layers() {
        let entry = |at: &[u8]| layer.entry(at).map_err(rbuild_store::tree::TreeError::from);
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
