//! [`Inside`]: a further command in a container that runs.

use crate::command::environment;
use crate::kept::{ControlError, Kept};
use crate::process::Process;
use crate::request::Request;
use rbuild_rootfs::path;
use rbuild_rootfs::users::User;
use rbuild_sandbox::cgroup::{self, LimitError};
use rbuild_sandbox::{Exit, Fate, Root, SandboxSpec, SpawnError, Stdio, Zygote};
use std::ffi::OsString;
use std::os::fd::OwnedFd;
use std::path::Path;

/// What to run in a container that runs. What it leaves open is as the container has it.
#[derive(Debug, Clone, Default)]
pub struct Further {
    /// Program and arguments.
    pub command: Vec<String>,
    /// Variables, on top of the container's.
    pub env: Vec<(String, String)>,
    /// Working directory, absolute.
    pub workdir: Option<String>,
    /// Who runs it, looked up in the container.
    pub user: Option<User>,
}

/// Why a command is not run in a container.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExecError {
    /// The container does not run, or cannot be read.
    #[error(transparent)]
    Control(#[from] ControlError),
    /// Its group cannot be entered.
    #[error(transparent)]
    Limits(#[from] LimitError),
    /// It cannot be entered, or the program is not there or cannot be executed.
    #[error(transparent)]
    Spawn(#[from] SpawnError),
}

/// A container that was entered. Dropping it kills what runs through it, unless that lives on.
pub struct Inside {
    zygote: Zygote,
    kept: Kept,
}

impl Inside {
    /// Enters a container. With one thread only.
    ///
    /// # Errors
    /// It does not run, or cannot be entered.
    pub fn enter(kept: &Kept, fate: Fate) -> Result<Self, ExecError> {
        let process = kept.change().map_err(ControlError::from)?.running()?;
        let groups = match kept.record().request.limits.is_none() {
            true => Vec::new(),
            false => cgroup::groups_of(process.pid())?,
        };
        // Of a process that has ended meanwhile there is nothing to enter.
        let zygote = Zygote::start_inside(process.into_pidfd(), groups, fate)?;
        Ok(Self {
            zygote,
            kept: kept.clone(),
        })
    }

    /// Starts a command and returns once it executes.
    ///
    /// # Errors
    /// The program cannot be executed, or something that it needs cannot be had.
    pub fn start(&self, further: &Further, stdio: Stdio) -> Result<Executing, ExecError> {
        let has_terminal = matches!(stdio, Stdio::Pty { .. });
        let spec = spec(&self.kept, further, has_terminal);
        let mut running = self.zygote.spawn(&spec, stdio)?;
        Ok(Executing {
            pty: running.take_pty(),
            process: Process::new(running),
        })
    }
}

fn spec(kept: &Kept, further: &Further, has_terminal: bool) -> SandboxSpec {
    let record = kept.record();
    let mut request = Request {
        env: record.request.env.clone(),
        hostname: record.request.hostname.clone(),
        ..Request::default()
    };
    request.env.extend(further.env.iter().cloned());
    let argv = further.command.iter().map(OsString::from).collect();
    // It has the root of what it joins.
    let mut spec = SandboxSpec::new(Root::Directory("/".into()), argv);
    let home = further
        .user
        .as_ref()
        .and_then(|user| user.home.as_deref())
        .and_then(Path::to_str);
    spec.env = environment(&request, &record.config, has_terminal, home);
    let workdir = further.workdir.as_ref().or(record.request.workdir.as_ref());
    spec.cwd = path::clean(workdir.unwrap_or(&record.config.working_dir)).into();
    if let Some(user) = &further.user {
        spec.user = user.credentials();
    }
    spec.network = record.request.network;
    spec.no_new_privs = record.request.no_new_privs;
    spec.rlimits.clone_from(&record.request.rlimits);
    spec
}

/// A further command that runs. Dropping it kills the command, unless that lives on.
pub struct Executing {
    process: Process,
    pty: Option<OwnedFd>,
}

impl Executing {
    /// Its process, to be used from any thread.
    #[must_use]
    pub fn process(&self) -> Process {
        self.process.clone()
    }

    /// The outer side of its terminal, once, where one was asked for.
    pub fn take_terminal(&mut self) -> Option<OwnedFd> {
        self.pty.take()
    }

    /// Waits for the end of the command.
    ///
    /// # Errors
    /// Whoever has started it is gone.
    pub fn wait(&self) -> Result<Exit, SpawnError> {
        self.process.wait()
    }
}
