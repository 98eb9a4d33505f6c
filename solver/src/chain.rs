//! [`Chain`]: several indexes, asked one after another.

use crate::cache::{CacheIndex, Claim, Lookup};
use crate::key::CacheKey;
use crate::miss::MissReason;
use crate::op::Effort;
use crate::preimage::Preimage;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// An index of this machine, and others behind it that many machines may share.
///
/// The first one decides: claims and explanations are its own, its errors are errors. The others are asked when it has
/// nothing, and are told of every result that was made here. One that fails is a miss: its first error is kept for
/// whoever wants to say it, and the build goes on without it.
pub struct Chain<'a, Output, Error> {
    own: &'a dyn CacheIndex<Output, Error = Error>,
    further: Vec<Further<'a, Output, Error>>,
}

struct Further<'a, Output, Error> {
    index: &'a dyn CacheIndex<Output, Error = Error>,
    failed: Mutex<Option<Error>>,
}

impl<'a, Output, Error: std::error::Error + Send + 'static> Chain<'a, Output, Error> {
    /// The index of this machine alone.
    pub fn new(own: &'a dyn CacheIndex<Output, Error = Error>) -> Self {
        Self {
            own,
            further: Vec::new(),
        }
    }

    /// With one more behind those that there are.
    #[must_use]
    pub fn then(mut self, index: &'a dyn CacheIndex<Output, Error = Error>) -> Self {
        let failed = Mutex::new(None);
        self.further.push(Further { index, failed });
        self
    }

    /// The first error of each index that failed, by its place behind the first one.
    pub fn failures(self) -> impl Iterator<Item = (usize, Error)> {
        let failed = self.further.into_iter().map(|further| {
            let failed = further.failed.into_inner();
            failed.unwrap_or_else(PoisonError::into_inner)
        });
        failed
            .enumerate()
            .filter_map(|(place, error)| Some((place, error?)))
    }
}

impl<Output, Error> Further<'_, Output, Error> {
    /// An answer; `None` when the index fails, or has failed before.
    fn ask<T>(
        &self,
        ask: impl FnOnce(&dyn CacheIndex<Output, Error = Error>) -> Result<T, Error>,
    ) -> Option<T> {
        let has_failed = |failed: &Mutex<Option<Error>>| {
            let failed = failed.lock().unwrap_or_else(PoisonError::into_inner);
            failed.is_some()
        };
        if has_failed(&self.failed) {
            return None;
        }
        ask(self.index)
            .map_err(|error| {
                let mut failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
                failed.get_or_insert(error);
            })
            .ok()
    }
}

impl<Output: Clone, Error> CacheIndex<Output> for Chain<'_, Output, Error>
where
    Error: std::error::Error + Send + 'static,
{
    type Error = Error;

    fn lookup(&self, key: &CacheKey, effort: Effort) -> Result<Lookup<Output>, Error> {
        let mut deferred = match self.own.lookup(key, effort)? {
            found @ (Lookup::Hit(_) | Lookup::Elsewhere(_)) => return Ok(found),
            Lookup::Miss => false,
            Lookup::Deferred => true,
        };
        for further in &self.further {
            match further.ask(|index| index.lookup(key, effort)) {
                Some(Lookup::Hit(output) | Lookup::Elsewhere(output)) => {
                    return Ok(Lookup::Elsewhere(output));
                }
                Some(Lookup::Deferred) => deferred = true,
                Some(Lookup::Miss) | None => {}
            }
        }
        Ok(match deferred {
            true => Lookup::Deferred,
            false => Lookup::Miss,
        })
    }

    fn candidates(&self, weak: &CacheKey) -> Result<Vec<Output>, Error> {
        let mut candidates = self.own.candidates(weak)?;
        for further in &self.further {
            candidates.extend(further.ask(|index| index.candidates(weak)).unwrap_or_default());
        }
        Ok(candidates)
    }

    fn try_claim(&self, key: &CacheKey) -> Result<Option<Box<dyn Claim + '_>>, Error> {
        self.own.try_claim(key)
    }

    fn record(
        &self,
        key: &CacheKey,
        preimage: &Preimage,
        output: Output,
        cost: Duration,
    ) -> Result<Output, Error> {
        let output = self.own.record(key, preimage, output, cost)?;
        for further in &self.further {
            further.ask(|index| index.record(key, preimage, output.clone(), cost));
        }
        Ok(output)
    }

    fn adopt(&self, key: &CacheKey, preimage: &Preimage, output: Output) -> Result<Output, Error> {
        self.own.adopt(key, preimage, output)
    }

    fn explain(&self, name: &str, preimage: &Preimage) -> Option<MissReason> {
        self.own.explain(name, preimage)
    }
}
