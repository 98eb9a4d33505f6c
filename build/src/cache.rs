//! The solver's cache on the store's records: an adapter, because neither crate knows the other.

mod earlier;

pub use earlier::{Earlier, EarlierStep};

use crate::ops::{OpError, StepId, StepOutput};
use rbuild_solver::{CacheIndex, CacheKey, Claim, Effort, Lookup, MissReason, Preimage, Value, compare};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rbuild_store::lock::{self, Lease};
use rbuild_store::records::{
    Field, FieldValue, FileList, FileListEntry, Output, Preimage as StoredPreimage, RECORD_VERSION, Record,
};
use rbuild_store::snapshot::{Check, Held, Opened, SnapshotStore};
use rbuild_store::{Key, Store, StoreError};

/// Results of steps in the store.
pub struct RecordIndex {
    store: Store,
    snapshots: Arc<SnapshotStore>,
    /// The last build of the same thing.
    earlier: Earlier,
    /// Seconds since 1970.
    now: u64,
    /// Steps that were not in the cache and have not been recorded, by key.
    missed: Mutex<BTreeMap<CacheKey, Missed>>,
}

/// A step that was not in the cache.
struct Missed {
    step: Option<StepId>,
    preimage: Preimage,
    reason: MissReason,
}

/// A step that ran and gave no result.
pub struct Unfinished {
    /// Its key.
    pub key: String,
    /// What the key was made from.
    pub preimage: StoredPreimage,
    /// Why it had to run.
    pub reason: MissReason,
}

struct HeldClaim(#[expect(dead_code, reason = "held for its drop")] lock::KeyLock);
impl Claim for HeldClaim {}

impl RecordIndex {
    /// An index that explains misses by comparing with the last build of the same thing.
    #[must_use]
    pub fn new(snapshots: Arc<SnapshotStore>, earlier: Earlier, now: u64) -> Self {
        let store = snapshots.store().clone();
        Self {
            store,
            snapshots,
            earlier,
            now,
            missed: Mutex::default(),
        }
    }

    /// The last build of the same thing.
    #[must_use]
    pub fn earlier(&self) -> &Earlier {
        &self.earlier
    }

    /// What is known of a step that had to run and gave no result.
    #[must_use]
    pub fn unfinished(&self, step: &StepId) -> Option<Unfinished> {
        let missed = lock(&self.missed);
        let (key, missed) = missed
            .iter()
            .find(|(_, missed)| missed.step.as_ref() == Some(step))?;
        Some(Unfinished {
            key: key.to_string(),
            // A list of files that cannot be stored (a full disk) costs an explanation only.
            preimage: self.stored(&missed.preimage).ok()?.0,
            reason: missed.reason.clone(),
        })
    }

    /// What a step made when it last made something.
    #[must_use]
    pub fn previous_output(&self, step: &StepId) -> Option<StepOutput> {
        let key = Key::parse(self.earlier.step(step)?.result()?).ok()?;
        let record = self.store.records().lookup(&key).ok()??;
        match self.output(&record, Effort::Full).ok()? {
            Lookup::Hit(output) | Lookup::Elsewhere(output) => Some(output),
            Lookup::Miss | Lookup::Deferred => None,
        }
    }

    fn compared(&self, step: Option<&StepId>, preimage: &Preimage) -> MissReason {
        let Some((step, old)) = step
            .and_then(|step| self.earlier.step(step))
            .and_then(|step| Some((step, step.key()?)))
        else {
            return MissReason::FirstTime;
        };
        let is_same = old == preimage.key().to_string();
        if step.failed && is_same {
            return MissReason::FailedBefore;
        }
        let stored = match &step.preimage {
            Some(stored) => Some(stored.clone()),
            None => Key::parse(old)
                .and_then(|old| self.store.records().lookup(&old))
                .ok()
                .flatten()
                .map(|record| record.preimage),
        };
        match stored.and_then(|stored| self.loaded(&stored)) {
            Some(old) => compare(&old, preimage),
            None if is_same => MissReason::RecordLost,
            None => MissReason::Forgotten,
        }
    }

    /// The result of a record. One that was not looked at since the machine started cannot be before the user namespace
    /// is entered: in the warm phase it is deferred.
    fn output(&self, record: &Record, effort: Effort) -> Result<Lookup<StepOutput>, OpError> {
        let Some(id) = &record.output.snapshot else {
            return Ok(Lookup::Hit(StepOutput::nothing(record.output.content)));
        };
        let check = match effort {
            Effort::Cheap => Check::Skip,
            Effort::Full => Check::Now,
        };
        Ok(match self.snapshots.open(id, check)? {
            Opened::Sound(Held { snapshot, lease }) => Lookup::Hit(StepOutput::new(snapshot, Some(lease))),
            Opened::Unverified(_) => Lookup::Deferred,
            Opened::Missing => Lookup::Miss,
        })
    }
}

fn key(key: &CacheKey) -> Result<Key, StoreError> {
    Key::parse(&key.to_string())
}

impl CacheIndex<StepOutput> for RecordIndex {
    type Error = OpError;

    fn lookup(&self, wanted: &CacheKey, effort: Effort) -> Result<Lookup<StepOutput>, OpError> {
        match self.store.records().lookup(&key(wanted)?)? {
            Some(record) => self.output(&record, effort),
            None => Ok(Lookup::Miss),
        }
    }

    fn try_claim(&self, wanted: &CacheKey) -> Result<Option<Box<dyn Claim + '_>>, OpError> {
        Ok(match self.store.locks().try_key(&key(wanted)?)? {
            lock::Claim::Held(held) => Some(Box::new(HeldClaim(held))),
            lock::Claim::Busy { .. } => None,
        })
    }

    fn record(
        &self,
        wanted: &CacheKey,
        preimage: &Preimage,
        output: StepOutput,
        cost: Duration,
    ) -> Result<StepOutput, OpError> {
        let (stored, leases) = self.stored(preimage)?;
        let record = Record {
            version: RECORD_VERSION,
            key: key(wanted)?,
            op: preimage.kind().to_owned(),
            output: Output {
                snapshot: output.snapshot().map(|snapshot| *snapshot.id()),
                content: *output.content(),
                extra: serde_json::Value::Null,
            },
            created: self.now,
            cost: u64::try_from(cost.as_millis()).unwrap_or(u64::MAX),
            preimage: stored,
        };
        self.store.records().put(&record)?;
        drop(leases);
        lock(&self.missed).remove(wanted);
        Ok(output)
    }

    fn explain(&self, name: &str, preimage: &Preimage) -> Option<MissReason> {
        let step = self.earlier.id_of(name);
        let reason = self.compared(step, preimage);
        let missed = Missed {
            step: step.cloned(),
            preimage: preimage.clone(),
            reason: reason.clone(),
        };
        lock(&self.missed).insert(preimage.key(), missed);
        Some(reason)
    }
}

