//! [`Notes`]: which results a cache was seen to have, so that a build that finds everything here asks nobody.

use rbuild_oci::Digest;
use rbuild_store::{Key, Store};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

/// For how long a note is believed, in seconds: a registry may forget what it was given.
const AGE: u64 = 24 * 3600;

/// A file of the store with a line for each result: its key and when it was seen. Losing it costs questions only.
pub(super) struct Notes {
    store: Store,
    path: PathBuf,
    now: u64,
    known: OnceLock<Mutex<Known>>,
}

struct Known {
    seen: BTreeMap<Key, u64>,
    is_new: bool,
}

impl Notes {
    /// The notes on the cache that is called so.
    pub(super) fn new(store: &Store, cache: &str, now: u64) -> Self {
        let name = format!("sent-{}", Digest::of(cache.as_bytes()).to_hex());
        Self {
            store: store.clone(),
            path: store.memo_dir().join(name),
            now,
            known: OnceLock::new(),
        }
    }

    /// Whether the cache was seen to have the result of a key.
    pub(super) fn has(&self, key: &Key) -> bool {
        self.known().seen.contains_key(key)
    }

    /// Notes that it has.
    pub(super) fn add(&self, key: &Key) {
        let mut known = self.known();
        known.seen.insert(key.clone(), self.now);
        known.is_new = true;
    }

    /// Writes what was noted.
    pub(super) fn save(&self) {
        let mut known = self.known();
        if std::mem::take(&mut known.is_new) {
            let lines = known.seen.iter().map(|(key, time)| format!("{key} {time}\n"));
            let text: String = lines.collect();
            // Without them others are asked again.
            let _ = self.store.write_file(&self.path, text.as_bytes());
        }
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        let known = self.known.get_or_init(|| {
            Mutex::new(Known {
                seen: read(&self.path, self.now),
                is_new: false,
            })
        });
        known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[expect(clippy::disallowed_methods, reason = "a file of the store")]
fn read(path: &Path, now: u64) -> BTreeMap<Key, u64> {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let line = |line: &str| {
        let (key, time) = line.split_once(' ')?;
        let time: u64 = time.parse().ok()?;
        // A clock that was set back is no reason to believe longer.
        let is_young = time <= now && now - time < AGE;
        is_young.then_some((Key::parse(key).ok()?, time))
    };
    text.lines().filter_map(line).collect()
}
