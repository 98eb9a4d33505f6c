//! `rbuild run`: an image's command in a container of its own.

pub mod env_file;
mod options;
mod process;
mod signals;

use crate::cli::run::RunArgs;
use crate::cli::stored::nearest_name;
use crate::error::{Failure, Kind};
use options::{RunOptions, Volume};
use rbuild_build::engine;
use rbuild_build::open_store;
use rbuild_build::pull::Puller;
use rbuild_build::request::{PullPolicy, build_platform};
use rbuild_build::sources::{Origin, Resolver};
use rbuild_build::{clock, import};
use rbuild_oci::ImageConfig;
use rbuild_rootfs::{MountError, MountPoints, root_of, standard_mounts, users};
use rbuild_sandbox::{MountFlags, MountKind, Network, SandboxSpec};
use rbuild_store::Store;
use rbuild_store::image::ImageRecord;
use rbuild_store::snapshot::{ActiveSnapshot, Check, Snapshot, SnapshotStore};
use std::ffi::OsString;
use std::path::Path;
use std::sync::Arc;

/// Runs a container; the exit code of its command.
///
/// # Errors
/// Whatever keeps the command from running: 125, 126 or 127 as docker has it.
pub fn run(args: &RunArgs, root: Option<&Path>) -> Result<u8, Failure> {
    let options = RunOptions::from_args(args)?;
    let store = open_store(&crate::store_root::locate(root)?)?;
    let puller = Puller::new(
        args.registry.settings()?,
        Arc::new(crate::progress::registry_notice),
    );
    let platform = build_platform();
    let resolver = Resolver::new(&store, &puller, options.pull);
    let (name, _) = args.image_and_command();
    let image = rbuild_build::lower::ResolveImage::image(&resolver, name, &platform).map_err(|failure| {
        match nearest_name(&store, name) {
            Some(near) => failure.hint(format!("did you mean `{near}`, which is in the store?")),
            None => failure,
        }
    })?;
    let zygote = engine::enter_sandbox(&store)?;
    // What processes that were killed have left behind. It costs room only, so nothing is said.
    let _ = store.sweep_tmp();
    let record = match &image.origin {
        Origin::Stored(record) => record.as_ref().clone(),
        Origin::Registry {
            reference,
            resolved,
            config,
        } => {
            crate::cli::streams::note(&format!("pulling {}", reference.familiar()));
            puller.fetch(&store, reference, resolved, config, clock::now(), &|_, _| {})?
        }
        Origin::Layout { .. } | Origin::Unknown => {
            return Err(Failure::host("internal error: run found no image of a name"));
        }
    };
    let snapshots = SnapshotStore::new(store.clone());
    let (snapshot, _lease) = files(&store, &snapshots, &record)?;
    let config = record.parse_config().map_err(Failure::from_host)?;
    let mut active = snapshots.begin(snapshot.as_ref()).map_err(Failure::from_host)?;
    let spec = sandbox(&options, &config, &snapshots, &mut active)?;
    let result = process::run(&zygote, &spec, &options);
    // The writable layer goes with the container, with and without `--rm`: nothing can start it again.
    drop(active);
    result
}

/// The image's snapshot, held against the garbage collector.
fn files(
    store: &Store,
    snapshots: &SnapshotStore,
    record: &ImageRecord,
) -> Result<(Option<Snapshot>, Option<rbuild_store::lock::Lease>), Failure> {
    let Some(id) = &record.snapshot else {
        return Ok((None, None));
    };
    let lease = store.locks().lease(id).map_err(Failure::from_host)?;
    match snapshots.get(id, Check::Now).map_err(Failure::from_host)? {
        Some(snapshot) if lease.is_some() => Ok((Some(snapshot), lease)),
        _ => {
            import::restore(store, record, clock::now())?;
            let lease = store.locks().lease(id).map_err(Failure::from_host)?;
            Ok((snapshots.get(id, Check::Now).map_err(Failure::from_host)?, lease))
        }
    }
}

