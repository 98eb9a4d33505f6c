//! What is done with one vertex in each phase: find its key, look it up, run it, record it. No schedule here.

use crate::cache::{CacheIndex, Claim, Lookup};
use crate::event::EventKind;
use crate::jobs::Job;
use crate::key::CacheKey;
use crate::miss::MissReason;
use crate::op::{Effort, Op, RunContext};
use crate::outcome::{Cause, CauseOf};
use crate::preimage::Preimage;
use std::time::{Duration, Instant};

/// How a vertex came to its output.
pub(crate) enum Finish<T> {
    Resolved(T),
    Cached(CacheKey, T),
    Ran {
        key: Option<CacheKey>,
        cost: Duration,
        reason: Option<MissReason>,
        output: T,
    },
    /// Stopped before it had an output that counts.
    Cancelled,
}

/// What the warm phase found out about a vertex.
pub(crate) enum Probe<T> {
    Done(Finish<T>),
    /// It must be looked at again in the cold phase; its pre-image, if that is known already.
    Cold(Option<Keyed>),
}

/// A vertex that the warm phase has a key for, and did not find in the cache.
pub(crate) struct Keyed {
    pub(crate) preimage: Preimage,
    /// The index has said that it has nothing, and not that it must be asked again.
    pub(crate) missed: bool,
}

/// The warm phase: an output without work, or nothing.
pub(crate) fn probe<O: Op, C: CacheIndex<O::Output>>(
    op: &O,
    inputs: &[O::Output],
    cache: &C,
) -> Result<Probe<O::Output>, CauseOf<O, C>> {
    if let Some(output) = op.quick(inputs).map_err(Cause::Op)? {
        return Ok(Probe::Done(Finish::Resolved(output)));
    }
    if !op.cacheable() {
        return Ok(Probe::Cold(None));
    }
    let Some(preimage) = op.preimage(inputs, Effort::Cheap).map_err(Cause::Op)? else {
        return Ok(Probe::Cold(None));
    };
    let key = preimage.key();
    let missed = match cache.lookup(&key, Effort::Cheap).map_err(Cause::Cache)? {
        Lookup::Hit(output) => return Ok(Probe::Done(Finish::Cached(key, output))),
        // The cold phase finds it again, and keeps it here.
        Lookup::Elsewhere(_) | Lookup::Deferred => false,
        Lookup::Miss => true,
    };
    Ok(Probe::Cold(Some(Keyed { preimage, missed })))
}

/// The cold phase: an output by whatever it takes. `known` is the pre-image if the warm phase found it and missed.
pub(crate) fn complete<O: Op, C: CacheIndex<O::Output>>(
    op: &O,
    inputs: &[O::Output],
    known: Option<Keyed>,
    cache: &C,
    context: &RunContext<'_>,
    job: &mut Job<'_>,
) -> Result<Finish<O::Output>, CauseOf<O, C>> {
    let already_missed = known.as_ref().is_some_and(|known| known.missed);
    let preimage = match known {
        Some(known) => Some(known.preimage),
        None => {
            if let Some(output) = op.quick(inputs).map_err(Cause::Op)? {
                return Ok(Finish::Resolved(output));
            }
            op.gather(inputs, context).map_err(Cause::Op)?;
            op.preimage(inputs, Effort::Full).map_err(Cause::Op)?
        }
    };
    match preimage {
        Some(preimage) => under_key(op, inputs, &preimage, already_missed, cache, context, job),
        None => Ok(match run(op, inputs, context)? {
            Some((output, cost)) => Finish::Ran {
                key: None,
                cost,
                reason: None,
                output,
            },
            None => Finish::Cancelled,
        }),
    }
}

