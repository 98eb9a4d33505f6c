//! The zygote: a small single-threaded process that clones each step, and the handles to both.
//!
//! It is forked before the program has threads, because a process that has them may not run ordinary code after a
//! fork. It is the first process of a pid namespace: when it ends, for whatever reason, the kernel kills every step.
//! It ends when the program does, since then its socket closes.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Mutex;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};
use rustix::pipe::{PipeFlags, pipe_with};

use crate::caller::Caller;
use crate::cgroup::{self, Group, Statistics};
use crate::init;
use crate::pasta;
use crate::signals::{self, Disposition};
use crate::spawn_error::{Phase, SpawnError};
use crate::spec::{MountKind, Network, SandboxSpec};
use crate::sys::{self, Cloned, Ended, Process};
use crate::wire::{Reply, Request, Streams, memory_file, send_cloned};

/// What the command reads and writes.
#[derive(Debug)]
pub enum Stdio {
    /// Descriptors of the caller. Pipes change their owner to the command's user, so that it can open `/dev/stdout`.
    Streams {
        /// Becomes descriptor 0.
        stdin: OwnedFd,
        /// Becomes descriptor 1.
        stdout: OwnedFd,
        /// Becomes descriptor 2.
        stderr: OwnedFd,
    },
    /// A new pseudo-terminal of the container, controlling terminal of a new session, also at `/dev/console`. The
    /// other side is had from [`Running::take_pty`].
    Pty {
        /// Its size.
        size: rustix::termios::Winsize,
    },
}

/// Handle to the zygote. Any thread may spawn through it. Dropping it kills everything that still runs.
#[derive(Debug)]
pub struct Zygote {
    control: Option<OwnedFd>,
    process: Process,
}

impl std::fmt::Debug for Process {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Process({})", self.pid)
    }
}

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exit {
    /// Exit code or signal.
    pub status: ExitStatus,
    /// Peak resident size of the largest of its processes, in bytes. Not below the zygote's own, some megabytes.
    pub max_rss: u64,
    /// User and system time of all its processes that were waited for.
    pub cpu: Duration,
    /// What its group counted, where it had one.
    pub group: Option<Statistics>,
}

impl Exit {
    /// The most memory that it had: of all its processes, files that were kept in memory included, where a group counted;
    /// else of its largest process.
    pub fn memory_peak(&self) -> u64 {
        let counted = self.group.and_then(|group| group.memory_peak);
        counted.unwrap_or(self.max_rss)
    }

    /// The processor time of all its processes where a group counted, else of those that were waited for.
    pub fn cpu_time(&self) -> Duration {
        let counted = self.group.and_then(|group| group.cpu);
        counted.unwrap_or(self.cpu)
    }

    /// What its group counted, when the kernel killed a process of it because memory ran out.
    pub fn out_of_memory(&self) -> Option<Statistics> {
        self.group.filter(|group| group.oom_kills.unwrap_or(0) > 0)
    }
}

/// An exit code or the signal that killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum ExitStatus {
    /// Ended by itself with this code.
    Code(i32),
    /// Killed by this signal.
    Signal(i32),
}

impl ExitStatus {
    /// The code that a shell reports: the exit code, or 128 plus the signal.
    pub fn shell_code(self) -> i32 {
        match self {
            ExitStatus::Code(code) => code,
            ExitStatus::Signal(signal) => 128 + signal,
        }
    }
}

/// A command that runs. Dropping it kills the command and everything it started.
#[derive(Debug)]
pub struct Running {
    reply: OwnedFd,
    pidfd: OwnedFd,
    pty: Option<OwnedFd>,
    end: Mutex<End>,
}

/// How a command ended, and the group that it is in until then.
#[derive(Debug)]
struct End {
    exit: Option<Exit>,
    group: Option<Group>,
}

impl Zygote {
    /// Forks the zygote. Call it after [`enter`](crate::enter), before any thread exists.
    ///
    /// # Errors
    /// `EBUSY` when the process has more than one thread, else what `clone(2)` says.
    pub fn start(caller: &Caller) -> Result<Self, SpawnError> {
        let fail = |errno| SpawnError::new(Phase::Clone, errno);
        let (here, there) = socketpair(
            AddressFamily::UNIX,
            SocketType::SEQPACKET,
            SocketFlags::CLOEXEC,
            None,
        )
        .map_err(fail)?;
        match sys::fork_single_threaded(libc::CLONE_NEWPID).map_err(fail)? {
            Cloned::Parent(process) => Ok(Self {
                control: Some(here),
                process,
            }),
            Cloned::Child => {
                drop(here);
                let served = std::panic::catch_unwind(|| serve(&there, caller));
                sys::exit_now(if matches!(served, Ok(Ok(()))) { 0 } else { 1 })
            }
        }
    }

