//! `rbuild run [OPTIONS] IMAGE [COMMAND…]`.

pub mod foreground;
mod found;
mod options;
mod signals;

pub use found::{Found, image_files};
pub use options::{RunOptions, variables};

use super::containers::create::make;
use super::containers::start::Starting;
use super::containers::{not_started, told};
use super::foreign::ForeignArgs;
use super::streams::{note, print};
use crate::error::Failure;
use crate::options::limits::{ContainerLimitArgs, LimitArgs};
use crate::options::registry::RegistryArgs;
use clap::Args;
use foreground::Streams;
use rbuild_build::engine;
use rbuild_build::host::{form_of, network_of};
use rbuild_container::kept::{Kept, Restart};
use rbuild_container::log::LogWriter;
use rbuild_container::{Container, Image, Ready, Runner};
use rbuild_oci::ContainerConfig;
use rbuild_sandbox::{Confinement, Network, Zygote};
use rbuild_store::snapshot::{Held, SnapshotStore};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

/// What was typed for a run.
#[derive(Debug, Args)]
#[command(
    override_usage = "rbuild run [OPTIONS] IMAGE [COMMAND]...",
    disable_help_flag = true,
    args_override_self = true
)]
#[allow(clippy::struct_excessive_bools)]
pub struct RunArgs {
    /// Leave it running, and print its id
    #[arg(short, long)]
    pub detach: bool,

    /// Keep standard input open
    #[arg(short, long)]
    pub interactive: bool,

    /// Give the command a terminal
    #[arg(short, long)]
    pub tty: bool,

    /// Remove the container, and what it has written, when it ends
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

    /// Name of the container [default: a random one]; its host name too, unless --hostname gives another
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,

    /// Write the container's id to a file that is not there yet
    #[arg(long, value_name = "FILE")]
    pub cidfile: Option<PathBuf>,

    /// Label of the container: KEY[=VALUE] (repeatable)
    #[arg(short, long = "label", value_name = "KEY[=VALUE]")]
    pub labels: Vec<String>,

    /// Read labels from a file (repeatable)
    #[arg(long = "label-file", value_name = "FILE")]
    pub label_files: Vec<PathBuf>,

    /// Annotation of the container: KEY=VALUE (repeatable)
    #[arg(long = "annotation", value_name = "KEY=VALUE")]
    pub annotations: Vec<String>,

    /// Start it again when it ends, with -d: no, on-failure[:MOST], always, unless-stopped
    #[arg(long, value_name = "POLICY", default_value = "no")]
    pub restart: String,

    /// Signal that `stop` sends [default: the image's, else SIGTERM]
    #[arg(long, value_name = "SIGNAL")]
    pub stop_signal: Option<String>,

    /// Seconds that `stop` waits before it kills; -1 waits for ever [default: 10]
    #[arg(long, value_name = "SECONDS", allow_negative_numbers = true)]
    pub stop_timeout: Option<i64>,

    /// Whether `logs` has what it prints: local, none
    #[arg(long, value_name = "DRIVER", default_value = "local")]
    pub log_driver: String,

    /// How much of it: max-size=SIZE of a file, max-file=NUMBER of them [default: 20m, 5] (repeatable)
    #[arg(long = "log-opt", value_name = "NAME=VALUE")]
    pub log_opts: Vec<String>,

    /// Network: default, none, host (the caller's own), private
    #[arg(long, alias = "net", value_name = "MODE", default_value = "default")]
    pub network: String,

