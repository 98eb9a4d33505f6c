//! `RUN`: a command in the sandbox on an overlay of the snapshot so far.

use super::devices;
use super::mounts::{self, Prepared};
use super::owner;
use super::spec::{ExecMount, ExecNetwork, ExecSpec, Step};
use super::{OpError, StepOutput};
use crate::engine::Engine;
use rbuild_sandbox::{Capability, ExitStatus, Network, Root, SandboxSpec, SpawnError, Stdio};
use rbuild_solver::{Preimage, RunContext, Stream};
use rbuild_store::digest::Digest;
use rbuild_store::snapshot::Snapshot;
use rbuild_store::tree::{LastLink, Tree, TreeView};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::{Mode, OFlags};
use rustix::pipe::{PipeFlags, pipe_with};
use std::collections::VecDeque;
use std::ffi::OsString;
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::Arc;

/// How many of the last lines a failure shows.
const TAIL_LINES: usize = 20;
/// Longest line kept for the tail, in bytes.
const TAIL_LINE: usize = 4096;

/// Raised when the result of the same fields changes.
const REVISION: u32 = 1;

/// Host name of build steps; fixed, so that results do not depend on the machine.
pub(super) const HOSTNAME: &str = "rbuild";

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
            ExecMount::Cache {
                target, read_only, ..
            } => preimage.text(
                "mount cache",
                format!("{target}{}", if *read_only { " ro" } else { "" }),
            ),
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
    let mut secrets = secret_env(spec, engine)?;
    secrets.extend(agent_env(spec, engine));
    let Prepared {
        mounts,
        cwd,
        guards,
        lower,
    } = mounts::prepare(spec, inputs, engine, &tree, &mut active, context)?;

    let mut lowers = active.lowers();
    lowers.extend(lower);
    let root = Root::Overlay {
        lowers,
        upper: active.upper(),
        work: active.work(),
        volatile: true,
    };
    let mut sandbox = SandboxSpec::new(root, spec.argv.iter().map(OsString::from).collect());
    sandbox.mounts = mounts;
    sandbox.env = environment(spec, user.home.as_deref(), secrets);
    sandbox.cwd = cwd;
    sandbox.user = user.credentials();
    sandbox.user.groups.extend(&spec.devices.edits.groups);
    sandbox.hostname = HOSTNAME.to_owned();
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

/// The complete environment: ENV and ARG, then what the key leaves out, PATH and HOME where nobody set them.
fn environment(spec: &ExecSpec, home: Option<&Path>, secrets: Vec<(String, OsString)>) -> Vec<OsString> {
    let mut variables: Vec<(String, OsString)> = Vec::new();
    let mut set = |name: &str, value: OsString| match variables.iter_mut().find(|(other, _)| other == name) {
        Some((_, old)) => *old = value,
        None => variables.push((name.to_owned(), value)),
    };
    let of_devices = &spec.devices.edits.env;
    for (name, value) in spec.env.iter().chain(&spec.hidden_env).chain(of_devices) {
        set(name, value.into());
    }
    for (name, value) in secrets {
        set(&name, value);
    }
    if !variables.iter().any(|(name, _)| name == "HOME") {
        variables.push(("HOME".to_owned(), home.unwrap_or(Path::new("/")).into()));
    }
    variables
        .into_iter()
        .map(|(name, value)| {
            let mut variable = OsString::from(name);
            variable.push("=");
            variable.push(value);
            variable
        })
        .collect()
}

/// Where ssh finds the first agent that was given.
fn agent_env(spec: &ExecSpec, engine: &Engine) -> Option<(String, OsString)> {
    spec.mounts.iter().find_map(|mount| match mount {
        ExecMount::Ssh { id, target, .. } if engine.ssh.contains_key(id) => {
            Some(("SSH_AUTH_SOCK".to_owned(), target.into()))
        }
        _ => None,
    })
}

fn secret_env(spec: &ExecSpec, engine: &Engine) -> Result<Vec<(String, OsString)>, OpError> {
    use std::os::unix::ffi::OsStringExt;
    let mut variables = Vec::new();
    for mount in &spec.mounts {
        if let ExecMount::Secret {
            id,
            env: Some(name),
            required,
            ..
        } = mount
        {
            match engine.secret(id)? {
                Some(bytes) if bytes.contains(&0) => {
                    return Err(OpError::Secret {
                        id: id.clone(),
                        why: "a value with a NUL byte cannot be an environment variable".to_owned(),
                    });
                }
                Some(bytes) => variables.push((name.clone(), OsString::from_vec(bytes))),
                None if *required => return Err(mounts::missing_secret(id)),
                None => {}
            }
        }
    }
    Ok(variables)
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
        .map_err(|error| explain_spawn(error, spec, tree))?;
    let running = Arc::new(running);
    let to_kill = Arc::clone(&running);
    let _subscription = context.cancel().subscribe(move || to_kill.kill());
    let tail = std::thread::scope(|scope| {
        let reader = scope.spawn(|| carry(out, err, context, log));
        let exit = running.wait();
        let tail = reader.join().unwrap_or_else(|_| Ok(Vec::new()));
        exit.map(|exit| (exit.status, tail))
    });
    let (status, tail) = tail?;
    Ok((status, tail?))
}