    /// Starts a command and returns once it executes.
    ///
    /// # Errors
    /// The step that failed, with the kernel's error and the path it was at.
    pub fn spawn(&self, spec: &SandboxSpec, stdio: Stdio) -> Result<Running, SpawnError> {
        spec.validate()
            .map_err(|error| SpawnError::words(Phase::Validate, error.to_string()))?;
        let request_failed = |errno| SpawnError::new(Phase::Request, errno);
        let json =
            serde_json::to_vec(spec).map_err(|error| SpawnError::words(Phase::Request, error.to_string()))?;
        let (reply, reply_there) = socketpair(
            AddressFamily::UNIX,
            SocketType::SEQPACKET,
            SocketFlags::CLOEXEC,
            None,
        )
        .map_err(request_failed)?;
        let (failure, failure_there) = pipe_with(PipeFlags::CLOEXEC).map_err(request_failed)?;
        let group = match spec.limits.is_none() {
            true => None,
            false => Some(
                Group::make(&spec.limits)
                    .map_err(|error| SpawnError::words(Phase::Group, error.to_string()))?,
            ),
        };
        let wants_pty = matches!(stdio, Stdio::Pty { .. });
        let request = Request {
            reply: reply_there,
            failure: failure_there,
            spec: memory_file(&[&json]).map_err(request_failed)?,
            blobs: memory_file(&blobs(spec)).map_err(request_failed)?,
            network: spec.network,
            streams: match stdio {
                Stdio::Streams {
                    stdin,
                    stdout,
                    stderr,
                } => Streams::Given([stdin, stdout, stderr]),
                Stdio::Pty { size } => Streams::Pty {
                    rows: size.ws_row,
                    columns: size.ws_col,
                },
            },
            groups: group
                .as_ref()
                .map_or(Ok(Vec::new()), Group::directories)
                .map_err(request_failed)?,
        };
        let control = self.control.as_ref().ok_or_else(|| request_failed(Errno::PIPE))?;
        request.send(control.as_fd()).map_err(request_failed)?;
        // From here on only the zygote and the child hold the other ends, so their end is seen.
        drop(request);

        let mut pidfd = None;
        let mut pty = None;
        while pidfd.is_none() {
            read_reply(&reply, &mut pidfd, &mut pty)?;
        }
        if let Some(error) = read_failure(failure.as_fd())? {
            return Err(error);
        }
        while wants_pty && pty.is_none() {
            read_reply(&reply, &mut pidfd, &mut pty)?;
        }
        let pidfd = pidfd.ok_or_else(|| request_failed(Errno::PROTO))?;
        Ok(Running {
            reply,
            pidfd,
            pty,
            end: Mutex::new(End { exit: None, group }),
        })
    }
}

impl Drop for Zygote {
    fn drop(&mut self) {
        drop(self.control.take());
        // The zygote ends at once when its socket closes; without this it would stay a zombie.
        let _ = sys::wait(self.process.pid);
    }
}

fn read_reply(
    reply: &OwnedFd,
    pidfd: &mut Option<OwnedFd>,
    pty: &mut Option<OwnedFd>,
) -> Result<(), SpawnError> {
    match Reply::receive(reply.as_fd()).map_err(|errno| SpawnError::new(Phase::Request, errno))? {
        Some(Reply::Cloned(fd)) => *pidfd = Some(fd),
        Some(Reply::Pty(fd)) => *pty = Some(fd),
        Some(Reply::NotCloned(errno)) => return Err(SpawnError::new(Phase::Clone, errno)),
        Some(Reply::Ended(_)) => {
            return Err(SpawnError::words(
                Phase::Request,
                "the process ended before its command started",
            ));
        }
        None => return Err(SpawnError::words(Phase::Request, "the starter process is gone")),
    }
    Ok(())
}

/// Reads until exec closes the pipe or the child has said what failed.
fn read_failure(pipe: BorrowedFd<'_>) -> Result<Option<SpawnError>, SpawnError> {
    let mut said = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        match rustix::io::retry_on_intr(|| rustix::io::read(pipe, &mut buffer)) {
            Ok(0) => break,
            Ok(read) => said.extend_from_slice(&buffer[..read]),
            Err(errno) => return Err(SpawnError::new(Phase::Request, errno)),
        }
    }
    if said.is_empty() {
        return Ok(None);
    }
    match serde_json::from_slice(&said) {
        Ok(error) => Ok(Some(error)),
        Err(error) => Err(SpawnError::words(Phase::Request, error.to_string())),
    }
}

