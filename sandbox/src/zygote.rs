//! The zygote: a small single-threaded process that clones each step, and the handles to both.
//!
//! It is forked before the program has threads, because a process that has them may not run ordinary code after a
//! fork. It is the first process of a pid namespace: when it ends, for whatever reason, the kernel kills every step.
//! It ends when the program does, since then its socket closes.

use std::os::fd::{AsFd, OwnedFd};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};
use rustix::pipe::{PipeFlags, pipe_with};

use crate::ask::{Asked, SealedSpec, request_failed};
use crate::caller::Caller;
use crate::cgroup;
use crate::confinement::Confinement;
use crate::emulator::Emulators;
use crate::init;
use crate::inside::{self, Fate};
use crate::keeper;
use crate::pasta;
use crate::running::{Exit, Running, Stdio};
use crate::spawn_error::{Phase, SpawnError};
use crate::spec::{Network, SandboxSpec};
use crate::sys::{self, Cloned, Ended, Process};
use crate::wire::{Reply, Request, send_cloned};

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

impl Zygote {
    /// Forks the zygote. Call it after [`enter`](crate::enter), before any thread exists.
    ///
    /// # Errors
    /// `EBUSY` when the process has more than one thread, else what `clone(2)` says.
    pub fn start(caller: &Caller, confinement: Confinement) -> Result<Self, SpawnError> {
        let fail = |errno| SpawnError::new(Phase::Clone, errno);
        let (here, there) = socketpair(
            AddressFamily::UNIX,
            SocketType::SEQPACKET,
            SocketFlags::CLOEXEC,
            None,
        )
        .map_err(fail)?;
        let flags = match confinement.has_own_processes() {
            true => libc::CLONE_NEWPID,
            false => 0,
        };
        match sys::fork_single_threaded(flags).map_err(fail)? {
            Cloned::Parent(process) => Ok(Self {
                control: Some(here),
                process,
            }),
            Cloned::Child => {
                drop(here);
                let served = std::panic::catch_unwind(|| serve(&there, caller, confinement));
                sys::exit_now(if matches!(served, Ok(Ok(()))) { 0 } else { 1 })
            }
        }
    }

    /// Forks a zygote whose commands run in the namespaces of the process that `target` names: as that one's siblings, on
    /// its files, in the `groups` that it is in. With one thread only.
    ///
    /// # Errors
    /// What keeps it from entering them.
    pub fn start_inside(target: OwnedFd, groups: Vec<OwnedFd>, fate: Fate) -> Result<Self, SpawnError> {
        let fail = |errno| SpawnError::new(Phase::Inside, errno);
        let (here, there) = socketpair(
            AddressFamily::UNIX,
            SocketType::SEQPACKET,
            SocketFlags::CLOEXEC,
            None,
        )
        .map_err(fail)?;
        let process = match sys::fork_single_threaded(0).map_err(fail)? {
            Cloned::Parent(process) => process,
            Cloned::Child => {
                drop(here);
                let served = std::panic::catch_unwind(|| {
                    let host = init::Host::look(Confinement::Namespaces);
                    let entered = inside::enter(target.as_fd(), &groups);
                    inside::tell(there.as_fd(), entered)?;
                    drop((target, groups));
                    entered?;
                    prepare(&there, Confinement::Namespaces)?;
                    attend(&there, fate == Fate::EndsWithUs, |request| {
                        start_inside(request, &host, fate)
                    })
                    .map(drop)
                });
                sys::exit_now(if matches!(served, Ok(Ok(()))) { 0 } else { 1 })
            }
        };
        drop(there);
        inside::told(here.as_fd()).map_err(fail)?;
        Ok(Self {
            control: Some(here),
            process,
        })
    }

    /// Starts a command and returns once it executes.
    ///
    /// # Errors
    /// The step that failed, with the kernel's error and the path it was at.
    pub fn spawn(&self, spec: &SandboxSpec, stdio: Stdio) -> Result<Running, SpawnError> {
        let asked = Asked::new(&SealedSpec::new(spec)?, stdio)?;
        let control = self.control.as_ref().ok_or_else(|| request_failed(Errno::PIPE))?;
        asked.request.send(control.as_fd()).map_err(request_failed)?;
        asked.without_request().answer()
    }
}

impl Drop for Zygote {
    fn drop(&mut self) {
        drop(self.control.take());
        // The zygote ends at once when its socket closes; without this it would stay a zombie.
        let _ = sys::wait(self.process.pid);
    }
}

/// A step that the zygote, or a process that needs none, looks after.
pub(crate) struct Child {
    process: Process,
    /// `None` once the program has dropped its side.
    reply: Option<OwnedFd>,
    /// What keeps its own network connected.
    connector: Option<Process>,
}

/// The zygote's life: start what is asked for, report what ended, until the program is gone.
fn serve(control: &OwnedFd, caller: &Caller, confinement: Confinement) -> Result<(), Errno> {
    prepare(control, confinement)?;
    let host = init::Host::look(confinement);
    // Closed by the end of this process, however it comes.
    let mut alive = match confinement.has_own_processes() {
        true => None,
        false => Some(pipe_with(PipeFlags::CLOEXEC)?),
    };
    let mut emulators = Emulators::default();
    let children = attend(control, true, |request| {
        if let Some(machine) = request.machine.filter(|_| confinement.mounts()) {
            emulators.provide(machine);
        }
        match &alive {
            Some((alive, _)) => start_kept(request, &host, alive),
            None => start(request, &host, caller),
        }
    })?;
    if alive.take().is_some() {
        // Nothing of a command is left when the program knows that this is gone.
        for child in &children {
            let _ = sys::wait(child.process.pid);
        }
    }
    Ok(())
}

