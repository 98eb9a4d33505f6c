//! The phases in which a sandbox is made, and what is said when one fails.

use std::ffi::OsString;
use std::fmt;
use std::io;

use serde::{Deserialize, Serialize};

use crate::raw;
use crate::shortage::Shortage;

/// One phase on the way from a spec to a running command, in the order in which they happen.
#[allow(missing_docs)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Phase {
    Validate,
    Request,
    Group,
    Inside,
    Clone,
    ReadSpec,
    Session,
    Streams,
    Keyring,
    Limits,
    Hostname,
    Loopback,
    Connection,
    Propagation,
    Staging,
    Root,
    Proc,
    Sys,
    Dev,
    Terminal,
    Mounts,
    Pivot,
    WorkingDirectory,
    Umask,
    Program,
    LockedMounts,
    AbstractSockets,
    Files,
    Capabilities,
    NoNewPrivileges,
    SystemCallFilter,
    Identity,
    ParentDeath,
    Descriptors,
    Execute,
}

impl Phase {
    /// What the phase attempts, as the object of "cannot".
    pub fn attempt(self) -> &'static str {
        match self {
            Phase::Validate => "accept the sandbox's description",
            Phase::Request => "talk to the sandbox's starter process",
            Phase::Group => "put the command into a group with limits",
            Phase::Inside => "enter the container",
            Phase::Clone => "create the namespaces",
            Phase::ReadSpec => "read the sandbox's description",
            Phase::Session => "start a session",
            Phase::Streams => "connect stdin, stdout and stderr",
            Phase::Keyring => "join a fresh session keyring",
            Phase::Limits => "set a resource limit",
            Phase::Hostname => "set the host name",
            Phase::Loopback => "bring up the loopback interface",
            Phase::Connection => "connect the step's own network",
            Phase::Propagation => "make the mounts private",
            Phase::Staging => "prepare the files in memory",
            Phase::Root => "mount the root file system",
            Phase::Proc => "set up /proc",
            Phase::Sys => "set up /sys",
            Phase::Dev => "set up /dev",
            Phase::Terminal => "set up the terminal",
            Phase::Mounts => "mount",
            Phase::Pivot => "change the root",
            Phase::WorkingDirectory => "enter the working directory",
            Phase::Umask => "set the umask",
            Phase::Program => "execute",
            Phase::LockedMounts => "lock the mounts",
            Phase::AbstractSockets => "close off the host's abstract sockets",
            Phase::Files => "close off the files of the host",
            Phase::Capabilities => "drop capabilities",
            Phase::NoNewPrivileges => "forbid new privileges",
            Phase::SystemCallFilter => "install the system call filter",
            Phase::Identity => "run as",
            Phase::ParentDeath => "tie the command to its parent",
            Phase::Descriptors => "close the descriptors",
            Phase::Execute => "execute",
        }
    }
}

/// A command that could not be started: which step failed, how, and on what.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SpawnError {
    /// The step that failed.
    pub phase: Phase,
    /// The kernel's error number (`errno(3)`); 0 when the fault is not the kernel's.
    pub errno: i32,
    /// The path or value that the step was at; empty when there is none.
    #[serde(with = "raw::option_path")]
    pub path: Option<std::path::PathBuf>,
    /// Why, in words, where the error number alone would mislead.
    pub reason: Option<String>,
}

impl SpawnError {
    /// An error of `phase` with the kernel's error number.
    pub(crate) fn new(phase: Phase, errno: rustix::io::Errno) -> Self {
        Self {
            phase,
            errno: errno.raw_os_error(),
            path: None,
            reason: None,
        }
    }

    /// An error without an error number.
    pub(crate) fn words(phase: Phase, reason: impl Into<String>) -> Self {
        Self {
            phase,
            errno: 0,
            path: None,
            reason: Some(reason.into()),
        }
    }

    /// The same with the path it happened at.
    pub(crate) fn at(mut self, path: impl Into<OsString>) -> Self {
        self.path = Some(path.into().into());
        self
    }

    /// The same with words that replace the error number's.
    pub(crate) fn because(mut self, reason: impl Into<String>) -> Self {
        self.reason = Some(reason.into());
        self
    }