    /// How the command is closed in: auto (the strongest that the host allows), namespaces, single-id, chroot, supervisor
    #[arg(long, value_name = "KIND", default_value = "auto")]
    pub sandbox: String,

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
    /// Whether the container is a directory of the store: one that goes with its command and has no name is not looked for.
    fn is_kept(&self) -> bool {
        !self.rm || self.name.is_some() || self.cidfile.is_some()
    }

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
    let found = Found::of(args, root)?;
    if args.detach {
        return detached(args, &found);
    }
    if found.options.kept.restart != Restart::No {
        return Err(
            Failure::usage("--restart needs somebody who stays: `rbuild run -d`")
                .hint("`rbuild logs -f NAME` shows what it prints"),
        );
    }
    let entered = found.sandbox()?;
    let way = entered.choice.way;
    let record = found.fetched()?;
    let snapshots = SnapshotStore::new(found.store.clone());
    let config = record.parse_config().map_err(Failure::from_host)?.config;
    let options = &found.options;
    // One that is kept has its files as an overlay.
    let is_kept = args.is_kept() && way.overlays;
    if args.is_kept() && !is_kept {
        note("note: the container is not kept, as by --rm: that takes an overlay");
    }
    let code = if is_kept {
        let (kept, files) = make(args, options, &found, &record, &snapshots)?;
        in_foreground(&entered.zygote, &snapshots, &kept, files, options.interactive)?
    } else {
        let files = found.files(&snapshots, &record)?;
        let image = Image {
            config: &config,
            files,
        };
        let mut request = options.request.clone();
        if !options.network_is_asked_for {
            request.network = network_of(way, &crate::environment::environment().caller());
        }
        let stdio = Streams {
            interactive: options.interactive,
            tty: options.tty,
            log: None,
        };
        foreground::run(stdio, |stdio| {
            let runner = Runner {
                zygote: &entered.zygote,
                form: form_of(way),
            };
            Container::start(&runner, &snapshots, image, &request, stdio).map_err(not_started)
        })?
    };
    let is_failure = (1..128).contains(&code);
    if is_failure
        && options.request.network == Network::Host
        && let Some((port, first)) = closed_port(&config)
    {
        note(&format!(
            "note: the image is for port {port}, and this host lets no container listen below {first}: let it listen on \
             another one, or `sudo sysctl -w net.ipv4.ip_unprivileged_port_start={port}`"
        ));
    }
    Ok(code)
}

/// Makes a container and has a monitor start it.
fn detached(args: &RunArgs, found: &Found) -> Result<u8, Failure> {
    found.enter()?;
    let record = found.fetched()?;
    let snapshots = SnapshotStore::new(found.store.clone());
    let (kept, _files) = make(args, &found.options, found, &record, &snapshots)?;
    let started = Starting::entered(snapshots).detached(&kept);
    if started.is_err() && args.rm {
        let _ = kept.remove(false);
    }
    started?;
    print(&format!("{}\n", kept.record().id))?;
    Ok(0)
}

/// Starts a container that is kept and does not live, on our own streams.
///
/// # Errors
/// It does not start.
pub fn attached(kept: &Kept, interactive: bool) -> Result<u8, Failure> {
    let store = kept.dir().store();
    engine::enter_host(store, &crate::environment::environment().caller())?;
    let zygote = Zygote::start(
        &crate::environment::environment().caller(),
        Confinement::Namespaces,
    )
    .map_err(Failure::from_host)?;
    let snapshots = SnapshotStore::new(store.clone());
    let files = image_files(&snapshots, kept)?;
    let interactive = interactive && kept.record().open_stdin;
    in_foreground(&zygote, &snapshots, kept, files, interactive)
}

fn in_foreground(
    zygote: &Zygote,
    snapshots: &SnapshotStore,
    kept: &Kept,
    files: Option<Held>,
    interactive: bool,
) -> Result<u8, Failure> {
    let record = kept.record();
    let log = (!record.auto_remove).then(|| LogWriter::new(kept.dir().path(), record.log));
    let streams = Streams {
        interactive,
        tty: record.tty,
        log: log.map(|log| Arc::new(Mutex::new(log))),
    };
    let code = foreground::run(streams, |stdio| {
        let change = kept.change().map_err(told)?;
        if change.state.status.is_live() {
            let name = &change.record.name;
            return Err(Failure::host(format!("container {name} is running already"))
                .hint(format!("`rbuild logs -f {name}` shows what it prints")));
        }
        let ready = Ready::new(snapshots, kept, &change, files).map_err(not_started)?;
        Container::start_kept(zygote, ready, kept, change, stdio).map_err(not_started)
    });
    if code.is_err() && record.auto_remove {
        let _ = kept.remove(false);
    }
    code
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
