//! Leases: what a process uses of the snapshots and stored file lists. All of a process's are lines of one file under
//! `locks/leases/`, which it keeps locked, so that a build of 20,000 steps needs two descriptors for them.
//!
//! ```text
//! process    gate shared [ write the name ]   look whether the snapshot is there: if not, it is a miss
//! collector  gate alone  [ read all lists; in none of them: move the snapshot away ]
//! ```
//!
//! A name stays in its list until the process holds no lease at all. A list that ends while something is collected stays
//! as a file, unlocked, since the collector may have looked for records before its process wrote some. No clock is asked.

mod collection;
mod gate;

use std::collections::HashSet;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use rbuild_oci::Digest;

use crate::error::{IoContext, StoreError};
use crate::file_lock::{Lock, Mode};
use crate::small_file::make_dirs;
use gate::Gate;

pub(crate) use collection::{Collection, used};

/// Makes names unique within the process.
static SERIAL: AtomicU64 = AtomicU64::new(0);

/// Where the lists are.
pub(super) const LISTS: &str = "locks/leases";

/// Held shared by collectors while they work.
pub(super) const COLLECTING: &str = "locks/collecting";

/// Held shared by a process that uses everything: it could not write a name, as on a full disk.
pub(super) const ALL: &str = "locks/all";

/// What a lease is on.
pub(crate) type Name = [u8; 32];

/// While it lives the garbage collector leaves the snapshot and its parents, or the file list, alone.
///
/// A step holds leases on its inputs until it holds one on its result.
#[derive(Debug, Clone)]
pub struct Lease(#[expect(dead_code, reason = "held for its drop")] Arc<List>);

/// What one process uses.
#[derive(Debug)]
pub(crate) struct List {
    collecting: PathBuf,
    all: PathBuf,
    open: Mutex<Open>,
}

#[derive(Debug)]
struct Open {
    /// `None` when there was no room for one.
    list: Option<Lock>,
    gate: Gate,
    names: HashSet<Name>,
    /// The last line is not whole.
    is_torn: bool,
    holds_all: Option<Lock>,
}

impl List {
    pub(crate) fn new(root: &Path) -> Result<List, StoreError> {
        let list = match new_list(root) {
            Err(error) if error.is_no_space() => None,
            other => Some(other?),
        };
        Ok(List {
            collecting: root.join(COLLECTING),
            all: root.join(ALL),
            open: Mutex::new(Open {
                list,
                gate: Gate::open(root)?,
                names: HashSet::new(),
                is_torn: false,
                holds_all: None,
            }),
        })
    }

    /// What is in the list, sorted.
    pub(crate) fn names(&self) -> Vec<Name> {
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let mut names: Vec<Name> = open.names.iter().copied().collect();
        names.sort_unstable();
        names
    }

    /// Puts a name into the list.
    pub(crate) fn hold(self: &Arc<Self>, name: &Name) -> Result<Lease, StoreError> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if open.holds_all.is_none() && !open.names.contains(name) {
            match open.write(name) {
                Ok(()) => drop(open.names.insert(*name)),
                Err(error) if error.is_no_space() => {
                    open.holds_all = Some(Lock::wait(&self.all, Mode::Shared)?);
                }
                Err(error) => return Err(error),
            }
        }
        Ok(Lease(Arc::clone(self)))
    }
}

/// An empty list, locked.
fn new_list(root: &Path) -> Result<Lock, StoreError> {
    loop {
        let serial = SERIAL.fetch_add(1, Ordering::Relaxed);
        let path = root.join(LISTS).join(format!("{}-{serial}", std::process::id()));
        match Lock::try_take_noting(&path) {
            Ok(Some((lock, true))) => return Ok(lock),
            // One that is there is of a dead process of the same number, and may still count.
            Ok(_) => {}
            Err(error) if error.is_not_found() => make_dirs(&root.join(LISTS))?,
            Err(error) => return Err(error),
        }
    }
}

impl Open {
    fn write(&mut self, name: &Name) -> Result<(), StoreError> {
        let Some(list) = &self.list else {
            return Err(StoreError::from_io(
                "lock",
                self.gate.path(),
                ErrorKind::StorageFull.into(),
            ));
        };
        let torn = if self.is_torn { "\n" } else { "" };
        let line = format!("{torn}{}\n", Digest::from_bytes(*name).to_hex());
        let written = self
            .gate
            .shared(|| (&list.file).write_all(line.as_bytes()).at("write", &list.path));
        self.is_torn = written.is_err();
        written
    }
}

impl Drop for List {
    fn drop(&mut self) {
        let open = self.open.get_mut().unwrap_or_else(PoisonError::into_inner);
        // While a collector works the file stays, for it to read; the next collection removes it.
        if let Some(list) = &open.list
            && let Ok(Some(_nobody_collects)) = Lock::try_take(&self.collecting, Mode::Exclusive)
        {
            list.remove_file();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::store;

    /// Two collections run; the second begins between the two calls with which a process makes and locks its list.
    #[test]
    fn a_list_that_is_being_made_is_not_over() {
        let (_dir, store) = store();
        std::fs::create_dir_all(store.path(LISTS)).unwrap();
        let _other = Collection::begin(store.root()).unwrap();
        let path = store.path(LISTS).join("1-new");
        std::fs::write(&path, "").unwrap();
        let mut collection = Collection::begin(store.root()).unwrap();
        let list = Lock::try_take(&path, Mode::Exclusive).unwrap().unwrap();
        let line = format!("{}\n", Digest::from_bytes([1; 32]).to_hex());
        std::fs::write(&path, line).unwrap();
        assert!(collection.unless_used(&[1; 32], || Ok(())).unwrap().is_none());
        drop(list);
    }

    #[test]
    fn a_name_that_finds_no_room_is_held_all_the_same() {
        let (_dir, store) = store();
        let list = Arc::new(List::new(store.root()).unwrap());
        let file = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        let path = store.path("locks/leases/full");
        list.open.lock().unwrap().list = Some(Lock { file, path });
        let lease = list.hold(&[1; 32]).unwrap();
        let is_used = || {
            let mut collection = Collection::begin(store.root()).unwrap();
            collection.unless_used(&[1; 32], || Ok(())).unwrap().is_none()
        };
        assert!(is_used());
        drop((list, lease));
        assert!(!is_used());
    }
}
