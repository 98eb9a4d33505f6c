//! The child side: the first process of a step's namespaces walks [`STEPS`] in order and becomes the command.
//!
//! It runs in a process that was cloned from the single-threaded zygote, so ordinary code may run. It prints nothing;
//! a failure goes through a pipe as a [`SpawnError`].

mod chroot;
pub(crate) mod dev;
mod identity;
mod locked;
mod mounts;
mod proc;
mod program;
mod root;
mod sysfs;
mod terminal;
pub(crate) mod tree;
mod walk;

use std::ffi::CString;
use std::os::fd::{AsFd, OwnedFd};

use rustix::io::Errno;

use crate::cgroup;
use crate::confinement::Confinement;
use crate::inherited;
use crate::inside::Fate;
use crate::landlock;
use crate::pasta;
use crate::seccomp::{self, Filter};
use crate::spawn_error::{Phase, SpawnError};
use crate::spec::{MountKind, Network, Resource, SandboxSpec};
use crate::sys;
use crate::wire::{self, Request, Streams};

type Outcome = Result<(), SpawnError>;
type InitStep = fn(&mut Init) -> Outcome;

/// Everything that turns a spec into a running command, in order. A failure names its [`Phase`]. What must come
/// before what:
///
/// - mounts of the host are copied before the staging area lies on its root, so that none brings that along;
/// - sources of mounts belong to the host's tree, so every mount is made before `Pivot`;
/// - masks of `/proc` and `/sys` are made before any mount that the user asked for (CVE-2025-52565);
/// - the working directory is entered after `Pivot` (CVE-2024-21626);
/// - the mounts of a step that may mount are locked when all of them stand, and while `/proc` is its own;
/// - Landlock comes while the process has the capability that it needs without `no_new_privs`, as the filter does;
/// - the filter is installed while the process may still do so without `no_new_privs`, and every call after it is
///   one that the filter allows.
const STEPS: &[InitStep] = &[
    group,
    session,
    terminal::streams,
    keyring,
    limits,
    hostname,
    loopback,
    connection,
    root::propagation,
    root::root_of_host,
    mounts::sources,
    root::staging,
    root::root,
    proc::proc,
    sysfs::sysfs,
    dev::dev,
    terminal::terminal,
    mounts::mounts,
    root::pivot,
    program::working_directory,
    program::find,
    locked::locked,
    abstract_sockets,
    umask,
    identity::bounding_set,
    identity::no_new_privileges,
    filter,
    identity::identity,
    parent_death,
    descriptors,
    program::execute,
];

/// The same for a command that is started in the namespaces of another one.
const STEPS_INSIDE: &[InitStep] = &[
    session,
    terminal::streams,
    keyring,
    limits,
    terminal::inside,
    program::working_directory,
    program::find,
    abstract_sockets,
    umask,
    identity::bounding_set,
    identity::no_new_privileges,
    filter,
    identity::identity,
    parent_death,
    descriptors,
    program::execute,
];

/// The same where there are no namespaces and no mounts: the root was furnished by [`crate::keeper`]. What must come
/// before what:
///
/// - the terminal is the host's, so it is made before the root changes;
/// - no new privileges are asked for in any case: Landlock and the filter need that where nobody has `CAP_SYS_ADMIN`;
/// - `CAP_SYS_CHROOT`, by which a root could be left, goes with the identity, behind the last use of the root.
const STEPS_OF_CHROOT: &[InitStep] = &[
    group,
    session,
    terminal::streams,
    keyring,
    limits,
    terminal::of_host,
    chroot::root,
    program::working_directory,
    program::find,
    umask,
    identity::bounding_set,
    identity::no_new_privileges,
    chroot::files,
    filter,
    identity::identity,
    parent_death,
    descriptors,
    program::execute,
];

/// What the zygote finds out about the host once, for all steps.
pub(crate) struct Host {
    /// Whether group 5 (`tty`) exists in the user namespace.
    tty_group: bool,
    /// Mount points beneath `/sys`, relative to it, outermost only.
    sys_mounts: Vec<std::path::PathBuf>,
    /// The system call filter, compiled.
    filter: Option<Filter>,
    /// Whether commands can be closed off from the host's abstract sockets.
    scopes: bool,
    /// What closes commands in.
    pub(crate) confinement: Confinement,
}

impl Host {
    /// Looks. What cannot be read counts as absent.
    pub(crate) fn look(confinement: Confinement) -> Self {
        // A step that may not have a keyring of its own (quota) shares this one, never the caller's.
        let _ = sys::join_session_keyring();
        let gids = std::fs::read_to_string("/proc/self/gid_map").unwrap_or_default();
        let mounts = std::fs::read("/proc/self/mountinfo").unwrap_or_default();
        Self {
            tty_group: dev::is_mapped(&gids, dev::TTY_GROUP),
            sys_mounts: sysfs::mounts_beneath_sys(&mounts),
            filter: seccomp::filter(),
            scopes: landlock::has_scopes(),
            confinement,
        }
    }
}

