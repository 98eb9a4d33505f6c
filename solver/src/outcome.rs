//! What became of each vertex, and of the whole: [`Outcome`], [`Solution`], [`SolveError`].

use crate::cache::CacheIndex;
use crate::key::CacheKey;
use crate::miss::MissReason;
use crate::op::Op;
use crate::vertex_id::VertexId;
use std::collections::BTreeMap;
use std::time::Duration;

/// What became of a vertex that a target needs.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Outcome {
    /// Needed no work.
    Resolved,
    /// Found in the cache.
    Cached {
        /// Under this key.
        key: CacheKey,
    },
    /// Ran.
    Ran {
        /// Recorded under this key; `None` for work that has none.
        key: Option<CacheKey>,
        /// How long.
        cost: Duration,
        /// Why it was not cached; `None` for work that has no key.
        reason: Option<MissReason>,
    },
    /// Failed.
    Failed {
        /// After so long.
        cost: Duration,
    },
    /// Stopped, or never begun.
    Cancelled,
}

impl Outcome {
    /// The key under which its output is recorded.
    pub fn key(&self) -> Option<CacheKey> {
        match self {
            Outcome::Cached { key } => Some(*key),
            Outcome::Ran { key, .. } => *key,
            Outcome::Resolved | Outcome::Failed { .. } | Outcome::Cancelled => None,
        }
    }
}

/// All targets are there.
#[derive(Debug, Clone)]
pub struct Solution<T> {
    /// The targets' outputs, in the order in which they were asked for.
    pub outputs: Vec<T>,
    /// Every output, inputs of targets included.
    pub all: BTreeMap<VertexId, T>,
    /// What became of every vertex that was needed.
    pub outcomes: BTreeMap<VertexId, Outcome>,
}

/// Some target is not there.
#[derive(Debug, thiserror::Error)]
#[error("{failure}")]
pub struct SolveError<E: std::error::Error + 'static, C: std::error::Error + 'static> {
    /// What happened first.
    #[source]
    pub failure: SolveFailure<E, C>,
    /// What became of every vertex that was needed.
    pub outcomes: BTreeMap<VertexId, Outcome>,
}

/// What stopped a solve.
#[derive(Debug, thiserror::Error)]
pub enum SolveFailure<E: std::error::Error + 'static, C: std::error::Error + 'static> {
    /// A vertex failed.
    #[error("{name}: {cause}")]
    Vertex {
        /// Which.
        vertex: VertexId,
        /// Its name.
        name: String,
        /// Why.
        #[source]
        cause: Cause<E, C>,
    },
    /// The cold phase could not be entered.
    #[error(transparent)]
    Prepare(E),
    /// It was cancelled from outside.
    #[error("interrupted")]
    Interrupted,
}

/// Why a vertex failed.
#[derive(Debug, thiserror::Error)]
pub enum Cause<E: std::error::Error + 'static, C: std::error::Error + 'static> {
    /// The op says so.
    #[error(transparent)]
    Op(E),
    /// The cache could not be read or written.
    #[error(transparent)]
    Cache(C),
    /// The op panicked: our bug.
    #[error("internal error: {0}")]
    Panicked(String),
    /// No thread could be started for it, and none was running.
    #[error("could not start a thread: {0}")]
    Thread(#[source] std::io::Error),
}

/// The error of solving ops `O` with cache `C`.
pub(crate) type ErrorOf<O, C> = SolveError<<O as Op>::Error, <C as CacheIndex<<O as Op>::Output>>::Error>;
/// The cause of a failure of ops `O` with cache `C`.
pub(crate) type CauseOf<O, C> = Cause<<O as Op>::Error, <C as CacheIndex<<O as Op>::Output>>::Error>;
