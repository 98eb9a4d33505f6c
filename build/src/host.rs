//! [`Host`]: how steps are run on this machine. The seam for hosts that do not allow what most do.

use crate::engine::enter_sandbox;
use crate::error::Error;
use rbuild_sandbox::{Caller, Executor, Network, default_network};
use rbuild_store::Store;
use rbuild_store::snapshot::Form;

/// How steps are run.
pub trait Host: Send + Sync {
    /// Makes ready to run steps on the snapshots of a store. Called at most once for a build, and only when a step must
    /// run, on the thread that builds.
    ///
    /// # Errors
    /// What the host does not allow, and what mends it.
    fn enter(&self, store: &Store) -> Result<Box<dyn Executor>, Error>;

    /// The form in which its steps get their files. Asked when a step begins, after [`Host::enter`].
    fn snapshot_form(&self) -> Form {
        Form::Overlay
    }

    /// The network of a step that asks for none by name: the one on which this host can best keep it apart.
    fn default_network(&self) -> Network {
        Network::Host
    }
}

/// This machine: the process enters a user namespace in which the ids of files are real, so it must have one thread, and
/// a zygote starts each step in namespaces of its own.
#[derive(Debug, Clone, Default)]
pub struct ThisHost {
    /// Who enters it.
    pub caller: Caller,
}

impl Host for ThisHost {
    fn enter(&self, store: &Store) -> Result<Box<dyn Executor>, Error> {
        Ok(Box::new(enter_sandbox(store, &self.caller)?))
    }

    fn default_network(&self) -> Network {
        default_network(&self.caller)
    }
}