/// The bytes that do not travel in the spec's text, in the order of its mounts.
fn blobs(spec: &SandboxSpec) -> Vec<&[u8]> {
    spec.mounts
        .iter()
        .filter_map(|mount| match &mount.kind {
            MountKind::SecretFile { bytes, .. } => Some(bytes.bytes()),
            MountKind::ReadOnlyFile { content } => Some(content.bytes()),
            MountKind::Bind { .. } | MountKind::OverlayBind { .. } | MountKind::Tmpfs { .. } => None,
        })
        .collect()
}

impl Running {
    /// Waits until the command has ended; everything that it left behind is dead then too. May be called again.
    ///
    /// # Errors
    /// When the zygote died; then the command is killed.
    pub fn wait(&self) -> Result<Exit, SpawnError> {
        let mut end = self.end.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        if let Some(exit) = end.exit {
            return Ok(exit);
        }
        let gone = |reason: String| {
            self.kill();
            SpawnError::words(Phase::Request, reason)
        };
        match Reply::receive(self.reply.as_fd()) {
            Ok(Some(Reply::Ended(ended))) => {
                // Its last process is gone, so the group goes too.
                let group = end.group.take();
                let exit = Exit {
                    group: group.map(|group| group.statistics()),
                    ..Exit::from(ended)
                };
                end.exit = Some(exit);
                Ok(exit)
            }
            Ok(None) => Err(gone("the starter process is gone".to_owned())),
            Ok(Some(_)) => Err(gone("an answer out of order".to_owned())),
            Err(errno) => Err(gone(errno.to_string())),
        }
    }

    /// Sends a signal to the command's first process. As the first of its pid namespace it ignores all but `SIGKILL`
    /// and `SIGSTOP` unless it has a handler. A command that has ended is no error.
    ///
    /// # Errors
    /// `EINVAL` for a number that is no signal.
    pub fn signal(&self, signal: i32) -> Result<(), Errno> {
        match sys::pidfd_send_signal(self.pidfd.as_fd(), signal) {
            Err(Errno::SRCH) => Ok(()),
            other => other,
        }
    }

    /// What the command's first process does about a signal. `None` when it has ended, or `/proc` does not say.
    pub fn disposition(&self, signal: i32) -> Option<Disposition> {
        signals::disposition(signals::pid_of(self.pidfd())?, signal)
    }

    /// Whether the command's first process is the one that a terminal sends its signals to.
    pub fn is_in_foreground(&self, pty: impl AsFd) -> bool {
        let group = rustix::termios::tcgetpgrp(pty)
            .ok()
            .map(|group| group.as_raw_nonzero().get());
        group.is_some() && group == signals::pid_of(self.pidfd())
    }

    /// Kills the command and with it every process of its sandbox.
    pub fn kill(&self) {
        // SIGKILL to a process of our own can only fail because it is gone.
        let _ = self.signal(libc::SIGKILL);
    }

    /// The outer side of the pty, once, when one was asked for.
    pub fn take_pty(&mut self) -> Option<OwnedFd> {
        self.pty.take()
    }

    /// Becomes readable when the command has ended.
    pub fn pidfd(&self) -> BorrowedFd<'_> {
        self.pidfd.as_fd()
    }
}

impl From<Ended> for Exit {
    fn from(ended: Ended) -> Self {
        let status = if libc::WIFSIGNALED(ended.status) {
            ExitStatus::Signal(libc::WTERMSIG(ended.status))
        } else {
            ExitStatus::Code(libc::WEXITSTATUS(ended.status))
        };
        Self {
            status,
            max_rss: ended.max_rss,
            cpu: ended.cpu,
            group: None,
        }
    }
}

/// A step that the zygote looks after.
struct Child {
    process: Process,
    /// `None` once the program has dropped its side.
    reply: Option<OwnedFd>,
    /// What keeps its own network connected.
    connector: Option<Process>,
}

