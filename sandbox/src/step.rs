//! The steps that make a sandbox, and what is said when one fails.

use std::ffi::OsString;
use std::fmt;
use std::io;

use serde::{Deserialize, Serialize};

use crate::raw;
use crate::shortage::shortage;

/// One step on the way from a spec to a running command, in the order in which they happen.
#[allow(missing_docs)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Step {
    Validate,
    Request,
    Clone,
    ReadSpec,
    Session,
    Streams,
    Keyring,
    Limits,
    Hostname,
    Loopback,
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
    Capabilities,
    NoNewPrivileges,
    SystemCallFilter,
    Identity,
    ParentDeath,
    Descriptors,
    Execute,
}

impl Step {
    /// What the step attempts, as the object of "cannot".
    pub fn attempt(self) -> &'static str {
        match self {
            Step::Validate => "accept the sandbox's description",
            Step::Request => "talk to the sandbox's starter process",
            Step::Clone => "create the namespaces",
            Step::ReadSpec => "read the sandbox's description",
            Step::Session => "start a session",
            Step::Streams => "connect stdin, stdout and stderr",
            Step::Keyring => "join a fresh session keyring",
            Step::Limits => "set a resource limit",
            Step::Hostname => "set the host name",
            Step::Loopback => "bring up the loopback interface",
            Step::Propagation => "make the mounts private",
            Step::Staging => "prepare the files in memory",
            Step::Root => "mount the root file system",
            Step::Proc => "set up /proc",
            Step::Sys => "set up /sys",
            Step::Dev => "set up /dev",
            Step::Terminal => "set up the terminal",
            Step::Mounts => "mount",
            Step::Pivot => "change the root",
            Step::WorkingDirectory => "enter the working directory",
            Step::Umask => "set the umask",
            Step::Program => "execute",
            Step::LockedMounts => "lock the mounts",
            Step::AbstractSockets => "close off the host's abstract sockets",
            Step::Capabilities => "drop capabilities",
            Step::NoNewPrivileges => "forbid new privileges",
            Step::SystemCallFilter => "install the system call filter",
            Step::Identity => "run as",
            Step::ParentDeath => "tie the command to its parent",
            Step::Descriptors => "close the descriptors",
            Step::Execute => "execute",
        }
    }
}

/// A command that could not be started: which step failed, how, and on what.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SpawnError {
    /// The step that failed.
    pub step: Step,
    /// The kernel's error number (`errno(3)`); 0 when the fault is not the kernel's.
    pub errno: i32,
    /// The path or value that the step was at; empty when there is none.
    #[serde(with = "raw::option_path")]
    pub path: Option<std::path::PathBuf>,
    /// Why, in words, where the error number alone would mislead.
    pub reason: Option<String>,
}

impl SpawnError {
    /// An error of `step` with the kernel's error number.
    pub(crate) fn new(step: Step, errno: rustix::io::Errno) -> Self {
        Self {
            step,
            errno: errno.raw_os_error(),
            path: None,
            reason: None,
        }
    }

    /// An error without an error number.
    pub(crate) fn words(step: Step, reason: impl Into<String>) -> Self {
        Self {
            step,
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

    /// What to do when nothing is wrong but that the host has no more of something at this moment.
    pub fn shortage(&self) -> Option<&'static str> {
        shortage(self.errno)
    }

    /// Whether the sandbox stood and only the program could not be executed.
    pub fn is_program(&self) -> bool {
        matches!(self.step, Step::Execute | Step::Program) && self.shortage().is_none()
    }

    /// Whether something in the image's files is at fault, and not the host.
    pub fn is_about_image(&self) -> bool {
        match self.step {
            Step::WorkingDirectory => true,
            Step::Proc | Step::Sys | Step::Dev | Step::Mounts => {
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
        let attempt = match self.step {
            Step::Clone if self.shortage().is_some() => "start a process",
            step => step.attempt(),
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
        match (self.step, self.errno) {
            (Step::Execute, libc::ENOENT) => f.write_str(": not found"),
            (Step::Execute, libc::EACCES) => f.write_str(": not executable"),
            (Step::Execute, libc::ENOEXEC) => {
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
        let code = |step, errno| SpawnError::new(step, errno).exit_code();
        assert_eq!(code(Step::Execute, Errno::NOENT), 127);
        assert_eq!(code(Step::Execute, Errno::NOTDIR), 127);
        assert_eq!(code(Step::Execute, Errno::ACCESS), 126);
        assert_eq!(code(Step::Execute, Errno::NOEXEC), 126);
        assert_eq!(code(Step::Mounts, Errno::NOENT), 125);
        assert_eq!(code(Step::Execute, Errno::AGAIN), 125);
        assert_eq!(SpawnError::words(Step::Request, "gone").exit_code(), 125);
    }

    #[test]
    fn messages_name_the_attempt_the_path_and_the_cause() {
        let error = SpawnError::new(Step::Mounts, Errno::NOENT).at("/etc/hosts");
        let text = error.to_string();
        assert!(
            text.starts_with("cannot mount /etc/hosts: No such file"),
            "{text}"
        );
        let error = SpawnError::new(Step::Clone, Errno::AGAIN);
        assert!(
            error.to_string().starts_with("cannot start a process: Resource"),
            "{error}"
        );
        assert!(error.shortage().is_some());
        let error = SpawnError::new(Step::Execute, Errno::NOENT).at("foo");
        assert_eq!(error.to_string(), "cannot execute foo: not found");
        let error = SpawnError::new(Step::Proc, Errno::LOOP)
            .at("/proc")
            .because("a symlink");
        assert_eq!(error.to_string(), "cannot set up /proc: a symlink");
        assert!(error.is_about_image());
        assert!(!SpawnError::new(Step::Proc, Errno::PERM).is_about_image());
    }

    #[test]
    fn errors_cross_the_wire() {
        let error = SpawnError::new(Step::Proc, Errno::PERM)
            .at("/proc")
            .because("masked");
        let text = serde_json::to_string(&error).unwrap();
        assert_eq!(serde_json::from_str::<SpawnError>(&text).unwrap(), error);
    }
}
