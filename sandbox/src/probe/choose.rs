//! Which way commands are run: the strongest that the host allows, or the one that was asked for.

use std::path::Path;

use super::{Check, attempt, check, ids, is_confined, probe};
use crate::caller::Caller;
use crate::confinement::Confinement;
use crate::remedy::Remedy;
use crate::way::{Wanted, Way};

/// A way, and what keeps the host from a stronger one.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Choice {
    /// The way.
    pub way: Way,
    /// What was tried and does not work; `None` for the strongest way, and for one that was asked for.
    pub because: Option<Check>,
}

/// Chooses. A host that looks like any other is believed, since what it lacks all the same shows when the way is gone: only
/// one that is confined, and a store that takes no overlays, are tried out in child processes.
///
/// # Errors
/// What stands in the way.
pub fn choose(wanted: Wanted, store: &Path, takes_overlays: bool, caller: &Caller) -> Result<Choice, Check> {
    match wanted {
        Wanted::Auto => auto(store, takes_overlays, caller),
        Wanted::Namespaces => match auto(store, takes_overlays, caller)? {
            Choice {
                way:
                    Way {
                        confinement: Confinement::Chroot,
                        ..
                    },
                because: Some(because),
            } => Err(because),
            choice => Ok(Choice {
                because: None,
                ..choice
            }),
        },
        Wanted::Chroot => {
            let tried = attempt::chroot(store);
            match tried.ok {
                true => Ok(Choice {
                    way: CHROOT,
                    because: None,
                }),
                false => Err(tried),
            }
        }
        Wanted::SingleId | Wanted::Supervisor => {
            let detail = "is not there yet".to_owned();
            Err(check(
                wanted.name(),
                true,
                Err((detail, Some(Remedy::AnotherSandbox))),
            ))
        }
    }
}

/// The way of root where there is no other.
pub(super) const CHROOT: Way = Way {
    confinement: Confinement::Chroot,
    overlays: false,
};

fn auto(store: &Path, takes_overlays: bool, caller: &Caller) -> Result<Choice, Check> {
    if takes_overlays && !is_confined() && ids(caller).ok {
        return Ok(Choice {
            way: Way::STRONGEST,
            because: None,
        });
    }
    let report = probe(Some(store), caller);
    match (report.way, report.obstacle()) {
        (_, Some(obstacle)) => Err(obstacle.clone()),
        (None, None) => Err(ids(caller)),
        (Some(way), None) => Ok(Choice {
            because: report.weakness().filter(|_| way != Way::STRONGEST).cloned(),
            way,
        }),
    }
}