/// Starts what is asked for and reports what ended, until the program is gone: what runs still. What the program lets go
/// of is killed, if `kills` says so.
fn attend(
    control: &OwnedFd,
    kills: bool,
    mut start: impl FnMut(Request) -> Option<Child>,
) -> Result<Vec<Child>, Errno> {
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
                if kills {
                    let _ = sys::pidfd_send_signal(child.process.pidfd.as_fd(), libc::SIGKILL);
                }
                child.reply = None;
            }
            !ended
        });
        if asked {
            match Request::receive(control.as_fd()) {
                Ok(Some(request)) => children.extend(start(request)),
                Ok(None) => return Ok(children),
                // A request that cannot be read loses its descriptors, which its sender sees.
                Err(_) => {}
            }
        }
    }
}

/// Cuts the zygote off from what it inherited: locks, pipes and the caller's directory must not live on in it.
fn prepare(control: &OwnedFd, confinement: Confinement) -> Result<(), Errno> {
    if confinement.has_own_processes() {
        // Else commands would live on: they end with the keepers, which hear of it by the end of this process.
        rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL))?;
    }
    sys::close_all_but(&[control.as_fd()])?;
    let null = rustix::fs::open("/dev/null", rustix::fs::OFlags::RDWR, rustix::fs::Mode::empty())?;
    rustix::stdio::dup2_stdin(&null)?;
    rustix::stdio::dup2_stdout(&null)?;
    rustix::stdio::dup2_stderr(&null)?;
    rustix::process::chdir("/")?;
    sys::reset_signals();
    Ok(())
}

impl Child {
    /// Without the socket to tell its end on: whoever waits at the other end is the same process.
    pub(crate) fn unheard(self) -> Self {
        Self { reply: None, ..self }
    }

    /// Kills it and waits until it is gone.
    pub(crate) fn end(self) {
        let _ = sys::pidfd_send_signal(self.process.pidfd.as_fd(), libc::SIGKILL);
        let _ = self.wait();
    }

    /// Waits for its end.
    pub(crate) fn reap(self) -> Result<Exit, Errno> {
        self.wait().map(Exit::from)
    }

    fn wait(&self) -> Result<Ended, Errno> {
        // First, so that nothing of the step is left when its end is known.
        self.connector.iter().for_each(end);
        sys::wait(self.process.pid)
    }
}

fn report(child: &Child) {
    // That of a kept command is told by its keeper.
    if let (Ok(ended), Some(reply)) = (child.wait(), &child.reply) {
        // The program may have dropped its side in the meantime.
        let _ = Reply::Ended(ended).send(reply.as_fd());
    }
}

/// The namespaces of a command.
fn namespaces(confinement: Confinement, request: &Request) -> i32 {
    if confinement == Confinement::Chroot {
        return 0;
    }
    let mut flags = libc::CLONE_NEWNS | libc::CLONE_NEWIPC | libc::CLONE_NEWUTS;
    // In a group of its own the view of cgroups begins there, so it comes after that was entered.
    if request.groups.is_empty() {
        flags |= libc::CLONE_NEWCGROUP;
    }
    if confinement.has_own_processes() {
        flags |= libc::CLONE_NEWPID;
    }
    if request.network != Network::Host {
        flags |= libc::CLONE_NEWNET;
    }
    flags
}

/// Starts a command under a keeper, which answers for it from then on.
fn start_kept(request: Request, host: &init::Host, alive: &OwnedFd) -> Option<Child> {
    let flags = namespaces(host.confinement, &request);
    match sys::clone_process(0) {
        Ok(Cloned::Child) => keeper::run(request, host, flags, alive),
        Ok(Cloned::Parent(process)) => Some(Child {
            process,
            reply: None,
            connector: None,
        }),
        Err(errno) => {
            // The program may be gone; there is nobody else to tell.
            let _ = Reply::NotCloned(errno).send(request.reply.as_fd());
            None
        }
    }
}

/// Clones what is asked for. In the caller, which has one thread: the child, or `None` and an answer that says why.
pub(crate) fn start(request: Request, host: &init::Host, caller: &Caller) -> Option<Child> {
    let flags = namespaces(host.confinement, &request);
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
    let (cloned, entered) = cgroup::clone(flags, &request.groups);
    match cloned {
        Ok(Cloned::Child) => {
            let connection = pipe.map(|(connection, _)| connection);
            init::run(request, host, connection, entered, Ok(()))
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

/// The same where the namespaces are entered already.
fn start_inside(request: Request, host: &init::Host, fate: Fate) -> Option<Child> {
    let cloned = sys::clone_process(0);
    let known = match cloned {
        Ok(Cloned::Child) => init::run_inside(request, host, fate),
        Ok(Cloned::Parent(process)) => match send_cloned(request.reply.as_fd(), process.pidfd.as_fd()) {
            Ok(()) => Ok(process),
            Err(errno) => {
                end(&process);
                Err(errno)
            }
        },
        Err(errno) => Err(errno),
    };
    match known {
        Ok(process) => Some(Child {
            process,
            reply: Some(request.reply),
            connector: None,
        }),
        Err(errno) => {
            // The program may be gone; there is nobody else to tell.
            let _ = Reply::NotCloned(errno).send(request.reply.as_fd());
            None
        }
    }
}

/// Kills a child and waits until it is gone.
fn end(process: &Process) {
    let _ = sys::pidfd_send_signal(process.pidfd.as_fd(), libc::SIGKILL);
    let _ = sys::wait(process.pid);
}
