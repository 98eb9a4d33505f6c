//! Vertices that add integers and count their own calls, and a cache in memory.

use rbuild_solver::{
    CacheIndex, CacheKey, CancelToken, Claim, DefinitionDigest, Effort, Event, EventKind, Graph, KeyHasher,
    Lookup, MissReason, Op, Preimage, RunContext, Solution, SolveError, SolveOptions, VertexId, compare,
    solve,
};
use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Broken(pub String);

type Body = Box<dyn Fn(&[i64], &RunContext<'_>) -> Result<i64, Broken> + Send + Sync>;

/// Adds its inputs and a number of its own, unless it is told to do something else.
pub(crate) struct Add {
    pub(crate) name: String,
    pub(crate) number: i64,
    pub(crate) merge: bool,
    pub(crate) deferred: bool,
    pub(crate) cacheable: bool,
    pub(crate) quick: bool,
    pub(crate) keyed: bool,
    pub(crate) parted: bool,
    /// A candidate fits only if it is the sum.
    pub(crate) exact: bool,
    pub(crate) body: Option<Body>,
    pub(crate) on_full: Option<Box<dyn Fn() -> Result<(), Broken> + Send + Sync>>,
    pub(crate) runs: Arc<AtomicUsize>,
}

pub(crate) fn add(name: &str, number: i64) -> Add {
    Add {
        name: name.to_owned(),
        number,
        merge: true,
        deferred: false,
        cacheable: true,
        quick: false,
        keyed: true,
        parted: false,
        exact: false,
        body: None,
        on_full: None,
        runs: Arc::default(),
    }
}

impl Add {
    pub(crate) fn body(
        mut self,
        body: impl Fn(&[i64], &RunContext<'_>) -> Result<i64, Broken> + Send + Sync + 'static,
    ) -> Self {
        self.body = Some(Box::new(body));
        self
    }

    pub(crate) fn deferred(mut self) -> Self {
        self.deferred = true;
        self
    }

    pub(crate) fn no_cache(mut self) -> Self {
        self.cacheable = false;
        self
    }

    pub(crate) fn quick(mut self) -> Self {
        self.quick = true;
        self
    }

    pub(crate) fn without_key(mut self) -> Self {
        self.keyed = false;
        self
    }

    /// Its number is a part of the work that needs no input.
    pub(crate) fn exact(mut self) -> Self {
        self.exact = true;
        self.parted()
    }

    pub(crate) fn parted(mut self) -> Self {
        self.parted = true;
        self
    }

    pub(crate) fn counted(mut self, runs: &Arc<AtomicUsize>) -> Self {
        self.runs = runs.clone();
        self
    }
}

impl Op for Add {
    type Output = i64;
    type Error = Broken;

    fn name(&self) -> &str {
        &self.name
    }

    fn definition(&self) -> Option<DefinitionDigest> {
        let mut fields = KeyHasher::new("add", 1);
        fields.text("name", self.name.as_bytes());
        self.merge.then(|| fields.finish_definition())
    }

    fn quick(&self, inputs: &[i64]) -> Result<Option<i64>, Broken> {
        Ok(self.quick.then(|| self.number + inputs.iter().sum::<i64>()))
    }

    fn preimage(&self, inputs: &[i64], effort: Effort) -> Result<Option<Preimage>, Broken> {
        if !self.keyed || (self.deferred && effort == Effort::Cheap) {
            return Ok(None);
        }
        if let (Effort::Full, Some(hook)) = (effort, &self.on_full) {
            hook()?;
        }
        let preimage = Preimage::new("add", 1)
            .text("name", &self.name)
            .text("number", self.number.to_string());
        Ok(Some(inputs.iter().fold(preimage, |preimage, input| {
            preimage.input("input", input.to_string())
        })))
    }

    fn weak(&self, _whole: &Preimage) -> Option<Preimage> {
        let part = Preimage::new("number", 1).text("number", self.number.to_string());
        self.parted.then_some(part)
    }

    fn fit(&self, inputs: &[i64], candidate: &i64) -> Result<Option<i64>, Broken> {
        let sum = self.number + inputs.iter().sum::<i64>();
        Ok(match self.exact {
            true => (*candidate == sum).then_some(sum),
            // Below zero nothing grows.
            false => (sum >= self.number).then_some(sum),
        })
    }

    fn cacheable(&self) -> bool {
        self.cacheable
    }

    fn run(&self, inputs: &[i64], context: &RunContext<'_>) -> Result<i64, Broken> {
        self.runs.fetch_add(1, Ordering::SeqCst);
        match &self.body {
            Some(body) => body(inputs, context),
            None => Ok(self.number + inputs.iter().sum::<i64>()),
        }
    }
}

/// Records, claims, and for each name the last pre-image.
#[derive(Default)]
pub(crate) struct Memory {
    pub(crate) records: Mutex<BTreeMap<CacheKey, i64>>,
    pub(crate) last: Mutex<BTreeMap<String, Preimage>>,
    pub(crate) claimed: Mutex<BTreeSet<CacheKey>>,
    pub(crate) candidates: Mutex<BTreeMap<CacheKey, Vec<i64>>>,
    /// How it was asked.
    pub(crate) lookups: Mutex<Vec<Effort>>,
    /// Nothing can be recorded.
    pub(crate) broken: bool,
    /// Nothing can be asked.
    pub(crate) unreachable: bool,
    /// An answer costs a journey.
    pub(crate) far: bool,
}

pub(crate) struct Held<'a>(&'a Memory, CacheKey);

impl Claim for Held<'_> {}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.0.claimed.lock().unwrap().remove(&self.1);
    }
}

