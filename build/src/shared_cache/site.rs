//! [`Site`]: one shared cache of a build, and whether it still counts.

use super::directory::Directory;
use super::place::Place;
use super::record::{LIMIT, Piece, SharedRecord};
use crate::error::SharedCacheError;
use crate::request::CachePlace;
use rbuild_store::Key;
use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// Is told once of each cache that fails.
pub(crate) type Tell = Arc<dyn Fn(&CachePlace, &SharedCacheError) + Send + Sync>;

/// One cache. What fails is told once; a place that cannot be reached is not tried again, one that gives something wrong
/// may have what is right elsewhere.
pub(super) struct Site {
    pub(super) name: CachePlace,
    pub(super) place: Box<dyn Place>,
    tell: Tell,
    told: AtomicBool,
    off: AtomicBool,
    /// Found to be wrong: sent again although it is there.
    suspects: Mutex<Suspects>,
}

#[derive(Default)]
struct Suspects {
    records: HashSet<Key>,
    pieces: HashSet<Piece>,
}

impl Site {
    pub(super) fn new(name: &CachePlace, tell: Tell) -> Self {
        let place: Box<dyn Place> = match name {
            CachePlace::Directory(path) => Box::new(Directory::new(path.clone())),
        };
        Self {
            name: name.clone(),
            place,
            tell,
            told: AtomicBool::new(false),
            off: AtomicBool::new(false),
            suspects: Mutex::default(),
        }
    }

    /// Whether it is still asked.
    pub(super) fn is_on(&self) -> bool {
        !self.off.load(Ordering::Relaxed)
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
    pub(super) fn failed(&self, error: &SharedCacheError) {
        if error.is_of_place() {
            self.off.store(true, Ordering::Relaxed);
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