/// The zygote's life: start what is asked for, report what ended, until the program is gone.
fn serve(control: &OwnedFd, caller: &Caller) -> Result<(), Errno> {
    prepare(control)?;
    let host = init::Host::look();
    let mut children: Vec<Child> = Vec::new();
    loop {
        let mut polled = vec![PollFd::new(control, PollFlags::IN)];
        for child in &children {
            polled.push(PollFd::new(&child.process.pidfd, PollFlags::IN));
            if let Some(reply) = &child.reply {
                // No events asked for: only the hangup is of interest.
                polled.push(PollFd::new(reply, PollFlags::empty()));
            }
        }
        match poll(&mut polled, None) {
            Err(Errno::INTR) => continue,
            other => other?,
        };
        let mut ready = polled
            .iter()
            .map(|fd| !fd.revents().is_empty())
            .collect::<Vec<_>>()
            .into_iter();
        let asked = ready.next().unwrap_or(false);
        children.retain_mut(|child| {
            let ended = ready.next().unwrap_or(false);
            let dropped = child.reply.is_some() && ready.next().unwrap_or(false);
            if ended {
                report(child);
            } else if dropped {
                let _ = sys::pidfd_send_signal(child.process.pidfd.as_fd(), libc::SIGKILL);
                child.reply = None;
            }
            !ended
        });
        if asked {
            match Request::receive(control.as_fd()) {
                Ok(Some(request)) => children.extend(start(request, &host, caller)),
                Ok(None) => return Ok(()),
                // A request that cannot be read loses its descriptors, which its sender sees.
                Err(_) => {}
            }
        }
    }
}

/// Cuts the zygote off from what it inherited: locks, pipes and the caller's directory must not live on in it.
fn prepare(control: &OwnedFd) -> Result<(), Errno> {
    rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL))?;
    sys::close_all_but(control.as_fd())?;
    let null = rustix::fs::open("/dev/null", rustix::fs::OFlags::RDWR, rustix::fs::Mode::empty())?;
    rustix::stdio::dup2_stdin(&null)?;
    rustix::stdio::dup2_stdout(&null)?;
    rustix::stdio::dup2_stderr(&null)?;
    rustix::process::chdir("/")?;
    sys::reset_signals();
    Ok(())
}

fn report(child: &Child) {
    // First, so that nothing of the step is left when its end is known.
    child.connector.iter().for_each(end);
    if let (Ok(ended), Some(reply)) = (sys::wait(child.process.pid), &child.reply) {
        // The program may have dropped its side in the meantime.
        let _ = Reply::Ended(ended).send(reply.as_fd());
    }
}

fn start(request: Request, host: &init::Host, caller: &Caller) -> Option<Child> {
    let mut flags = libc::CLONE_NEWNS | libc::CLONE_NEWPID | libc::CLONE_NEWIPC | libc::CLONE_NEWUTS;
    // In a group of its own the view of cgroups begins there, so it comes after that was entered.
    if request.groups.is_empty() {
        flags |= libc::CLONE_NEWCGROUP;
    }
    if request.network != Network::Host {
        flags |= libc::CLONE_NEWNET;
    }
    let refuse = |errno| {
        // The program may be gone; there is nobody else to tell.
        let _ = Reply::NotCloned(errno).send(request.reply.as_fd());
        None
    };
    let pipe = match request.network {
        // On a host that has no way out there is nothing to connect to.
        Network::Private if pasta::host_leads_somewhere() => match pipe_with(PipeFlags::CLOEXEC) {
            Ok(pipe) => Some(pipe),
            Err(errno) => return refuse(errno),
        },
        _ => None,
    };
    let (cloned, entered) = clone(flags, &request);
    match cloned {
        Ok(Cloned::Child) => {
            let connection = pipe.map(|(connection, _)| connection);
            init::run(request, host, connection, entered)
        }
        Ok(Cloned::Parent(process)) => {
            let connected = pipe
                .map(|(_, tell)| pasta::connect(&process, tell, caller))
                .transpose();
            let known = connected.and_then(|connector| {
                match send_cloned(request.reply.as_fd(), process.pidfd.as_fd()) {
                    Ok(()) => Ok(connector),
                    Err(errno) => {
                        connector.iter().for_each(end);
                        Err(errno)
                    }
                }
            });
            match known {
                Ok(connector) => Some(Child {
                    process,
                    reply: Some(request.reply),
                    connector,
                }),
                Err(errno) => {
                    // A process of which nobody knows could be stopped by nobody.
                    end(&process);
                    refuse(errno)
                }
            }
        }
        Err(errno) => refuse(errno),
    }
}

/// Clones; the flag says that it happened into the request's group of version 2, which spares the kernel a move. Where that
/// is not possible, the child moves itself, and says what goes wrong.
fn clone(flags: i32, request: &Request) -> (Result<Cloned, Errno>, bool) {
    if let Some(group) = cgroup::unified(&request.groups)
        && let Ok(cloned) = sys::clone_process_into(flags, group)
    {
        return (Ok(cloned), true);
    }
    (sys::clone_process(flags), false)
}

/// Kills a child and waits until it is gone.
fn end(process: &Process) {
    let _ = sys::pidfd_send_signal(process.pidfd.as_fd(), libc::SIGKILL);
    let _ = sys::wait(process.pid);
}