/// What runs and what it sees.
fn sandbox(
    options: &RunOptions,
    config: &ImageConfig,
    snapshots: &SnapshotStore,
    active: &mut ActiveSnapshot<'_>,
) -> Result<SandboxSpec, Failure> {
    let tree = active
        .parent()
        .map(Snapshot::tree)
        .transpose()
        .map_err(Failure::from_host)?
        .unwrap_or_default();
    let container = &config.config;
    let user_spec = options.user.clone().unwrap_or_else(|| container.user.clone());
    let user = users::user(&tree, &user_spec).map_err(Failure::from_host)?;
    let cwd = options
        .workdir
        .clone()
        .unwrap_or_else(|| container.working_dir.clone());
    let cwd = if cwd.is_empty() {
        "/".to_owned()
    } else {
        rbuild_build::lower::path::clean(&cwd)
    };
    let hostname = options
        .hostname
        .clone()
        .or_else(|| options.name.clone())
        .unwrap_or_else(|| "rbuild".to_owned());

    let mut points = MountPoints::new(&tree);
    let mut mounts =
        standard_mounts(&mut points, &options.add_hosts, &hostname).map_err(Failure::from_host)?;
    if options.read_only {
        for path in ["/run", "/tmp"] {
            mounts.push(
                points
                    .mount(path, scratch_tmpfs(0o1777))
                    .map_err(Failure::from_host)?,
            );
        }
    }
    for tmpfs in &options.tmpfs {
        let kind = MountKind::Tmpfs {
            size: tmpfs.size,
            mode: tmpfs.mode,
            flags: tmpfs.flags,
        };
        mounts.push(points.mount(&tmpfs.target, kind).map_err(Failure::from_host)?);
    }
    for volume in &options.volumes {
        mounts.push(
            points
                .mount(&volume.target, bind(volume))
                .map_err(Failure::from_host)?,
        );
    }
    let cwd = points.working_directory(&cwd).map_err(|error| match error {
        MountError::NotADirectory { path } => Failure::host(format!(
            "the working directory `{path}` is not a directory in the image"
        )),
        other => Failure::from_host(other),
    })?;
    let lower = points.finish(snapshots, active).map_err(Failure::from_host)?;

    let root = root_of(active.root(), lower);
    let argv = argv(options, container)?;
    let mut spec = SandboxSpec::new(root, argv.into_iter().map(OsString::from).collect());
    spec.read_only = options.read_only;
    spec.mounts = mounts;
    spec.env = environment(
        options,
        config,
        &hostname,
        user.home.as_deref().and_then(Path::to_str),
    );
    spec.cwd = cwd;
    spec.user = user.credentials();
    spec.hostname = hostname;
    spec.network = if options.network_none {
        Network::None
    } else {
        Network::Host
    };
    spec.no_new_privs = options.no_new_privs;
    Ok(spec)
}

fn scratch_tmpfs(mode: u32) -> MountKind {
    let flags = MountFlags {
        nosuid: true,
        nodev: true,
        ..MountFlags::default()
    };
    MountKind::Tmpfs {
        size: None,
        mode,
        flags,
    }
}

fn bind(volume: &Volume) -> MountKind {
    MountKind::Bind {
        source: volume.source.clone(),
        source_root: None,
        recursive: true,
        flags: MountFlags {
            read_only: volume.read_only,
            ..MountFlags::default()
        },
    }
}

/// Entry point and command: arguments replace CMD, `--entrypoint` replaces both.
fn argv(options: &RunOptions, container: &rbuild_oci::ContainerConfig) -> Result<Vec<String>, Failure> {
    let mut argv = Vec::new();
    match &options.entrypoint {
        Some(entrypoint) => argv.extend(Some(entrypoint.clone()).filter(|program| !program.is_empty())),
        None => argv.extend(container.entrypoint.iter().flatten().cloned()),
    }
    if options.command.is_empty() {
        if options.entrypoint.is_none() {
            argv.extend(container.cmd.iter().flatten().cloned());
        }
    } else {
        argv.extend(options.command.iter().cloned());
    }
    if argv.is_empty() {
        return Err(
            Failure::new(Kind::Host, "the image names no command, and none was given")
                .hint("`rbuild run IMAGE COMMAND…` runs a command"),
        );
    }
    Ok(argv)
}

fn environment(
    options: &RunOptions,
    config: &ImageConfig,
    hostname: &str,
    home: Option<&str>,
) -> Vec<OsString> {
    let mut variables: Vec<(String, String)> = Vec::new();
    let mut set = |name: &str, value: &str| match variables.iter_mut().find(|(other, _)| other == name) {
        Some((_, old)) => value.clone_into(old),
        None => variables.push((name.to_owned(), value.to_owned())),
    };
    set("PATH", rbuild_build::lower::DEFAULT_PATH);
    set("HOSTNAME", hostname);
    if options.tty {
        set("TERM", "xterm");
    }
    set("HOME", home.unwrap_or("/"));
    for variable in &config.config.env {
        let (name, value) = variable.split_once('=').unwrap_or((variable, ""));
        set(name, value);
    }
    for (name, value) in &options.env {
        set(name, value);
    }
    variables
        .into_iter()
        .map(|(name, value)| OsString::from(format!("{name}={value}")))
        .collect()
}

/// The policies of `--pull` that make sense for a run.
fn pull_policy(text: &str) -> Result<PullPolicy, Failure> {
    crate::options::pull_policy(text)
}