impl CacheIndex<i64> for Memory {
    type Error = Broken;

    fn lookup(&self, key: &CacheKey, effort: Effort) -> Result<Lookup<i64>, Broken> {
        self.lookups.lock().unwrap().push(effort);
        if self.unreachable {
            return Err(Broken("nobody answers".to_owned()));
        }
        if self.far && effort == Effort::Cheap {
            return Ok(Lookup::Deferred);
        }
        let record = self.records.lock().unwrap().get(key).copied();
        Ok(record.map_or(Lookup::Miss, Lookup::Hit))
    }

    fn candidates(&self, weak: &CacheKey) -> Result<Vec<i64>, Broken> {
        let candidates = self.candidates.lock().unwrap();
        Ok(candidates.get(weak).cloned().unwrap_or_default())
    }

    fn try_claim(&self, key: &CacheKey) -> Result<Option<Box<dyn Claim + '_>>, Broken> {
        let taken = self.claimed.lock().unwrap().insert(*key);
        Ok(taken.then(|| Box::new(Held(self, *key)) as Box<dyn Claim>))
    }

    fn record(&self, key: &CacheKey, preimage: &Preimage, output: i64, _: Duration) -> Result<i64, Broken> {
        if self.broken {
            return Err(Broken("the disk is full".to_owned()));
        }
        let name = preimage.fields().find_map(|(name, value)| match value {
            rbuild_solver::Value::Text(text) if name == "name" => Some(text.clone()),
            _ => None,
        });
        self.last
            .lock()
            .unwrap()
            .insert(name.unwrap_or_default(), preimage.clone());
        self.records.lock().unwrap().insert(*key, output);
        let mut candidates = self.candidates.lock().unwrap();
        candidates.entry(*key).or_default().insert(0, output);
        Ok(output)
    }

    fn explain(&self, name: &str, preimage: &Preimage) -> Option<MissReason> {
        self.last
            .lock()
            .unwrap()
            .get(name)
            .map(|old| compare(old, preimage))
    }
}

/// One solve and what was seen of it.
pub(crate) struct Seen {
    pub(crate) result: Result<Solution<i64>, SolveError<Broken, Broken>>,
    pub(crate) prepared: usize,
    pub(crate) events: Vec<Event>,
}

impl Seen {
    pub(crate) fn outputs(&self) -> &[i64] {
        &self.result.as_ref().unwrap().outputs
    }

    pub(crate) fn error(&self) -> &SolveError<Broken, Broken> {
        self.result.as_ref().unwrap_err()
    }

    /// The events of a vertex, by their names.
    pub(crate) fn kinds(&self, vertex: VertexId) -> Vec<&'static str> {
        self.events
            .iter()
            .filter(|event| event.vertex == vertex)
            .map(|event| kind(&event.kind))
            .collect()
    }
}

pub(crate) fn kind(kind: &EventKind) -> &'static str {
    match kind {
        EventKind::Started => "started",
        EventKind::Resolved => "resolved",
        EventKind::Cached { .. } => "cached",
        EventKind::Waiting => "waiting",
        EventKind::Missed(_) => "missed",
        EventKind::Log { .. } => "log",
        EventKind::Progress { .. } => "progress",
        EventKind::Completed { .. } => "completed",
        EventKind::Failed { .. } => "failed",
        EventKind::Cancelled => "cancelled",
    }
}

pub(crate) fn run<C>(graph: &Graph<Add>, targets: &[VertexId], cache: &C) -> Seen
where
    C: CacheIndex<i64, Error = Broken>,
{
    run_with(graph, targets, cache, 4, &CancelToken::new(), |_| {})
}

pub(crate) fn run_with<C>(
    graph: &Graph<Add>,
    targets: &[VertexId],
    cache: &C,
    jobs: usize,
    cancel: &CancelToken,
    listen: impl Fn(&Event) + Sync,
) -> Seen
where
    C: CacheIndex<i64, Error = Broken>,
{
    let events = Mutex::new(Vec::new());
    let prepared = AtomicUsize::new(0);
    let result = solve(
        graph,
        targets,
        cache,
        SolveOptions {
            jobs: NonZeroUsize::new(jobs).unwrap(),
            prepare: Box::new(|| {
                prepared.fetch_add(1, Ordering::SeqCst);
                Ok(())
            }),
            cancel: cancel.clone(),
            events: &|event| {
                listen(&event);
                events.lock().unwrap().push(event);
            },
            started: Instant::now(),
        },
    );
    Seen {
        result,
        prepared: prepared.into_inner(),
        events: events.into_inner().unwrap(),
    }
}
