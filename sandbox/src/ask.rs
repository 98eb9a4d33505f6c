//! Asking for a command: what goes to whoever clones it, and what comes back until it executes.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};
use rustix::pipe::{PipeFlags, pipe_with};
use serde::{Deserialize, Serialize};

use crate::cgroup::Group;
use crate::emulator::Machine;
use crate::limits::Limits;
use crate::running::{Running, Stdio};
use crate::spawn_error::{Phase, SpawnError};
use crate::spec::{MountKind, Network, SandboxSpec};
use crate::wire::{Reply, Request, Streams, memory_file};

/// A spec in memory that has no name and cannot be changed any more. It can go to another process, whose own memory
/// it takes none of.
#[derive(Debug)]
pub struct SealedSpec {
    spec: OwnedFd,
    blobs: OwnedFd,
    head: SpecHead,
}

/// What must be known of a spec before it is read.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SpecHead {
    network: Network,
    limits: Limits,
    architecture: Option<String>,
}

impl SealedSpec {
    /// Checks a spec and puts it into memory.
    ///
    /// # Errors
    /// What is wrong with it, or no memory.
    pub fn new(spec: &SandboxSpec) -> Result<Self, SpawnError> {
        spec.validate()
            .map_err(|error| SpawnError::words(Phase::Validate, error.to_string()))?;
        let json =
            serde_json::to_vec(spec).map_err(|error| SpawnError::words(Phase::Request, error.to_string()))?;
        Ok(Self {
            spec: memory_file(&[&json]).map_err(request_failed)?,
            blobs: memory_file(&blobs(spec)).map_err(request_failed)?,
            head: SpecHead {
                network: spec.network,
                limits: spec.limits.clone(),
                architecture: spec.architecture.clone(),
            },
        })
    }

    /// A group with the limits that it names.
    pub(crate) fn group(&self) -> Result<Option<Group>, SpawnError> {
        if self.head.limits.is_none() {
            return Ok(None);
        }
        let made = Group::make(&self.head.limits);
        made.map(Some)
            .map_err(|error| SpawnError::words(Phase::Group, error.to_string()))
    }

    /// What another process needs to have it.
    #[must_use]
    pub fn parts(&self) -> ([BorrowedFd<'_>; 2], &SpecHead) {
        ([self.spec.as_fd(), self.blobs.as_fd()], &self.head)
    }

    /// From [`parts`](Self::parts).
    #[must_use]
    pub fn from_parts([spec, blobs]: [OwnedFd; 2], head: SpecHead) -> Self {
        Self { spec, blobs, head }
    }
}

pub(crate) fn request_failed(errno: Errno) -> SpawnError {
    SpawnError::new(Phase::Request, errno)
}

/// A request with our ends of what it is answered through.
pub(crate) struct Asked {
    pub(crate) request: Request,
    waiting: Waiting,
}

/// Our ends alone. Only when nobody else of this process holds the others, their end is seen.
pub(crate) struct Waiting {
    reply: OwnedFd,
    failure: OwnedFd,
    wants_pty: bool,
    group: Option<Group>,
}

impl Asked {
    pub(crate) fn new(sealed: &SealedSpec, stdio: Stdio) -> Result<Self, SpawnError> {
        let (reply, reply_there) = socketpair(
            AddressFamily::UNIX,
            SocketType::SEQPACKET,
            SocketFlags::CLOEXEC,
            None,
        )
        .map_err(request_failed)?;
        let (failure, failure_there) = pipe_with(PipeFlags::CLOEXEC).map_err(request_failed)?;
        let wants_pty = matches!(stdio, Stdio::Pty { .. });
        let group = sealed.group()?;
        let duplicate = |fd: &OwnedFd| rustix::io::fcntl_dupfd_cloexec(fd, 3).map_err(request_failed);
        let request = Request {
            reply: reply_there,
            failure: failure_there,
            spec: duplicate(&sealed.spec)?,
            blobs: duplicate(&sealed.blobs)?,
            network: sealed.head.network,
            machine: sealed.head.architecture.as_deref().and_then(Machine::emulated),
            streams: Streams::from(stdio),
            groups: group
                .as_ref()
                .map_or(Ok(Vec::new()), Group::directories)
                .map_err(request_failed)?,
        };
        Ok(Self {
            request,
            waiting: Waiting {
                reply,
                failure,
                wants_pty,
                group,
            },
        })
    }

    pub(crate) fn without_request(self) -> Waiting {
        self.waiting
    }

    pub(crate) fn apart(self) -> (Request, Waiting) {
        (self.request, self.waiting)
    }
}

impl Waiting {
    /// Waits until the command executes, or something has failed.
    pub(crate) fn answer(self) -> Result<Running, SpawnError> {
        let Waiting {
            reply,
            failure,
            wants_pty,
            group,
        } = self;
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
        Ok(Running::new(reply, pidfd, pty, group))
    }
}

impl From<Stdio> for Streams {
    fn from(stdio: Stdio) -> Self {
        match stdio {
            Stdio::Streams {
                stdin,
                stdout,
                stderr,
            } => Streams::Given([stdin, stdout, stderr]),
            Stdio::Pty { size } => Streams::Pty {
                rows: size.ws_row,
                columns: size.ws_col,
            },
        }
    }
}

fn read_reply(
    reply: &OwnedFd,
    pidfd: &mut Option<OwnedFd>,
    pty: &mut Option<OwnedFd>,
) -> Result<(), SpawnError> {
    match Reply::receive(reply.as_fd()).map_err(request_failed)? {
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
            Err(errno) => return Err(request_failed(errno)),
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
