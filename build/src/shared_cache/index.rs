//! [`SharedCaches`]: all shared caches of a build as one index, behind the one of this machine.

use super::fetch::Fetch;
use super::outbox::{Outbox, Parcel, Target};
use super::pack::Packer;
use super::site::{Site, Tell, Use, Way};
use crate::error::{Error, SharedCacheError};
use crate::ops::{OpError, StepOutput};
use crate::request::{CacheMode, CachePlace, CacheTarget};
use rbuild_solver::{CacheIndex, CacheKey, Claim, Effort, Lookup, MissReason, Preimage};
use rbuild_store::snapshot::SnapshotStore;
use rbuild_store::{Key, StoreError};
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// All shared caches of a build. It never fails: what fails is told, and is a miss.
pub(crate) struct SharedCaches {
    snapshots: Arc<SnapshotStore>,
    epoch: Option<i64>,
    sources: Vec<Arc<Site>>,
    /// What was asked for, in the order of `targets`.
    wanted: Vec<CacheTarget>,
    targets: Arc<Vec<Target>>,
    outbox: Outbox,
    /// Keys that no cache had: the solver asks again when it has the claim, which no other machine knows of.
    missed: Mutex<HashSet<CacheKey>>,
}

/// A result of the build as it ended.
pub(crate) struct Made<'a> {
    /// Its key.
    pub(crate) key: CacheKey,
    /// What it is.
    pub(crate) output: &'a StepOutput,
    /// Whether it is in the image's own chain.
    pub(crate) is_own: bool,
}

impl SharedCaches {
    /// The caches that are asked, and those that are told; `None` when there are none. Opens nothing.
    pub(crate) fn new(
        snapshots: &Arc<SnapshotStore>,
        way: &Way,
        epoch: Option<i64>,
        from: &[CachePlace],
        to: &[CacheTarget],
        tell: &Tell,
    ) -> Option<Self> {
        if from.is_empty() && to.is_empty() {
            return None;
        }
        // A place that is both has one warning, and knows what it gave that was wrong.
        let mut sites: Vec<Arc<Site>> = Vec::new();
        let mut site = |place: &CachePlace| {
            if let Some(known) = sites.iter().find(|site| site.name == *place) {
                return Arc::clone(known);
            }
            let new = Arc::new(Site::new(place, way, Arc::clone(tell)));
            sites.push(Arc::clone(&new));
            new
        };
        let sources = from.iter().map(&mut site).collect();
        let targets: Arc<Vec<Target>> = Arc::new(
            to.iter()
                .map(|target| Target {
                    site: site(&target.place),
                    failure: Mutex::default(),
                })
                .collect(),
        );
        Some(Self {
            snapshots: Arc::clone(snapshots),
            epoch,
            sources,
            wanted: to.to_vec(),
            outbox: Outbox::new(Arc::clone(&targets)),
            targets,
            missed: Mutex::default(),
        })
    }

    fn fetched(&self, key: &Key) -> Option<StepOutput> {
        for site in self.sources.iter().filter(|site| site.is_on(Use::Read)) {
            let record = match site.record(key) {
                Ok(Some(record)) => record,
                Ok(None) => continue,
                Err(error) => {
                    if !error.is_of_place() {
                        site.suspect(key, None);
                    }
                    self.note(site, Use::Read, &error);
                    continue;
                }
            };
            let fetch = Fetch {
                snapshots: &self.snapshots,
                place: site.place.as_ref(),
                record: &record,
            };
            match fetch.output() {
                Ok(Some(output)) => {
                    site.has_it(key);
                    return Some(output);
                }
                Ok(None) => {}
                Err(error) => {
                    if !error.is_of_place() {
                        site.suspect(key, Some(&record));
                    }
                    self.note(site, Use::Read, &error);
                }
            }
        }
        None
    }

    /// What fails after a stop fails because of it.
    fn note(&self, site: &Site, what: Use, error: &SharedCacheError) {
        if !self.snapshots.store().stop().is_stopped() {
            site.failed(what, error);
        }
    }