/// The state that the steps hand on.
struct Init<'a> {
    spec: SandboxSpec,
    host: &'a Host,
    reply: OwnedFd,
    streams: Option<Streams>,
    /// A memory file system on top of the old root, gone after `Pivot`.
    staging: Option<OwnedFd>,
    root: Option<OwnedFd>,
    /// One per mount: the copy of a mount of the host, where it is one.
    sources: Vec<Option<OwnedFd>>,
    /// The step's `/proc` without what covers it, for [`locked::locked`].
    bare_proc: Option<OwnedFd>,
    dev: Option<OwnedFd>,
    devpts: Option<OwnedFd>,
    /// Existing files that `argv[0]` may mean.
    candidates: Vec<CString>,
    /// Says when a network of the step's own is connected.
    connection: Option<OwnedFd>,
    /// The directories of the step's group.
    groups: Vec<OwnedFd>,
    /// Whether it was cloned into the group of version 2.
    entered: bool,
    /// Whether it outlives whoever asked for it.
    lives_on: bool,
}

/// Runs the steps, if what comes before them went well. Never returns: it ends in exec or in exit.
pub(crate) fn run(
    request: Request,
    host: &Host,
    connection: Option<OwnedFd>,
    entered: bool,
    before: Result<(), SpawnError>,
) -> ! {
    let steps = match host.confinement {
        Confinement::Chroot => STEPS_OF_CHROOT,
        Confinement::Namespaces | Confinement::SharedProcesses => STEPS,
    };
    walk(request, host, steps, before, |init| {
        init.connection = connection;
        init.entered = entered;
    })
}

/// Runs the steps of a command in namespaces that were entered.
pub(crate) fn run_inside(request: Request, host: &Host, fate: Fate) -> ! {
    walk(request, host, STEPS_INSIDE, Ok(()), |init| {
        init.lives_on = fate == Fate::LivesOn;
    })
}

fn walk(
    request: Request,
    host: &Host,
    steps: &[InitStep],
    before: Result<(), SpawnError>,
    prepare: impl FnOnce(&mut Init<'_>),
) -> ! {
    let Request {
        reply,
        failure,
        spec,
        blobs,
        streams,
        groups,
        ..
    } = request;
    let walked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        before?;
        let spec = read_spec(&spec, &blobs)?;
        let mut init = Init {
            spec,
            host,
            reply,
            streams: Some(streams),
            staging: None,
            root: None,
            sources: Vec::new(),
            bare_proc: None,
            dev: None,
            devpts: None,
            candidates: Vec::new(),
            connection: None,
            groups,
            entered: false,
            lives_on: false,
        };
        prepare(&mut init);
        steps.iter().try_for_each(|step| step(&mut init))
    }));
    let error = match walked {
        Ok(Err(error)) => error,
        Ok(Ok(())) => SpawnError::words(Phase::Execute, "exec returned"),
        Err(_) => SpawnError::words(
            Phase::ReadSpec,
            "internal error: the sandbox's first process panicked",
        ),
    };
    if let Ok(text) = serde_json::to_vec(&error) {
        // The reader may be gone; there is nobody else to tell.
        let _ = rustix::io::write(&failure, &text);
    }
    sys::exit_now(125)
}

pub(crate) fn read_spec(spec: &OwnedFd, blobs: &OwnedFd) -> Result<SandboxSpec, SpawnError> {
    let fail = |errno| SpawnError::new(Phase::ReadSpec, errno);
    let json = wire::read_memory_file(spec.as_fd()).map_err(fail)?;
    let mut spec: SandboxSpec = serde_json::from_slice(&json)
        .map_err(|error| SpawnError::words(Phase::ReadSpec, error.to_string()))?;
    let bytes = wire::read_memory_file(blobs.as_fd()).map_err(fail)?;
    let mut rest = bytes.as_slice();
    for mount in &mut spec.mounts {
        if let MountKind::SecretFile { bytes: blob, .. } | MountKind::ReadOnlyFile { content: blob } =
            &mut mount.kind
            && !blob.fill(&mut rest)
        {
            return Err(SpawnError::words(Phase::ReadSpec, "content of a file is missing"));
        }
    }
    Ok(spec)
}

/// Before anything is used that counts.
fn group(init: &mut Init) -> Outcome {
    let fail = |errno| SpawnError::new(Phase::Group, errno);
    if let Some(score) = init.spec.oom_score_adj {
        std::fs::write("/proc/self/oom_score_adj", score.to_string()).map_err(|error| {
            let errno = error.raw_os_error().map_or(Errno::IO, Errno::from_raw_os_error);
            fail(errno).at(format!("/proc/self/oom_score_adj to {score}"))
        })?;
    }
    let groups = std::mem::take(&mut init.groups);
    match groups.is_empty() {
        true => Ok(()),
        false => cgroup::join(&groups, init.entered).map_err(fail),
    }
}

