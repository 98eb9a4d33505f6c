//! [`Site`]: one shared cache of a build, and whether it still counts.

use super::directory::Directory;
use super::http::OverHttp;
use super::notes::Notes;
use super::place::Place;
use super::record::{LIMIT, Piece, SharedRecord};
use super::registry::InRegistry;
use super::spool::Spool;
use crate::error::SharedCacheError;
use crate::registries::Registries;
use crate::request::CachePlace;
use rbuild_store::{Key, Store};
use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// Is told once of each cache that fails.
pub(crate) type Tell = Arc<dyn Fn(&CachePlace, &SharedCacheError) + Send + Sync>;

/// What a cache is used for. One that may not be written may be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Use {
    Read,
    Write,
}

/// What caches are reached by.
pub(crate) struct Way {
    pub(crate) store: Store,
    pub(crate) registries: Registries,
    /// Seconds since 1970.
    pub(crate) now: u64,
}

/// One cache. What fails is told once; a place that cannot be reached is not tried again, one that gives something wrong
/// may have what is right elsewhere.
pub(super) struct Site {
    pub(super) name: CachePlace,
    pub(super) place: Box<dyn Place>,
    tell: Tell,
    told: AtomicBool,
    /// It is not read any more, and not written.
    off: [AtomicBool; 2],
    /// What it is known to have, where asking takes a journey.
    notes: Option<Notes>,
    /// Found to be wrong: sent again although it is there.
    suspects: Mutex<Suspects>,
}

#[derive(Default)]
struct Suspects {
    records: HashSet<Key>,
    pieces: HashSet<Piece>,
}

impl Site {
    pub(super) fn new(name: &CachePlace, way: &Way, tell: Tell) -> Self {
        let Way {
            store,
            registries,
            now,
        } = way;
        let place: Box<dyn Place> = match name {
            CachePlace::Directory(path) => Box::new(Directory::new(path.clone())),
            CachePlace::Registry(reference) => Box::new(InRegistry::new(
                reference.clone(),
                registries.clone(),
                Spool::new(store),
            )),
            CachePlace::Http { url, login } => Box::new(OverHttp::new(
                url,
                login.clone(),
                registries.clone(),
                Spool::new(store),
            )),
        };
        let is_near = matches!(name, CachePlace::Directory(_));
        let notes = (!is_near).then(|| Notes::new(store, &name.to_string(), *now));
        Self {
            name: name.clone(),
            place,
            tell,
            told: AtomicBool::new(false),
            off: [const { AtomicBool::new(false) }; 2],
            notes,
            suspects: Mutex::default(),
        }
    }

    /// Whether it is still used so.
    pub(super) fn is_on(&self, what: Use) -> bool {
        !self.off[what as usize].load(Ordering::Relaxed)
    }

    /// Takes note that it has the result of a key.
    pub(super) fn has_it(&self, key: &Key) {
        if let Some(notes) = &self.notes {
            notes.add(key);
        }
    }

    /// Keeps what was noted.
    pub(super) fn save_notes(&self) {
        if let Some(notes) = &self.notes {
            notes.save();
        }
    }

    /// Whether a key's result may have to be sent: said without a journey.
    pub(super) fn may_want(&self, key: &Key) -> Result<bool, SharedCacheError> {
        match &self.notes {
            Some(notes) => Ok(!notes.has(key)),
            None => self.wants_record(key),
        }
    }

    /// The record of a key, if it is one.
    pub(super) fn record(&self, key: &Key) -> Result<Option<SharedRecord>, SharedCacheError> {
        let Some(bytes) = self.place.record(key)? else {
            return Ok(None);
        };
        if bytes.len() as u64 > LIMIT {
            let (key, what) = (key.clone(), "is larger than records are");
            return Err(SharedCacheError::Record { key, what });
        }
        SharedRecord::parse(key, &bytes).map(Some)
    }

    /// Takes note of what went wrong.
    pub(super) fn failed(&self, what: Use, error: &SharedCacheError) {
        if error.is_of_place() {
            self.off[what as usize].store(true, Ordering::Relaxed);
        }
        if !self.told.swap(true, Ordering::Relaxed) {
            (self.tell)(&self.name, error);
        }
    }

    /// Takes note of a record that was not true, so that it is replaced when the result is made here.
    pub(super) fn suspect(&self, key: &Key, record: Option<&SharedRecord>) {
        let mut suspects = self.suspects.lock().unwrap_or_else(PoisonError::into_inner);
        suspects.records.insert(key.clone());
        suspects
            .pieces
            .extend(record.into_iter().flat_map(SharedRecord::pieces));
    }

    /// Whether a key's record must be sent.
    pub(super) fn wants_record(&self, key: &Key) -> Result<bool, SharedCacheError> {
        if self.suspects().records.contains(key) {
            return Ok(true);
        }
        Ok(!self.place.has_record(key)?)
    }

    /// Whether bytes must be sent.
    pub(super) fn wants(&self, piece: &Piece) -> Result<bool, SharedCacheError> {
        if self.suspects().pieces.contains(piece) {
            return Ok(true);
        }
        Ok(!self.place.has(piece)?)
    }

    fn suspects(&self) -> std::sync::MutexGuard<'_, Suspects> {
        self.suspects.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
