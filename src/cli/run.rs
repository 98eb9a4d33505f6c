//! `rbuild run [OPTIONS] IMAGE [COMMAND…]`.

mod foreground;
mod options;
mod signals;

use super::foreign::ForeignArgs;
use super::stored::nearest_name;
use super::streams::note;
use crate::error::{Failure, Kind};
use crate::options::limits::{ContainerLimitArgs, LimitArgs};
use crate::options::registry::RegistryArgs;
use crate::options::without_transport;
use crate::report::host;
use clap::Args;
use options::RunOptions;
use rbuild_build::lower::ResolveImage;
use rbuild_build::pull::Registries;
use rbuild_build::request::build_platform;
use rbuild_build::sources::{BaseImage, Origin, Resolver};
use rbuild_build::{clock, engine, import, open_store};
use rbuild_container::{Container, Image, StartError};
use rbuild_oci::ContainerConfig;
use rbuild_sandbox::Network;
use rbuild_store::Store;
use rbuild_store::image::ImageRecord;
use rbuild_store::snapshot::{Check, Held, SnapshotStore};
use std::path::{Path, PathBuf};

/// What was typed for a run.
#[derive(Debug, Args)]
#[command(
    override_usage = "rbuild run [OPTIONS] IMAGE [COMMAND]...",
    disable_help_flag = true,
    args_override_self = true
)]
#[allow(clippy::struct_excessive_bools)]
pub struct RunArgs {
    /// Keep standard input open
    #[arg(short, long)]
    pub interactive: bool,

    /// Give the command a terminal
    #[arg(short, long)]
    pub tty: bool,

    /// Remove the container's writable layer when it ends; this is always so, since nothing can start it again
    #[arg(long)]
    pub rm: bool,

    /// Set a variable; without a value it is taken from the environment (repeatable)
    #[arg(short, long = "env", value_name = "KEY[=VALUE]")]
    pub env: Vec<String>,

    /// Read variables from a file (repeatable)
    #[arg(long = "env-file", value_name = "FILE")]
    pub env_files: Vec<PathBuf>,

    /// Working directory
    #[arg(short, long, value_name = "DIR")]
    pub workdir: Option<String>,

    /// User and group: NAME|UID[:GROUP|GID]
    #[arg(short, long, value_name = "USER")]
    pub user: Option<String>,

    /// Replace the image's entry point; an empty text clears it
    #[arg(long, value_name = "COMMAND")]
    pub entrypoint: Option<String>,

    /// Mount a host directory or file: HOST:CONTAINER[:ro] (repeatable)
    #[arg(short, long = "volume", value_name = "HOST:CONTAINER[:OPTIONS]")]
    pub volumes: Vec<String>,

    /// Mount a file system in memory: CONTAINER[:size=…,mode=…] (repeatable)
    #[arg(long, value_name = "CONTAINER[:OPTIONS]")]
    pub tmpfs: Vec<String>,

    /// Make the root file system read-only
    #[arg(long)]
    pub read_only: bool,

    /// Host name in the container
    #[arg(short = 'h', long, value_name = "NAME")]
    pub hostname: Option<String>,

    /// Name of the container: its host name, unless --hostname gives another
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,

    /// Network: default, none, host (the caller's own), private
    #[arg(long, alias = "net", value_name = "MODE", default_value = "default")]
    pub network: String,

    /// Add a line to /etc/hosts: HOST:IP (repeatable)
    #[arg(long = "add-host", value_name = "HOST:IP")]
    pub add_hosts: Vec<String>,

    /// When to ask the registry: always, missing, never
    #[arg(long, value_name = "POLICY", default_value = "missing")]
    pub pull: String,

    /// Forbid gaining privileges through set-id programs: no-new-privileges (repeatable)
    #[arg(long = "security-opt", value_name = "OPTION")]
    pub security_opts: Vec<String>,

    /// What it may use.
    #[command(flatten)]
    pub limits: LimitArgs,

    /// What it may use besides.
    #[command(flatten)]
    pub container_limits: ContainerLimitArgs,

    /// Registries.
    #[command(flatten)]
    pub registry: RegistryArgs,

    /// Print help
    #[arg(long, action = clap::ArgAction::Help)]
    pub help: Option<bool>,

    /// Image to run, then the command and its arguments [default: the image's]
    // One list: what follows its first word is the command's, whatever it looks like.
    #[arg(value_name = "IMAGE", required = true, num_args = 1.., trailing_var_arg = true)]
    pub words: Vec<String>,

    /// Flags of other programs; see [`super::parse`].
    #[arg(skip)]
    pub foreign: ForeignArgs,
}

impl RunArgs {
    /// The image, and the command that replaces the image's.
    #[must_use]
    pub fn image_and_command(&self) -> (&str, &[String]) {
        match self.words.split_first() {
            Some((image, command)) => (image, command),
            None => ("", &[]),
        }
    }
}