/// A poisoned lock means that a thread panicked while it explained something: nothing depends on that.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// The first field of a stored pre-image: kind and revision of the work.
const KIND: &str = "kind";

impl RecordIndex {
    /// The form that is kept, and what keeps its lists of files until it is.
    fn stored(&self, preimage: &Preimage) -> Result<(StoredPreimage, Vec<Lease>), StoreError> {
        let mut leases = Vec::new();
        let text = |name: String, value: String| Field {
            name,
            value: FieldValue::Text(value),
        };
        let mut fields = vec![text(
            KIND.to_owned(),
            format!("{} {}", preimage.kind(), preimage.revision()),
        )];
        for (name, value) in preimage.fields() {
            fields.push(match value {
                Value::Text(value) => text(format!("text:{name}"), value.clone()),
                Value::Input(value) => text(format!("input:{name}"), value.clone()),
                Value::Tree(tree) => {
                    let entries = tree
                        .iter()
                        .map(|(path, fingerprint)| FileListEntry {
                            path: path.to_vec(),
                            fingerprint: fingerprint.to_vec(),
                        })
                        .collect();
                    let (tree, lease) = self.store.records().put_tree(&FileList::new(entries))?;
                    leases.push(lease);
                    Field {
                        name: format!("tree:{name}"),
                        value: FieldValue::Tree(tree),
                    }
                }
            });
        }
        Ok((StoredPreimage { fields }, leases))
    }

    fn loaded(&self, stored: &StoredPreimage) -> Option<Preimage> {
        let (first, rest) = stored.fields.split_first()?;
        let FieldValue::Text(kind) = &first.value else {
            return None;
        };
        let (kind, revision) = kind.rsplit_once(' ')?;
        let mut preimage = Preimage::new(kind, revision.parse().ok()?);
        for field in rest {
            let (what, name) = field.name.split_once(':')?;
            let value = match (&field.value, what) {
                (FieldValue::Text(text), "text") => Value::Text(text.clone()),
                (FieldValue::Text(text), "input") => Value::Input(text.clone()),
                (FieldValue::Tree(reference), "tree") => {
                    let stored = self.store.records().tree(reference).ok()??;
                    let files = stored.entries().iter();
                    Value::Tree(files.map(|file| (&file.path, &file.fingerprint)).collect())
                }
                _ => return None,
            };
            preimage = preimage.with(name, value);
        }
        Some(preimage)
    }
}
