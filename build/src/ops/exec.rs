//! `RUN`: a command in the sandbox on an overlay of the snapshot so far.

mod command;
mod explain;

mod key;
mod output;

pub(super) use key::preimage;

use super::mounts::{self, Prepared};
use super::spec::{ExecMount, ExecNetwork, ExecSpec, Step};
use super::{OpError, StepOutput};
use crate::engine::Engine;
use command::Command;
use rbuild_layer::tree::TreeView;
use rbuild_rootfs::{root_of, users};
use rbuild_sandbox::{Capability, Execution, Exit, ExitStatus, Network, SandboxSpec, Stdio};
use rbuild_solver::RunContext;
use rbuild_store::buildlog::StepUse;
use rbuild_store::snapshot::Snapshot;
use rustix::fs::{Mode, OFlags};
use rustix::pipe::{PipeFlags, pipe_with};
use std::fs::File;
use std::sync::Arc;

/// Host name of a build step; fixed, unless the build gives one, so that results do not depend on the machine.
pub(super) fn hostname(spec: &ExecSpec) -> &str {
    spec.hostname.as_deref().unwrap_or("rbuild")
}

pub(super) fn run(
    spec: &ExecSpec,
    step: &Step,
    inputs: &[StepOutput],
    engine: &Engine,
    context: &RunContext<'_>,
) -> Result<StepOutput, OpError> {
    let parent = inputs.first().and_then(StepOutput::snapshot);
    let tree = parent.map(Snapshot::tree).transpose()?.unwrap_or_default();
    let user = users::user(&tree, &spec.user)?;
    let mut active = engine.snapshots.begin(parent, engine.snapshot_form())?;
    for input in mounted_inputs(&spec.mounts) {
        if let Some(snapshot) = inputs.get(input).and_then(StepOutput::snapshot) {
            active.can_read(snapshot);
        }
    }
    let network = match spec.network {
        ExecNetwork::None => Network::None,
        ExecNetwork::Default => engine.default_network(),
        ExecNetwork::Host => Network::Host,
    };
    let mut secrets = command::secret_env(spec, engine)?;
    secrets.extend(command::agent_env(spec, engine));
    let Command { argv, script } = command::command(spec);
    let Prepared { mounts, cwd, guards } = mounts::prepare(
        (spec, step.no_cache, network),
        script,
        inputs,
        engine,
        &tree,
        &mut active,
        context,
    )?;

    let root = root_of(active.root()?);
    let mut sandbox = SandboxSpec::new(root, argv);
    sandbox.mounts = mounts;
    sandbox.env = command::environment(spec, user.home.as_deref(), secrets);
    sandbox.cwd = cwd;
    sandbox.user = user.credentials();
    sandbox.user.groups.extend(&spec.devices.edits.groups);
    sandbox.hostname = hostname(spec).to_owned();
    sandbox.network = network;
    sandbox.no_new_privs = spec.no_new_privs;
    sandbox.architecture = Some(spec.platform.architecture.clone());
    sandbox.limits.clone_from(&engine.limits);
    sandbox.rlimits.clone_from(&engine.rlimits);
    if spec.insecure {
        sandbox.capabilities = Capability::all().collect();
        sandbox.seccomp = false;
    }

    let (mut log_file, log_path) = engine.step_log(&step.id)?;
    let (exit, tail) = execute(&sandbox, engine, context, &mut log_file, spec, &tree)?;
    drop(guards);
    engine.note_use(&step.id, used(&exit));
    if context.cancel().is_cancelled() {
        return Err(OpError::Cancelled);
    }
    if exit.status != ExitStatus::Code(0) {
        return Err(OpError::CommandFailed {
            status: exit.status,
            tail,
            log: log_path,
            disk_full: engine.store.is_full(),
            out_of_memory: exit.out_of_memory().map(Box::new),
        });
    }
    Ok(StepOutput::committed(
        active
            .commit(&engine.commit_options())
            .map_err(OpError::of_layer)?,
    ))
}

/// What the record says of a command that has ended.
fn used(exit: &Exit) -> StepUse {
    StepUse {
        memory_peak: exit.memory_peak(),
        cpu_millis: u64::try_from(exit.cpu_time().as_millis()).unwrap_or(u64::MAX),
        counted_by_group: exit.group.is_some_and(|group| group.memory_peak.is_some()),
    }
}

/// The inputs whose files are mounted, or are in a cache that began as a copy of them.
fn mounted_inputs(mounts: &[ExecMount]) -> impl Iterator<Item = usize> {
    mounts.iter().filter_map(|mount| match mount {
        ExecMount::Bind { input, .. }
        | ExecMount::Cache {
            seed: Some((input, _)),
            ..
        } => Some(*input),
        _ => None,
    })
}

/// Starts the command, carries its output, and waits for its end.
fn execute(
    sandbox: &SandboxSpec,
    engine: &Engine,
    context: &RunContext<'_>,
    log: &mut File,
    spec: &ExecSpec,
    tree: &TreeView,
) -> Result<(Exit, Vec<String>), OpError> {
    let pipe = || pipe_with(PipeFlags::CLOEXEC).map_err(|errno| OpError::io("making a pipe", errno.into()));
    let (out, out_there) = pipe()?;
    let (err, err_there) = pipe()?;
    #[expect(clippy::disallowed_methods, reason = "a device of the host")]
    let stdin = rustix::fs::open("/dev/null", OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())
        .map_err(|errno| OpError::io("opening /dev/null", errno.into()))?;
    let running = engine
        .executor()?
        .start(
            sandbox,
            Stdio::Streams {
                stdin,
                stdout: out_there,
                stderr: err_there,
            },
        )
        .map_err(|error| explain::spawn_error(error, spec, tree))?;
    let running: Arc<dyn Execution> = Arc::from(running);
    let to_kill = Arc::clone(&running);
    let _subscription = context.cancel().subscribe(move || to_kill.kill());
    // Its pipes are closed when the last of its processes is dead, and those die with the first.
    let tail = output::carry(out, err, context, log);
    let exit = running.wait()?;
    Ok((exit, tail?))
}
