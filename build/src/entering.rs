//! Entering the user namespace in which the ids of the store's files are real, and the way steps are run from there.

use crate::error::{Error, HostError, Obstacle};
use rbuild_sandbox::probe::{self, Check, Choice};
use rbuild_sandbox::{Caller, Confinement, EnterError, IdMapping, Wanted, Zygote, enter};
use rbuild_store::Store;

/// What runs steps, and how.
#[derive(Debug)]
pub struct Entered {
    /// Starts them.
    pub zygote: Zygote,
    /// How they are run.
    pub choice: Choice,
}

/// Enters the user namespace if steps are run in one, then starts the zygote.
///
/// # Errors
/// What the host does not allow, and the line that mends it.
pub fn enter_sandbox(store: &Store, caller: &Caller, wanted: Wanted) -> Result<Entered, Error> {
    let choice = probe::choose(wanted, store.root(), store.takes_overlays(), caller)
        .map_err(|obstacle| HostError::Obstacle(Obstacle(obstacle)))?;
    let choice = match choice.way.confinement {
        Confinement::Chroot => choice,
        Confinement::Namespaces | Confinement::SharedProcesses => match enter_strictly(caller) {
            Ok(()) => choice,
            // This process is where it was, so root can go the other way.
            Err(error) if wanted == Wanted::Auto && is_refused_to_root(&error) => {
                probe::choose(Wanted::Chroot, store.root(), false, caller)
                    .map(|chroot| Choice {
                        because: refusal(&error),
                        ..chroot
                    })
                    .map_err(|_| error)?
            }
            Err(error) => return Err(error),
        },
    };
    let zygote = Zygote::start(caller, choice.way.confinement).map_err(HostError::Zygote)?;
    Ok(Entered { zygote, choice })
}

/// Enters the user namespace in which the store's ids are real, on a host that allows all that commands need.
///
/// # Errors
/// What the host does not allow, and the line that mends it.
pub fn enter_host(store: &Store, caller: &Caller) -> Result<(), Error> {
    let choice = probe::choose(Wanted::Auto, store.root(), store.takes_overlays(), caller)
        .map_err(|obstacle| HostError::Obstacle(Obstacle(obstacle)))?;
    match choice.because {
        Some(because) => Err(HostError::Obstacle(Obstacle(because)).into()),
        None => enter_strictly(caller),
    }
}

/// Enters the user namespace in which the store's ids are real. Root that may have none, as in a container, stays where
/// it is: there they are real too.
///
/// # Errors
/// What the host does not allow, and the line that mends it.
pub fn enter_namespace(caller: &Caller) -> Result<(), Error> {
    if is_root() && probe::is_confined() && !probe::has_namespace(caller) {
        return Ok(());
    }
    match enter_strictly(caller) {
        Err(error) if is_refused_to_root(&error) => Ok(()),
        other => other,
    }
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// Whether the kernel has refused a namespace, and nothing else has happened, to one who can do without.
fn is_refused_to_root(error: &Error) -> bool {
    is_root() && matches!(error, Error::Host(HostError::Namespace(EnterError::Unshare(_))))
}

fn refusal(error: &Error) -> Option<Check> {
    let Error::Host(HostError::Namespace(error)) = error else {
        return None;
    };
    Some(Check {
        name: "user namespace".to_owned(),
        ok: false,
        required: false,
        detail: error.to_string(),
        remedy: error.remedy(),
    })
}

fn enter_strictly(caller: &Caller) -> Result<(), Error> {
    let mapping = IdMapping::for_host(caller).map_err(HostError::Ids)?;
    enter(&mapping).map_err(|error| match error.shortage() {
        Some(_) => HostError::Shortage(error),
        None => HostError::Namespace(error),
    })?;
    Ok(())
}
