//! The command line: one file per subcommand, whose doc comments are its help.
//!
//! Parsing only says what was typed; what it means is decided in [`crate::options`] and the verbs.

pub mod build;
pub mod run;

use crate::error::Failure;
use clap::{Parser, Subcommand};
use std::path::PathBuf;

/// Build Dockerfiles into OCI images, and run them: no daemon, no privileges.
///
/// `rbuild -t app .` builds the Dockerfile of the current directory, `rbuild run app` runs the result. Everything is
/// kept in one directory (RBUILD_ROOT) that many rbuild processes may share.
#[derive(Debug, Parser)]
#[command(
    name = "rbuild",
    version,
    args_conflicts_with_subcommands = true,
    subcommand_negates_reqs = true,
    disable_help_subcommand = true,
    after_help = "Examples:\n  rbuild -f Dockerfile -t app .         build and keep as `app` in the local store\n  \
                  rbuild run --rm app                   run it\n  \
                  rbuild -o type=oci,dest=app.tar .     write an OCI archive\n  \
                  rbuild why                            say why the last build did not use the cache\n  \
                  rbuild doctor                         say what this host allows\n\n\
                  Exit codes: 0 success, 1 the build failed, 125 wrong usage or a failure of rbuild itself,\n\
                  130/143 interrupted; `rbuild run` returns the command's own code (126, 127 as in a shell)."
)]
pub struct Cli {
    /// Directory of the store [default: /var/lib/rbuild as root, else $XDG_DATA_HOME/rbuild]
    #[arg(long, env = "RBUILD_ROOT", value_name = "DIR", global = true)]
    pub root: Option<PathBuf>,

    /// What to do; without it: build
    #[command(subcommand)]
    pub command: Option<Command>,

    /// The bare form: `rbuild [OPTIONS] CONTEXT`
    #[command(flatten)]
    pub build: build::BuildArgs,
}

/// The verbs.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Build an image from a Dockerfile (the default verb)
    Build(Box<build::BuildArgs>),
    /// Run a command in a new container of an image
    Run(Box<run::RunArgs>),
}

/// Runs what was asked for.
///
/// # Errors
/// Everything that goes wrong, worded and with its exit code.
pub fn dispatch(cli: Cli) -> Result<u8, Failure> {
    let root = cli.root.as_deref();
    match cli.command {
        None => build::run(&cli.build, root),
        Some(Command::Build(args)) => build::run(&args, root),
        Some(Command::Run(args)) => run::run(&args, root),
    }
}
