//! `rbuild run [OPTIONS] IMAGE [COMMAND…]`.

use super::foreign::ForeignArgs;
use super::streams::note;
use crate::error::Failure;
use crate::options::registry::RegistryArgs;
use clap::Args;
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

    /// Network: none, or host (the caller's own)
    #[arg(long, alias = "net", value_name = "MODE", default_value = "host")]
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
    crate::container::run(args, root)
}