/// The output of work that has a key: what the cache has, or what fits, or what the work makes under a claim.
fn under_key<O: Op, C: CacheIndex<O::Output>>(
    op: &O,
    inputs: &[O::Output],
    preimage: &Preimage,
    already_missed: bool,
    cache: &C,
    context: &RunContext<'_>,
    job: &mut Job<'_>,
) -> Result<Finish<O::Output>, CauseOf<O, C>> {
    let key = preimage.key();
    let weak = op.weak(preimage);
    let lookup = || found::<O, C>(cache, &key, preimage);
    let record = |output: O::Output, cost| {
        if let Some(weak) = &weak {
            cache.record(&weak.key(), weak, output.clone(), cost)?;
        }
        cache.record(&key, preimage, output, cost)
    };
    let mut reason = MissReason::NoCache;
    let mut _claim = None;
    if op.cacheable() {
        if !already_missed && let Some(output) = lookup()? {
            return Ok(Finish::Cached(key, output));
        }
        _claim = claim::<O, C>(cache, &key, context, job)?;
        if _claim.is_none() {
            return Ok(Finish::Cancelled);
        }
        // Whoever had the claim before has perhaps just recorded it.
        if let Some(output) = lookup()? {
            return Ok(Finish::Cached(key, output));
        }
        // Somebody else may have the job by now.
        job.resume();
        if let Some(weak) = &weak
            && let Some((output, cost)) = fitting(op, inputs, weak, cache)?
        {
            let output = record(output, cost).map_err(Cause::Cache)?;
            return Ok(Finish::Cached(key, output));
        }
        reason = cache
            .explain(op.name(), preimage)
            .unwrap_or(MissReason::FirstTime);
    }
    context.emit(EventKind::Missed(reason.clone()));
    let Some((output, cost)) = run(op, inputs, context)? else {
        return Ok(Finish::Cancelled);
    };
    let output = record(output, cost).map_err(Cause::Cache)?;
    Ok(Finish::Ran {
        key: Some(key),
        cost,
        reason: Some(reason),
        output,
    })
}

/// What the cache has; a result that came from elsewhere is kept here.
fn found<O: Op, C: CacheIndex<O::Output>>(
    cache: &C,
    key: &CacheKey,
    preimage: &Preimage,
) -> Result<Option<O::Output>, CauseOf<O, C>> {
    let found = cache.lookup(key, Effort::Full).map_err(Cause::Cache)?;
    Ok(match found {
        Lookup::Hit(output) => Some(output),
        Lookup::Elsewhere(output) => Some(cache.adopt(key, preimage, output).map_err(Cause::Cache)?),
        Lookup::Miss | Lookup::Deferred => None,
    })
}

/// An output made from a candidate behind the weak key; `None`: none fits.
fn fitting<O: Op, C: CacheIndex<O::Output>>(
    op: &O,
    inputs: &[O::Output],
    weak: &Preimage,
    cache: &C,
) -> Result<Timed<O::Output>, CauseOf<O, C>> {
    let begin = Instant::now();
    for candidate in cache.candidates(&weak.key()).map_err(Cause::Cache)? {
        if let Some(output) = op.fit(inputs, &candidate).map_err(Cause::Op)? {
            return Ok(Some((output, begin.elapsed())));
        }
    }
    Ok(None)
}

/// An output and what it took to make; `None`: cancelled.
type Timed<T> = Option<(T, Duration)>;

/// Runs the op. `None`: cancelled, before it began or while it ran, so that what it says does not count.
fn run<O: Op, C: std::error::Error>(
    op: &O,
    inputs: &[O::Output],
    context: &RunContext<'_>,
) -> Result<Timed<O::Output>, Cause<O::Error, C>> {
    if context.cancel.is_cancelled() {
        return Ok(None);
    }
    let begin = Instant::now();
    let result = op.run(inputs, context);
    let cost = begin.elapsed();
    if context.cancel.is_cancelled() {
        return Ok(None);
    }
    Ok(Some((result.map_err(Cause::Op)?, cost)))
}

/// Asks for the claim until it is there; `None`: cancelled while waiting. The job is paused meanwhile, and stays so.
fn claim<'c, O: Op, C: CacheIndex<O::Output>>(
    cache: &'c C,
    key: &CacheKey,
    context: &RunContext<'_>,
    job: &mut Job<'_>,
) -> Result<Option<Box<dyn Claim + 'c>>, CauseOf<O, C>> {
    const SHORTEST: Duration = Duration::from_millis(1);
    const LONGEST: Duration = Duration::from_millis(20);
    let mut pause = SHORTEST;
    let mut told = false;
    loop {
        if let Some(claim) = cache.try_claim(key).map_err(Cause::Cache)? {
            return Ok(Some(claim));
        }
        if !std::mem::replace(&mut told, true) {
            job.pause();
            context.emit(EventKind::Waiting);
        }
        if context.cancel.wait_timeout(pause) {
            return Ok(None);
        }
        pause = (pause * 2).min(LONGEST);
    }
}
