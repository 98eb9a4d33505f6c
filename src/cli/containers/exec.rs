//! `rbuild exec`: runs a further command in a container that runs.

use super::{find, refused};
use crate::cli::run::foreground::{self, Streams};
use crate::cli::run::variables;
use crate::cli::stored;
use crate::error::{Failure, Kind};
use crate::report::host;
use clap::Args;
use rbuild_container::kept::Kept;
use rbuild_container::{ExecError, Further, Inside};
use rbuild_rootdir::{Errno, Root};
use rbuild_rootfs::users::{User, listed_user};
use rbuild_sandbox::{Fate, Stdio};
use rustix::fs::{Mode, OFlags};
use std::io::Read;
use std::path::{Path, PathBuf};

/// What was typed.
#[derive(Debug, Args)]
#[command(override_usage = "rbuild exec [OPTIONS] CONTAINER COMMAND...")]
#[allow(clippy::struct_excessive_bools)]
pub struct ExecArgs {
    /// Do not wait for it
    #[arg(short, long)]
    pub detach: bool,

    /// Keep standard input open
    #[arg(short, long)]
    pub interactive: bool,

    /// Give the command a terminal
    #[arg(short, long)]
    pub tty: bool,

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

    /// Container, then the command and its arguments
    // One list: what follows its first word is the command's, whatever it looks like.
    #[arg(value_name = "CONTAINER", required = true, num_args = 2.., trailing_var_arg = true)]
    pub words: Vec<String>,
}

/// Runs.
///
/// # Errors
/// The container does not run, or the command cannot be executed; its own exit code is the `Ok` value.
pub fn run(args: &ExecArgs, root: Option<&Path>) -> Result<u8, Failure> {
    let Some((container, command)) = args.words.split_first() else {
        return Err(Failure::usage("exec needs a container and a command"));
    };
    if let Some(workdir) = args.workdir.as_ref().filter(|workdir| !workdir.starts_with('/')) {
        return Err(Failure::usage(format!("-w `{workdir}` is not an absolute path")));
    }
    let store = stored::existing(root)?;
    let kept = find(store.as_ref(), container)?;
    let further = Further {
        command: command.to_vec(),
        env: variables(&args.env_files, &args.env)?,
        workdir: args.workdir.clone(),
        user: Some(user(&kept, args.user.as_deref())?),
    };
    let fate = if args.detach {
        Fate::LivesOn
    } else {
        Fate::EndsWithUs
    };
    let inside = Inside::enter(&kept, fate).map_err(not_executed)?;
    if args.detach {
        inside.start(&further, nothing()?).map_err(not_executed)?;
        return Ok(0);
    }
    let streams = Streams {
        interactive: args.interactive,
        tty: args.tty,
        log: None,
    };
    foreground::run(streams, |stdio| {
        inside.start(&further, stdio).map_err(not_executed)
    })
}

#[expect(clippy::disallowed_methods, reason = "a device of the host")]
fn nothing() -> Result<Stdio, Failure> {
    let null = || {
        rustix::fs::open("/dev/null", OFlags::RDWR | OFlags::CLOEXEC, Mode::empty())
            .map_err(|errno| Failure::host(format!("opening /dev/null: {errno}")))
    };
    Ok(Stdio::Streams {
        stdin: null()?,
        stdout: null()?,
        stderr: null()?,
    })
}

/// Databases that are larger are not read.
const MOST: u64 = 10 << 20;

/// Who runs the command, by the files that the container has now.
fn user(kept: &Kept, wanted: Option<&str>) -> Result<User, Failure> {
    let record = kept.record();
    let wanted = wanted
        .or(record.request.user.as_deref())
        .unwrap_or(&record.config.user);
    let change = kept.change().map_err(super::told)?;
    let process = change.running().map_err(refused)?;
    let files = Root::open(format!("/proc/{}/root", process.pid()))
        .map_err(|error| Failure::host(format!("looking into container {}: {error}", record.name)))?;
    // What was opened is the container's if its process is still that one.
    drop(change.running().map_err(refused)?);
    let read = |path: &str| {
        let mut bytes = Vec::new();
        match files.open_file_in_root(path.as_bytes()) {
            Ok(file) => file
                .take(MOST)
                .read_to_end(&mut bytes)
                .map(|_| bytes)
                .map_err(|error| Failure::host(format!("reading the container's /{path}: {error}"))),
            Err(error) if matches!(error.errno, Errno::NOENT | Errno::NOTDIR) => Ok(bytes),
            Err(error) => Err(Failure::host(format!("reading the container's /{path}: {error}"))),
        }
    };
    listed_user(wanted, &read("etc/passwd")?, &read("etc/group")?).map_err(Failure::from_host)
}

fn not_executed(error: ExecError) -> Failure {
    match error {
        ExecError::Control(error) => refused(error),
        ExecError::Limits(error) => host::limit(&error),
        ExecError::Spawn(error) => Failure::from_error(
            match error.exit_code() {
                126 => Kind::NotExecutable,
                127 => Kind::NotFound,
                _ => Kind::Host,
            },
            &error,
        ),
        other => Failure::from_host(other),
    }
}
