//! [`Executor`]: whoever can run a [`SandboxSpec`]. Today that is the [`Zygote`] with its namespaces.

use crate::running::{Exit, Running, Stdio};
use crate::spawn_error::SpawnError;
use crate::spec::SandboxSpec;
use crate::zygote::Zygote;

/// Runs commands, each in the root and with the mounts that its [`SandboxSpec`] says. Used from several threads.
pub trait Executor: Send + Sync {
    /// Starts a command and returns once it executes.
    ///
    /// # Errors
    /// The step of the start that failed, with the kernel's error and the path it was at.
    fn start(&self, spec: &SandboxSpec, stdio: Stdio) -> Result<Box<dyn Execution>, SpawnError>;
}

/// A command that runs. Dropping it kills the command and everything it started.
pub trait Execution: Send + Sync {
    /// Waits for the end of the command and of all that it started.
    ///
    /// # Errors
    /// Whoever started it is gone, so that its end cannot be known.
    fn wait(&self) -> Result<Exit, SpawnError>;

    /// Kills the command and everything it started. Does nothing when it has ended.
    fn kill(&self);
}

impl Executor for Zygote {
    fn start(&self, spec: &SandboxSpec, stdio: Stdio) -> Result<Box<dyn Execution>, SpawnError> {
        Ok(Box::new(self.spawn(spec, stdio)?))
    }
}

impl Execution for Running {
    fn wait(&self) -> Result<Exit, SpawnError> {
        Running::wait(self)
    }

    fn kill(&self) {
        Running::kill(self);
    }
}
