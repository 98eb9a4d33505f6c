//! `RUN`: a command in the sandbox on an overlay of the snapshot so far.

mod command;
mod explain;
mod output;

use super::mounts::{self, Prepared};
use super::spec::{ExecMount, ExecNetwork, ExecSpec, Step};
use super::{OpError, StepOutput, devices, owner};
use crate::engine::Engine;
use command::Command;
use rbuild_layer::tree::TreeView;
use rbuild_oci::Digest;
use rbuild_sandbox::{Capability, ExitStatus, Network, Root, SandboxSpec, Stdio};
use rbuild_solver::{Preimage, RunContext};
use rbuild_store::snapshot::Snapshot;
use rustix::fs::{Mode, OFlags};
use rustix::pipe::{PipeFlags, pipe_with};
use std::fs::File;
use std::sync::Arc;

/// Raised when the result of the same fields changes.
const REVISION: u32 = 2;

/// Host name of a build step; fixed, unless the build gives one, so that results do not depend on the machine.
pub(super) fn hostname(spec: &ExecSpec) -> &str {
    spec.hostname.as_deref().unwrap_or("rbuild")
}

pub(super) fn preimage(spec: &ExecSpec, inputs: &[StepOutput]) -> Result<Option<Preimage>, OpError> {
    let mut preimage = Preimage::new("exec", REVISION);
    if let Some(base) = inputs.first() {
        preimage = preimage.input("base", base.content().to_hex());
    }
    for arg in &spec.argv {
        preimage = preimage.text("command", arg);
    }
    for (name, value) in &spec.env {
        preimage = if spec.redacted.contains(name) {
            // The hash tells a change from none, and no more.
            preimage.text(&format!("env {name}"), Digest::of(value.as_bytes()).to_string())
        } else {
            preimage.text(&format!("env {name}"), value)
        };
    }
    preimage = preimage
        .text("directory", &spec.cwd)
        .text("user", &spec.user)
        .text("network", spec.network.as_str())
        .text("platform", spec.platform.to_string());
    if spec.no_new_privs {
        preimage = preimage.text("no-new-privileges", "true");
    }
    if spec.insecure {
        preimage = preimage.text("security", "insecure");
    }
    if let Some(hostname) = &spec.hostname {
        preimage = preimage.text("own host name", hostname);
    }
    for (name, _) in &spec.add_hosts {
        preimage = preimage.text("host name", name);
    }
    if let Some((name, content)) = &spec.script {
        preimage = preimage.text(&format!("script {name}"), content);
    }
    for mount in &spec.mounts {
        preimage = match mount {
            ExecMount::Bind {
                target,
                input,
                source,
                writable,
            } => {
                let how = if *writable { "rw" } else { "ro" };
                let preimage = preimage.text("mount bind", format!("{target} {how} {source}"));
                let tree = mounts::bind_fingerprints(inputs, *input, source)?;
                preimage.tree(&format!("files at {target}"), tree)
            }
            ExecMount::Cache { .. } => mounts::cache_identity(mount, inputs, preimage)?,
            ExecMount::Tmpfs { target, .. } => preimage.text("mount tmpfs", target),
            ExecMount::Secret {
                id,
                target,
                env,
                mode,
                uid,
                gid,
                ..
            } => preimage.text(
                "mount secret",
                format!(
                    "{id} {} {} {mode:o} {uid}:{gid}",
                    target.as_deref().unwrap_or("-"),
                    env.as_deref().unwrap_or("-")
                ),
            ),
            ExecMount::Ssh { id, target, .. } => preimage.text("mount ssh", format!("{id} {target}")),
        };
    }
    Ok(Some(devices::identify(&spec.devices, preimage)))
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
    let user = owner::user(&tree, &spec.user)?;
    let mut active = engine.snapshots.begin(parent)?;
    let mut secrets = command::secret_env(spec, engine)?;
    secrets.extend(command::agent_env(spec, engine));
    let Command { argv, script } = command::command(spec);
    let Prepared {
        mounts,
        cwd,
        guards,
        lower,
    } = mounts::prepare(
        (spec, step.no_cache),
        script,
        inputs,
        engine,
        &tree,
        &mut active,
        context,
    )?;

    let mut lowers = active.lowers();
    lowers.extend(lower);
    let root = Root::Overlay {
        lowers,
        upper: active.upper(),
        work: active.work(),
        volatile: true,
    };
    let mut sandbox = SandboxSpec::new(root, argv);
    sandbox.mounts = mounts;
    sandbox.env = command::environment(spec, user.home.as_deref(), secrets);
    sandbox.cwd = cwd;
    sandbox.user = user.credentials();
    sandbox.user.groups.extend(&spec.devices.edits.groups);
    sandbox.hostname = hostname(spec).to_owned();
    sandbox.network = match spec.network {
        ExecNetwork::None => Network::None,
        ExecNetwork::Default | ExecNetwork::Host => Network::Host,
    };
    sandbox.no_new_privs = spec.no_new_privs;
    if spec.insecure {
        sandbox.capabilities = Capability::all().collect();
        sandbox.seccomp = false;
    }

    let (mut log_file, log_path) = engine.step_log(&step.title)?;
    let (status, tail) = execute(&sandbox, engine, context, &mut log_file, spec, &tree)?;
    drop(guards);
    if context.cancel().is_cancelled() {
        return Err(OpError::Cancelled);
    }
    if status != ExitStatus::Code(0) {
        return Err(OpError::CommandFailed {
            status,
            tail,
            log: log_path,
        });
    }
    Ok(StepOutput::committed(active.commit(&engine.commit_options())?))
}

/// Starts the command, carries its output, and waits for its end.
fn execute(
    sandbox: &SandboxSpec,
    engine: &Engine,
    context: &RunContext<'_>,
    log: &mut File,
    spec: &ExecSpec,
    tree: &TreeView,
) -> Result<(ExitStatus, Vec<String>), OpError> {
    let pipe = || pipe_with(PipeFlags::CLOEXEC).map_err(|errno| OpError::io("making a pipe", errno.into()));
    let (out, out_there) = pipe()?;
    let (err, err_there) = pipe()?;
    let stdin = rustix::fs::open("/dev/null", OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())
        .map_err(|errno| OpError::io("opening /dev/null", errno.into()))?;
    let running = engine
        .zygote()?
        .spawn(
            sandbox,
            Stdio::Streams {
                stdin,
                stdout: out_there,
                stderr: err_there,
            },
        )
        .map_err(|error| explain::spawn_error(error, spec, tree))?;
    let running = Arc::new(running);
    let to_kill = Arc::clone(&running);
    let _subscription = context.cancel().subscribe(move || to_kill.kill());
    let tail = std::thread::scope(|scope| {
        let reader = scope.spawn(|| output::carry(out, err, context, log));
        let exit = running.wait();
        let tail = reader.join().unwrap_or_else(|_| Ok(Vec::new()));
        exit.map(|exit| (exit.status, tail))
    });
    let (status, tail) = tail?;
    Ok((status, tail?))
}