fn session(init: &mut Init) -> Outcome {
    // A program that starts commands itself may ignore some, and exec would keep that.
    sys::reset_signals();
    // Modes below are meant exactly.
    rustix::process::umask(rustix::fs::Mode::empty());
    if init.spec.new_session || matches!(init.streams, Some(Streams::Pty { .. })) {
        rustix::process::setsid().map_err(|errno| SpawnError::new(Phase::Session, errno))?;
    }
    Ok(())
}

fn keyring(_: &mut Init) -> Outcome {
    match sys::join_session_keyring() {
        // No keyrings in the kernel, keyrings forbidden, or none left: then the zygote's empty one stays.
        Ok(()) | Err(Errno::NOSYS | Errno::PERM | Errno::DQUOT) => Ok(()),
        Err(errno) => Err(SpawnError::new(Phase::Keyring, errno)),
    }
}

fn limits(init: &mut Init) -> Outcome {
    use rustix::process::{Resource as R, Rlimit, getrlimit, setrlimit};
    inherited::restore_limits();
    for limit in &init.spec.rlimits {
        let resource = match limit.resource {
            Resource::Core => R::Core,
            Resource::Cpu => R::Cpu,
            Resource::Data => R::Data,
            Resource::Fsize => R::Fsize,
            Resource::Locks => R::Locks,
            Resource::Memlock => R::Memlock,
            Resource::Msgqueue => R::Msgqueue,
            Resource::Nice => R::Nice,
            Resource::Nofile => R::Nofile,
            Resource::Nproc => R::Nproc,
            Resource::Rss => R::Rss,
            Resource::Rtprio => R::Rtprio,
            Resource::Rttime => R::Rttime,
            Resource::Sigpending => R::Sigpending,
            Resource::Stack => R::Stack,
        };
        // Raising a hard limit takes a privilege on the host.
        let most = getrlimit(resource).maximum.unwrap_or(u64::MAX);
        let hard = limit.hard.min(most);
        let value = |number| if number == u64::MAX { None } else { Some(number) };
        setrlimit(
            resource,
            Rlimit {
                current: value(limit.soft.min(hard)),
                maximum: value(hard),
            },
        )
        .map_err(|errno| {
            SpawnError::new(Phase::Limits, errno).at(format!("{:?}", limit.resource).to_lowercase())
        })?;
    }
    Ok(())
}

fn hostname(init: &mut Init) -> Outcome {
    let name = &init.spec.hostname;
    match rustix::system::sethostname(name.as_bytes()) {
        // The filter of an outer container may forbid it (podman's default one does). A name is not worth a build:
        // the namespace is a new one all the same, and keeps the name of the host.
        Ok(()) | Err(Errno::PERM | Errno::NOSYS) => Ok(()),
        Err(errno) => Err(SpawnError::new(Phase::Hostname, errno).at(name.as_str())),
    }
}

fn loopback(init: &mut Init) -> Outcome {
    use rustix::net::{AddressFamily, SocketFlags, SocketType, socket_with};
    if init.spec.network == Network::Host {
        return Ok(());
    }
    let fail = |errno| SpawnError::new(Phase::Loopback, errno);
    let socket =
        socket_with(AddressFamily::INET, SocketType::DGRAM, SocketFlags::CLOEXEC, None).map_err(fail)?;
    sys::interface_up(socket.as_fd(), c"lo").map_err(fail)
}

/// Waits until the network leads somewhere.
fn connection(init: &mut Init) -> Outcome {
    match init.connection.take() {
        Some(connection) => pasta::wait(&connection),
        None => Ok(()),
    }
}

/// A network of its own has no sockets but its own, and a pid namespace no processes.
fn abstract_sockets(init: &mut Init) -> Outcome {
    let has_own_processes = init.host.confinement.has_own_processes();
    if !init.host.scopes || (has_own_processes && init.spec.network != Network::Host) {
        return Ok(());
    }
    let left = match has_own_processes {
        true => landlock::leave_abstract_sockets(),
        false => landlock::leave_processes(),
    };
    left.map_err(|errno| SpawnError::new(Phase::AbstractSockets, errno))
}

fn umask(init: &mut Init) -> Outcome {
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(init.spec.umask & 0o777));
    Ok(())
}

fn filter(init: &mut Init) -> Outcome {
    if !init.spec.seccomp {
        return Ok(());
    }
    let filter = init.host.filter.as_ref().ok_or_else(|| {
        SpawnError::words(
            Phase::SystemCallFilter,
            "there is no filter for this processor architecture",
        )
    })?;
    filter
        .install()
        .map_err(|errno| SpawnError::new(Phase::SystemCallFilter, errno))
}

/// A change of user clears this setting, so it comes late. Should the zygote die before, its pid namespace dies with
/// it, and this process too.
fn parent_death(init: &mut Init) -> Outcome {
    if init.lives_on {
        return Ok(());
    }
    rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL))
        .map_err(|errno| SpawnError::new(Phase::ParentDeath, errno))
}

fn descriptors(_: &mut Init) -> Outcome {
    sys::close_on_exec_from(3).map_err(|errno| SpawnError::new(Phase::Descriptors, errno))
}