    /// What the host has no more of at this moment, where nothing else is wrong.
    pub fn shortage(&self) -> Option<Shortage> {
        Shortage::of(self.errno)
    }

    /// Whether the sandbox stood and only the program could not be executed.
    pub fn is_program(&self) -> bool {
        matches!(self.phase, Phase::Execute | Phase::Program) && self.shortage().is_none()
    }

    /// Whether something in the image's files is at fault, and not the host.
    pub fn is_about_image(&self) -> bool {
        match self.phase {
            Phase::WorkingDirectory => true,
            Phase::Proc | Phase::Sys | Phase::Dev | Phase::Mounts => {
                matches!(self.errno, libc::ELOOP | libc::ENOTDIR)
            }
            _ => false,
        }
    }

    /// The exit code that `docker run` gives: 127 program not found, 126 not executable, 125 sandbox failed.
    pub fn exit_code(&self) -> u8 {
        match self.errno {
            _ if !self.is_program() => 125,
            libc::ENOENT | libc::ENOTDIR => 127,
            _ => 126,
        }
    }
}

impl fmt::Display for SpawnError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let attempt = match self.phase {
            Phase::Clone if self.shortage().is_some() => "start a process",
            phase => phase.attempt(),
        };
        write!(f, "cannot {attempt}")?;
        if let Some(path) = &self.path
            && !attempt.ends_with(&*path.to_string_lossy())
        {
            write!(f, " {}", path.display())?;
        }
        if let Some(reason) = &self.reason {
            return write!(f, ": {reason}");
        }
        match (self.phase, self.errno) {
            (Phase::Execute, libc::ENOENT) => f.write_str(": not found"),
            (Phase::Execute, libc::EACCES) => f.write_str(": not executable"),
            (Phase::Execute, libc::ENOEXEC) => {
                f.write_str(": the file is no program of this machine's architecture")
            }
            (_, errno) => {
                write!(f, ": {}", rustix::io::Errno::from_raw_os_error(errno))
            }
        }
    }
}

impl std::error::Error for SpawnError {}

impl From<SpawnError> for io::Error {
    fn from(error: SpawnError) -> Self {
        io::Error::other(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::io::Errno;

    #[test]
    fn exit_codes_are_dockers() {
        let code = |phase, errno| SpawnError::new(phase, errno).exit_code();
        assert_eq!(code(Phase::Execute, Errno::NOENT), 127);
        assert_eq!(code(Phase::Execute, Errno::NOTDIR), 127);
        assert_eq!(code(Phase::Execute, Errno::ACCESS), 126);
        assert_eq!(code(Phase::Execute, Errno::NOEXEC), 126);
        assert_eq!(code(Phase::Mounts, Errno::NOENT), 125);
        assert_eq!(code(Phase::Execute, Errno::AGAIN), 125);
        assert_eq!(SpawnError::words(Phase::Request, "gone").exit_code(), 125);
    }

    #[test]
    fn messages_name_the_attempt_the_path_and_the_cause() {
        let error = SpawnError::new(Phase::Mounts, Errno::NOENT).at("/etc/hosts");
        let text = error.to_string();
        assert!(
            text.starts_with("cannot mount /etc/hosts: No such file"),
            "{text}"
        );
        let error = SpawnError::new(Phase::Clone, Errno::AGAIN);
        assert!(
            error.to_string().starts_with("cannot start a process: Resource"),
            "{error}"
        );
        assert!(error.shortage().is_some());
        let error = SpawnError::new(Phase::Execute, Errno::NOENT).at("foo");
        assert_eq!(error.to_string(), "cannot execute foo: not found");
        let error = SpawnError::new(Phase::Proc, Errno::LOOP)
            .at("/proc")
            .because("a symlink");
        assert_eq!(error.to_string(), "cannot set up /proc: a symlink");
        assert!(error.is_about_image());
        assert!(!SpawnError::new(Phase::Proc, Errno::PERM).is_about_image());
    }

    #[test]
    fn errors_cross_the_wire() {
        let error = SpawnError::new(Phase::Proc, Errno::PERM)
            .at("/proc")
            .because("masked");
        let text = serde_json::to_string(&error).unwrap();
        assert_eq!(serde_json::from_str::<SpawnError>(&text).unwrap(), error);
    }
}
