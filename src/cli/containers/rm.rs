//! `rbuild rm`: removes containers.

use super::{each, find, refused};
use crate::cli::stored;
use crate::cli::streams::print;
use crate::error::Failure;
use clap::Args;
use rbuild_container::kept::{ControlError, Kept, KeptError};
use rbuild_store::Store;
use std::path::Path;

/// What was typed.
#[derive(Debug, Args)]
pub struct RmArgs {
    /// Kill a container that runs; do not mind one that is not there
    #[arg(short, long)]
    pub force: bool,

    /// Names or ids
    #[arg(value_name = "CONTAINER", required = true)]
    pub containers: Vec<String>,
}

/// Removes.
///
/// # Errors
/// One of them runs, or is not there.
pub fn run(args: &RmArgs, root: Option<&Path>) -> Result<u8, Failure> {
    let mut wanted = args.containers.clone();
    let store = stored::existing(root)?;
    if args.force {
        wanted.retain(|name| {
            store
                .as_ref()
                .is_some_and(|store| store.containers().find(name).is_ok())
        });
    }
    if wanted.is_empty() {
        return Ok(0);
    }
    if let Some(store) = store.as_ref().filter(|_| args.force) {
        // From outside: in a user namespace of our own we have no power over those of others.
        let mut left = Vec::new();
        for name in wanted {
            if kill(store, &name)? {
                print(&format!("{name}\n"))?;
            } else {
                left.push(name);
            }
        }
        wanted = left;
    }
    // What commands wrote has ids that exist there alone.
    stored::enter_if_possible()?;
    if let Some(store) = store.as_ref().filter(|_| args.force) {
        let mut damaged = Vec::new();
        for name in &wanted {
            if is_damaged_and_gone(store, name)? {
                damaged.push(name.clone());
            }
        }
        wanted.retain(|name| !damaged.contains(name));
    }
    each(root, &wanted, |kept| kept.remove(args.force).map_err(refused))
}

/// Kills a container that runs; whether it is gone with that.
fn kill(store: &Store, name: &str) -> Result<bool, Failure> {
    let Ok(kept) = find(Some(store), name) else {
        return Ok(false);
    };
    match kept.kill() {
        Err(ControlError::Kept(KeptError::Gone(_))) => Ok(true),
        other => other.map(|()| !kept.dir().exists()).map_err(refused),
    }
}

/// Removes one of which nobody can say what it is, unless somebody looks after it.
fn is_damaged_and_gone(store: &Store, name: &str) -> Result<bool, Failure> {
    let Ok(dir) = store.containers().find(name) else {
        return Ok(false);
    };
    if !matches!(Kept::open(dir.clone()), Err(KeptError::Damaged { .. })) {
        return Ok(false);
    }
    if dir.is_alive().map_err(Failure::from_host)? {
        return Ok(false);
    }
    store.containers().remove(&dir, "").map_err(Failure::from_host)?;
    print(&format!("{name}\n"))?;
    Ok(true)
}