/// Runs.
///
/// # Errors
/// Whatever keeps the command from running; its own exit code is the `Ok` value.
pub fn run(args: &RunArgs, root: Option<&Path>) -> Result<u8, Failure> {
    for text in args.foreign.judge()? {
        note(&format!("note: {text}"));
    }
    let environment = crate::environment::environment();
    let options = RunOptions::from_args(args, &environment.caller())?;
    let store = open_store(&crate::store_root::locate(root)?)?;
    let registries = super::transfer::registries(args.registry.settings()?);
    let (name, _) = args.image_and_command();
    let name = without_transport(name);
    let resolver = Resolver::new(&store, &registries, options.pull);
    let image = resolver
        .image(name, &build_platform())
        .map_err(Failure::from)
        .map_err(|failure| match nearest_name(&store, name) {
            Some(near) => failure.hint(format!("did you mean `{near}`, which is in the store?")),
            None => failure,
        })?;
    let zygote = engine::enter_sandbox(&store, &environment.caller())?;
    // What processes that were killed have left behind. It costs room only, so nothing is said.
    let _ = store.sweep_tmp();
    let record = fetched(&image, &store, &registries)?;
    let snapshots = SnapshotStore::new(store.clone());
    let files = files(&store, &snapshots, &record)?;
    let config = record.parse_config().map_err(Failure::from_host)?;
    let image = Image {
        config: &config,
        files,
    };
    // The writable layer goes with the container, with and without `--rm`: nothing can start it again.
    let code = foreground::run(&options, |stdio| {
        Container::start(&zygote, &snapshots, image, &options.request, stdio).map_err(not_started)
    })?;
    let is_failure = (1..128).contains(&code);
    if is_failure
        && options.request.network == Network::Host
        && let Some((port, first)) = closed_port(&config.config)
    {
        note(&format!(
            "note: the image is for port {port}, and this host lets no container listen below {first}: let it listen on \
             another one, or `sudo sysctl -w net.ipv4.ip_unprivileged_port_start={port}`"
        ));
    }
    Ok(code)
}

/// A port of the image that its command may not have on the host's network, and the first one that it may.
#[expect(clippy::disallowed_methods, reason = "a file of the kernel")]
fn closed_port(image: &ContainerConfig) -> Option<(u16, u16)> {
    let ports = image.exposed_ports.keys();
    let ports = ports.filter_map(|port| port.split('/').next()?.parse::<u16>().ok());
    let port = ports.filter(|port| *port < 1024).min()?;
    let first = std::fs::read_to_string("/proc/sys/net/ipv4/ip_unprivileged_port_start").ok()?;
    let first = first.trim().parse().ok()?;
    (port < first).then_some((port, first))
}

/// The image in the store, pulled if that is where it is.
fn fetched(image: &BaseImage, store: &Store, registries: &Registries) -> Result<ImageRecord, Failure> {
    match &image.origin {
        Origin::Stored(record) => Ok(record.as_ref().clone()),
        Origin::Registry {
            reference,
            resolved,
            config,
        } => {
            note(&format!("pulling {}", reference.familiar()));
            Ok(registries.fetch(store, reference, resolved, config, clock::now(), &|_, _| {})?)
        }
        Origin::Layout { .. } | Origin::Unknown => {
            Err(Failure::host("internal error: run found no image of a name"))
        }
    }
}

/// The image's files, unpacked again where they are gone.
fn files(store: &Store, snapshots: &SnapshotStore, record: &ImageRecord) -> Result<Option<Held>, Failure> {
    let Some(id) = &record.snapshot else {
        return Ok(None);
    };
    let open = || {
        Ok(snapshots
            .open(id, Check::Now)
            .map_err(Failure::from_host)?
            .sound())
    };
    if let Some(held) = open()? {
        return Ok(Some(held));
    }
    import::restore(store, record, clock::now())?;
    open()
}

/// Why there is no container, in words: 125, 126 or 127 as docker has it.
fn not_started(error: StartError) -> Failure {
    match error {
        StartError::NoCommand => Failure::from_host(error).hint("`rbuild run IMAGE COMMAND…` runs a command"),
        StartError::EmptyCommand => Failure::from_error(Kind::NotFound, &error),
        StartError::WorkingDirectory { .. } => Failure::from_host(error),
        StartError::User(error) => Failure::from_host(error),
        StartError::Mount(error) => Failure::from_host(error),
        StartError::Tree(error) => Failure::from_host(error),
        StartError::Snapshot(error) => Failure::from_host(error),
        StartError::Limits(error) => host::limit(&error),
        StartError::Spawn(error) => {
            let kind = match error.exit_code() {
                126 => Kind::NotExecutable,
                127 => Kind::NotFound,
                _ => Kind::Host,
            };
            Failure::from_error(kind, &error)
        }
    }
}