    /// The targets that take results of steps whatever stage they are of, or only those of the image's own.
    fn targets(&self, is_own: bool) -> Vec<usize> {
        let wanted = self.wanted.iter().enumerate();
        wanted
            .filter(|(_, target)| is_own || target.mode == CacheMode::Max)
            .map(|(at, _)| at)
            .collect()
    }

    fn send(&self, key: Key, kind: &str, cost: Duration, output: &StepOutput, to: Vec<usize>) {
        let parcel = Parcel {
            key,
            kind: kind.to_owned(),
            cost,
            output: output.clone(),
            to,
        };
        self.outbox.send(parcel, || Packer {
            snapshots: Arc::clone(&self.snapshots),
            epoch: self.epoch,
            made: HashMap::new(),
        });
    }

    /// Results that the caches do not have yet, by the place of each in `made`, and where they should go.
    pub(crate) fn lacking(&self, made: &[Made<'_>]) -> Vec<(usize, Vec<usize>)> {
        let mut lacking = Vec::new();
        for (at, made) in made.iter().enumerate() {
            let Ok(key) = stored(&made.key) else { continue };
            let mut to = self.targets(made.is_own);
            to.retain(|target| {
                let site = &self.targets[*target].site;
                site.is_on(Use::Write)
                    && site.may_want(&key).unwrap_or_else(|error| {
                        self.note(site, Use::Write, &error);
                        false
                    })
            });
            if !to.is_empty() {
                lacking.push((at, to));
            }
        }
        lacking
    }

    /// Sends results that were found lacking.
    pub(crate) fn send_lacking(&self, made: &[Made<'_>], lacking: Vec<(usize, Vec<usize>)>) {
        for (at, to) in lacking {
            if let Ok(key) = stored(&made[at].key) {
                self.send(key, "", Duration::ZERO, made[at].output, to);
            }
        }
    }

    /// Whether results wait to be sent.
    pub(crate) fn is_sending(&self) -> bool {
        self.outbox.waiting() > 0
    }

    /// Waits until all is sent.
    ///
    /// # Errors
    /// Of the caches whose errors count, what went wrong first.
    pub(crate) fn finish(&self) -> Result<(), Error> {
        self.outbox.finish();
        for target in self.targets.iter() {
            target.site.save_notes();
        }
        for (wanted, target) in self.wanted.iter().zip(self.targets.iter()) {
            let mut failure = target.failure.lock().unwrap_or_else(PoisonError::into_inner);
            if !wanted.ignore_error
                && let Some(source) = failure.take()
            {
                let place = Box::new(wanted.place.clone());
                let source = Box::new(source);
                return Err(Error::SharedCache { place, source });
            }
        }
        Ok(())
    }

    fn missed(&self) -> std::sync::MutexGuard<'_, HashSet<CacheKey>> {
        self.missed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn stored(key: &CacheKey) -> Result<Key, StoreError> {
    Key::parse(&key.to_string())
}

impl CacheIndex<StepOutput> for SharedCaches {
    type Error = OpError;

    fn lookup(&self, key: &CacheKey, effort: Effort) -> Result<Lookup<StepOutput>, OpError> {
        if self.sources.iter().all(|site| !site.is_on(Use::Read)) || self.missed().contains(key) {
            return Ok(Lookup::Miss);
        }
        // It costs a journey, and what it brings has owners that exist in the user namespace only.
        if effort == Effort::Cheap {
            return Ok(Lookup::Deferred);
        }
        if let Some(output) = self.fetched(&stored(key)?) {
            return Ok(Lookup::Hit(output));
        }
        self.missed().insert(*key);
        Ok(Lookup::Miss)
    }

    fn try_claim(&self, _: &CacheKey) -> Result<Option<Box<dyn Claim + '_>>, OpError> {
        Ok(None)
    }

    fn record(
        &self,
        key: &CacheKey,
        preimage: &Preimage,
        output: StepOutput,
        cost: Duration,
    ) -> Result<StepOutput, OpError> {
        let to = self.targets(false);
        if !to.is_empty() {
            let kind = format!("{} {}", preimage.kind(), preimage.revision());
            self.send(stored(key)?, &kind, cost, &output, to);
        }
        Ok(output)
    }

    fn explain(&self, _: &str, _: &Preimage) -> Option<MissReason> {
        None
    }
}
