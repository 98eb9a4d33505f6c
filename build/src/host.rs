//! [`Host`]: how steps are run on this machine. The seam for hosts that do not allow what most do.

use crate::entering::{Entered, enter_sandbox};
use crate::error::Error;
use rbuild_sandbox::probe::Choice;
use rbuild_sandbox::{Caller, Confinement, Executor, Network, Wanted, Way, default_network};
use rbuild_store::Store;
use rbuild_store::snapshot::Form;
use std::sync::OnceLock;

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

    /// Whether it can mount file systems for its steps. Asked after [`Host::enter`].
    fn mounts(&self) -> bool {
        true
    }

    /// How steps are run here, where that is not the strongest way that there is. Asked after [`Host::enter`].
    fn weaker(&self) -> Option<Choice> {
        None
    }

    /// The network of a step that asks for none by name: the one on which this host can best keep it apart.
    fn default_network(&self) -> Network {
        Network::Host
    }
}

/// This machine: the process enters a user namespace in which the ids of files are real, so it must have one thread, and
/// a zygote starts each step in namespaces of its own. Where the machine does not allow that, a weaker [`Way`] is gone.
#[derive(Debug, Default)]
pub struct ThisHost {
    /// Who enters it.
    pub caller: Caller,
    /// Which way is asked for.
    pub wanted: Wanted,
    /// Which way is gone, once it was entered.
    choice: OnceLock<Choice>,
}

impl ThisHost {
    /// For who enters it, and which way is asked for.
    #[must_use]
    pub fn new(caller: Caller, wanted: Wanted) -> Self {
        Self {
            caller,
            wanted,
            choice: OnceLock::new(),
        }
    }

    fn way(&self) -> Way {
        self.choice.get().map_or(Way::STRONGEST, |choice| choice.way)
    }
}

impl Host for ThisHost {
    fn enter(&self, store: &Store) -> Result<Box<dyn Executor>, Error> {
        let Entered { zygote, choice } = enter_sandbox(store, &self.caller, self.wanted)?;
        // Entered once.
        let _ = self.choice.set(choice);
        Ok(Box::new(zygote))
    }

    fn snapshot_form(&self) -> Form {
        form_of(self.way())
    }

    fn mounts(&self) -> bool {
        self.way().confinement.mounts()
    }

    fn weaker(&self) -> Option<Choice> {
        let weaker = self.choice.get().filter(|choice| choice.way != Way::STRONGEST);
        weaker.cloned()
    }

    fn default_network(&self) -> Network {
        network_of(self.way(), &self.caller)
    }
}

/// The network of a command that asks for none by name.
#[must_use]
pub fn network_of(way: Way, caller: &Caller) -> Network {
    match way.confinement {
        Confinement::Namespaces => default_network(caller),
        Confinement::SharedProcesses | Confinement::Chroot => Network::Host,
    }
}

/// In which form a command gets its files.
#[must_use]
pub fn form_of(way: Way) -> Form {
    match way.overlays {
        true => Form::Overlay,
        false => Form::Directory,
    }
}