/// Reads both pipes until they end: to the log, to the display, and the last lines for the report.
fn carry(
    out: OwnedFd,
    err: OwnedFd,
    context: &RunContext<'_>,
    log: &mut File,
) -> Result<Vec<String>, OpError> {
    let mut pipes = [
        (Some(File::from(out)), Stream::Out),
        (Some(File::from(err)), Stream::Err),
    ];
    let mut tail = Tail::default();
    let mut buffer = vec![0; 32 * 1024];
    // The command must not block because our disk is full: its output is still read and shown.
    let mut log_error = None;
    while pipes.iter().any(|(pipe, _)| pipe.is_some()) {
        let mut fds: Vec<PollFd<'_>> = pipes
            .iter()
            .filter_map(|(pipe, _)| pipe.as_ref())
            .map(|pipe| PollFd::new(pipe, PollFlags::IN))
            .collect();
        match poll(&mut fds, None) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(errno) => return Err(OpError::io("waiting for the command's output", errno.into())),
        }
        let mut ready: VecDeque<bool> = fds.iter().map(|fd| !fd.revents().is_empty()).collect();
        for (pipe, stream) in &mut pipes {
            let Some(file) = pipe else { continue };
            if ready.pop_front() != Some(true) {
                continue;
            }
            match file.read(&mut buffer) {
                Ok(0) => *pipe = None,
                Ok(read) => {
                    let bytes = &buffer[..read];
                    if log_error.is_none()
                        && let Err(error) = log.write_all(bytes)
                    {
                        log_error = Some(error);
                    }
                    tail.push(bytes);
                    context.log(*stream, bytes);
                }
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => return Err(OpError::io("reading the command's output", error)),
            }
        }
    }
    match log_error {
        Some(error) => Err(OpError::io("writing the step's log", error)),
        None => Ok(tail.finish()),
    }
}

/// The last lines of a stream of bytes.
#[derive(Default)]
struct Tail {
    lines: VecDeque<Vec<u8>>,
    open: bool,
}

impl Tail {
    fn push(&mut self, bytes: &[u8]) {
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            if !self.open {
                if self.lines.len() == TAIL_LINES {
                    self.lines.pop_front();
                }
                self.lines.push_back(Vec::new());
            }
            self.open = !piece.ends_with(b"\n");
            if let Some(line) = self.lines.back_mut() {
                let room = TAIL_LINE.saturating_sub(line.len());
                line.extend_from_slice(&piece[..piece.len().min(room)]);
            }
        }
    }

    fn finish(self) -> Vec<String> {
        self.lines
            .into_iter()
            .map(|line| {
                String::from_utf8_lossy(&line)
                    .trim_end_matches(['\n', '\r'])
                    .to_owned()
            })
            .collect()
    }
}

/// What the image is called in a message.
fn base(spec: &ExecSpec) -> String {
    if spec.base_name.is_empty() {
        "the image".to_owned()
    } else {
        format!("`{}`", spec.base_name)
    }
}

/// A program that cannot be executed, in the words of the Dockerfile.
fn explain_spawn(error: SpawnError, spec: &ExecSpec, tree: &TreeView) -> OpError {
    if !error.is_program() {
        return OpError::Sandbox(error);
    }
    let code = error.exit_code();
    let program = spec.argv.first().map(String::as_str).unwrap_or_default();
    if code != 127 {
        return OpError::Program {
            message: error.to_string(),
            help: None,
            code,
        };
    }
    if let Some((name, content)) = &spec.script {
        let line = content.lines().next().unwrap_or_default();
        return OpError::Program {
            message: format!(
                "the interpreter that the heredoc `{name}` begins with, `{line}`, is not in {}",
                base(spec)
            ),
            help: None,
            code,
        };
    }
    let is_there = program.starts_with('/')
        && tree
            .resolve(program.as_bytes(), LastLink::Follow)
            .is_ok_and(|resolved| resolved.node.is_some());
    if is_there {
        return OpError::Program {
            message: format!("`{program}` is there, but the interpreter or library loader it names is not"),
            help: Some(
                "a script needs its `#!` program, a dynamic binary its loader; both must be in the image"
                    .to_owned(),
            ),
            code,
        };
    }
    let base = base(spec);
    if spec.is_shell_form {
        return OpError::Program {
            message: format!("there is no `{program}` in {base}, which the shell form of RUN needs"),
            help: Some(
                "use a base with a shell, the exec form `RUN [\"program\", \"argument\"]`, or SHELL"
                    .to_owned(),
            ),
            code,
        };
    }
    OpError::Program {
        message: format!("there is no `{program}` in {base}"),
        help: None,
        code,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tail_keeps_the_last_lines() {
        let mut tail = Tail::default();
        for n in 0..30 {
            tail.push(format!("line {n}\n").as_bytes());
        }
        tail.push(b"no end");
        tail.push(b" yet");
        let lines = tail.finish();
        assert_eq!(lines.len(), TAIL_LINES);
        assert_eq!(lines[0], "line 11");
        assert_eq!(lines[TAIL_LINES - 1], "no end yet");
    }

    #[test]
    fn a_long_line_is_cut_for_the_tail() {
        let mut tail = Tail::default();
        tail.push(&vec![b'x'; 3 * TAIL_LINE]);
        assert_eq!(tail.finish()[0].len(), TAIL_LINE);
    }
}
