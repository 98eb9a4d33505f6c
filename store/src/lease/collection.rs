//! [`Collection`]: the collector's side of leases. What it means to be in use is told in [the module above](super).

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::fs::File;
use std::io::{ErrorKind, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use rbuild_oci::Digest;

use super::gate::Gate;
use super::{ALL, COLLECTING, LISTS, Name};
use crate::error::{IoContext, StoreError};
use crate::file_lock::{Lock, Mode};
use crate::small_file::list_if_there;

/// What is in use while something is collected: what any list says that was not over when the collection began.
///
/// To be begun before anything is looked at that leads to snapshots: what a process does whose list is over by then is
/// seen.
#[derive(Debug)]
pub(crate) struct Collection {
    gate: Gate,
    lists: Lists,
    /// Keeps lists that end from now on.
    _collecting: Lock,
}

impl Collection {
    /// Begins one; removes what dead processes left if no other collection needs it.
    pub(crate) fn begin(root: &Path) -> Result<Collection, StoreError> {
        let path = root.join(COLLECTING);
        let alone = Lock::try_take(&path, Mode::Exclusive)?;
        let mut over = BTreeSet::new();
        for name in Lists::new(root, BTreeSet::new()).all()? {
            // Shared: another collector, which asks the same at this moment, must not look like its process.
            let Some(list) = Lock::try_take_existing(&root.join(LISTS).join(&name), Mode::Shared)? else {
                continue;
            };
            if alone.is_some() {
                list.remove_file();
            }
            // An empty one may be new: its process has made it and not locked it yet.
            if !list.is_empty()? {
                over.insert(name);
            }
        }
        // A list that ends between the two is removed by its process: nothing was looked at yet.
        drop(alone);
        let collecting = Lock::wait(&path, Mode::Shared)?;
        Ok(Collection {
            gate: Gate::open(root)?,
            lists: Lists::new(root, over),
            _collecting: collecting,
        })
    }

    /// Does `work` if nobody uses what has this name; `None`: somebody does. Nobody begins to use anything before the
    /// work is done, so it should not take long.
    pub(crate) fn unless_used<T>(
        &mut self,
        name: &Name,
        work: impl FnOnce() -> Result<T, StoreError>,
    ) -> Result<Option<T>, StoreError> {
        self.unless(|lists| lists.names.contains(name), work)
    }

    /// The same of what others stand on: `needs` says of a name that is used whether that cannot do without it.
    pub(crate) fn unless_needed<T>(
        &mut self,
        needs: impl FnMut(&Name) -> bool,
        work: impl FnOnce() -> Result<T, StoreError>,
    ) -> Result<Option<T>, StoreError> {
        self.unless(|lists| lists.names.iter().any(needs), work)
    }

    fn unless<T>(
        &mut self,
        is_used: impl FnOnce(&Lists) -> bool,
        work: impl FnOnce() -> Result<T, StoreError>,
    ) -> Result<Option<T>, StoreError> {
        let Collection { gate, lists, .. } = self;
        gate.alone(|| {
            lists.read_on()?;
            match is_used(lists) || lists.all_is_used() {
                true => Ok(None),
                false => work().map(Some),
            }
        })
    }
}

/// The names of what is used. True only for the moment; for display.
pub(crate) fn used(root: &Path) -> Result<HashSet<Name>, StoreError> {
    let mut lists = Lists::new(root, BTreeSet::new());
    for name in lists.all()? {
        if Lock::try_take_existing(&root.join(LISTS).join(&name), Mode::Shared)?.is_none() {
            lists.read(name)?;
        }
    }
    Ok(lists.names)
}

/// What the lists say.
#[derive(Debug)]
struct Lists {
    root: PathBuf,
    /// Those that were over at the beginning.
    over: BTreeSet<String>,
    /// How much of each other one was read.
    read: BTreeMap<String, u64>,
    names: HashSet<Name>,
}

impl Lists {
    fn new(root: &Path, over: BTreeSet<String>) -> Lists {
        Lists {
            root: root.to_owned(),
            over,
            read: BTreeMap::new(),
            names: HashSet::new(),
        }
    }

    /// What they are called. There are none before the first lease.
    fn all(&self) -> Result<Vec<String>, StoreError> {
        list_if_there(&self.root.join(LISTS))
    }

    fn read_on(&mut self) -> Result<(), StoreError> {
        for list in self.all()? {
            if !self.over.contains(&list) {
                self.read(list)?;
            }
        }
        Ok(())
    }

    /// Somebody could not say what they use.
    fn all_is_used(&self) -> bool {
        !Lock::is_free(&self.root.join(ALL))
    }

    /// Reads what was added to a list.
    fn read(&mut self, list: String) -> Result<(), StoreError> {
        let path = self.root.join(LISTS).join(&list);
        let mut file = match File::open(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
            other => other.at("open", &path)?,
        };
        let from = self.read.entry(list).or_default();
        let mut text = String::new();
        file.seek(SeekFrom::Start(*from)).at("read", &path)?;
        file.read_to_string(&mut text).at("read", &path)?;
        let whole = text.rfind('\n').map_or(0, |end| end + 1);
        *from += whole as u64;
        // A line that is none is the beginning of one that found no room.
        let names = text[..whole]
            .lines()
            .filter_map(|line| Digest::from_hex(line).ok());
        self.names.extend(names.map(|name| *name.as_bytes()));
        Ok(())
    }
}
