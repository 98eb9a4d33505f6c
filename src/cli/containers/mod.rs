//! Verbs about containers that are kept, and what they share: finding one, doing something to each of several, words for
//! what goes wrong.

pub mod create;
pub mod exec;
pub mod filter;
pub mod inspect;
pub mod logs;
pub mod prune;
pub mod ps;
pub mod random;
pub mod rename;
pub mod rm;
pub mod start;
pub mod stop;
pub mod wait;
pub mod words;

use super::stored;
use super::streams::{note, print};
use crate::error::{Failure, Kind};
use crate::report::host;
use dockerfile_parser::suggest;
use rbuild_container::StartError;
use rbuild_container::kept::{ControlError, Kept, KeptError};
use rbuild_container::monitor::{self, Failed};
use rbuild_store::Store;
use rbuild_store::containers::ContainerError;
use std::os::fd::AsFd;
use std::path::Path;

/// What docker ends with when a verb about containers fails.
const FAILED: u8 = 1;

/// The container that has this name or id, or the only one whose id begins so.
///
/// # Errors
/// There is none; the message names one that is called similarly.
pub fn find(store: Option<&Store>, wanted: &str) -> Result<Kept, Failure> {
    let missing = || told(ContainerError::Missing(wanted.to_owned()).into());
    let Some(store) = store else { return Err(missing()) };
    let found = store
        .containers()
        .find(wanted)
        .map_err(KeptError::from)
        .and_then(Kept::open);
    found.map_err(|error| {
        let near = match &error {
            KeptError::Container(ContainerError::Missing(_)) => nearest(store, wanted),
            _ => None,
        };
        match near {
            Some(near) => told(error).hint(format!("did you mean `{near}`?")),
            None => told(error),
        }
    })
}

fn nearest(store: &Store, wanted: &str) -> Option<String> {
    let names: Vec<String> = all(store)
        .ok()?
        .into_iter()
        .map(|kept| kept.record().name.clone())
        .collect();
    suggest::nearest(wanted, names.iter().map(String::as_str)).map(str::to_owned)
}

/// All containers, the newest first. One that goes meanwhile, or that is damaged, is left out.
///
/// # Errors
/// They cannot be listed.
pub fn all(store: &Store) -> Result<Vec<Kept>, Failure> {
    let mut all = Vec::new();
    for id in store.containers().ids().map_err(Failure::from_host)? {
        match Kept::open(store.containers().dir(&id)) {
            Ok(kept) => all.push(kept),
            Err(KeptError::Gone(_)) => {}
            Err(error) => note(&format!("warning: {error}")),
        }
    }
    all.sort_by(|one, other| {
        let (one, other) = (one.record(), other.record());
        other
            .created
            .cmp(&one.created)
            .then_with(|| one.id.cmp(&other.id))
    });
    Ok(all)
}

/// Does something to each container that is named, and says which it was done to. All are tried; the last failure is left
/// for the end of the program to tell.
///
/// # Errors
/// It failed for one of them.
pub fn each(
    root: Option<&Path>,
    wanted: &[String],
    mut act: impl FnMut(&Kept) -> Result<(), Failure>,
) -> Result<u8, Failure> {
    let store = stored::existing(root)?;
    let mut pending: Option<Failure> = None;
    for name in wanted {
        let done = find(store.as_ref(), name).and_then(|kept| act(&kept));
        match done {
            Ok(()) => print(&format!("{name}\n"))?,
            Err(failure) => {
                if let Some(earlier) = pending.replace(failure) {
                    note(earlier.text().trim_end());
                }
            }
        }
    }
    pending.map_or(Ok(0), Err)
}

/// A failure about a container.
#[must_use]
pub fn told(error: KeptError) -> Failure {
    Failure::from_host(error).with_exit_code(FAILED)
}

/// The same of what is done to one.
#[must_use]
pub fn refused(error: ControlError) -> Failure {
    Failure::from_host(error).with_exit_code(FAILED)
}

/// Why there is no container, in words: 125, 126 or 127 as docker has it.
#[must_use]
pub fn not_started(error: StartError) -> Failure {
    match error {
        StartError::NoCommand => Failure::from_host(error).hint("`rbuild run IMAGE COMMAND…` runs a command"),
        StartError::EmptyCommand => Failure::from_error(Kind::NotFound, &error),
        StartError::WorkingDirectory { .. } => Failure::from_host(error),
        StartError::User(error) => Failure::from_host(error),
        StartError::Mount(error) => Failure::from_host(error),
        StartError::Tree(error) => Failure::from_host(error),
        StartError::Snapshot(error) => Failure::from_host(error),
        StartError::Kept(error) => Failure::from_host(error),
        StartError::Limits(error) => host::limit(&error),
        StartError::Spawn(error) => Failure::from_error(kind(error.exit_code()), &error),
    }
}

/// The same where a monitor was to start it.
#[must_use]
pub fn not_launched(error: Failed) -> Failure {
    let kind = kind(error.exit_code());
    match error {
        Failed::Spawn(error) => Failure::from_error(kind, &error),
        other => Failure::from_host(other),
    }
}

/// Whether this process was started to look after a container.
#[must_use]
pub fn is_monitor() -> bool {
    std::env::args_os()
        .next()
        .is_some_and(|name| name == monitor::NAME)
}

/// Looks after a container. The code to end with.
#[must_use]
pub fn monitor() -> u8 {
    match std::io::stdin().as_fd().try_clone_to_owned() {
        Ok(socket) => monitor::run(socket),
        Err(_) => FAILED,
    }
}

fn kind(code: u8) -> Kind {
    match code {
        126 => Kind::NotExecutable,
        127 => Kind::NotFound,
        _ => Kind::Host,
    }
}
