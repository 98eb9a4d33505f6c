//! [`Event`]: what is told while a graph is solved. Progress displays and build records are made from these alone.

use crate::key::CacheKey;
use crate::miss::MissReason;
use crate::vertex_id::VertexId;
use std::time::Duration;

/// Something happened to a vertex. Events of one vertex come in order; those of different vertices from any thread.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Event {
    /// To which vertex.
    pub vertex: VertexId,
    /// When, counted from [`SolveOptions::started`](crate::SolveOptions::started).
    pub at: Duration,
    /// What.
    pub kind: EventKind,
}

/// What happened. The order for one vertex is: `Resolved` or `Cached` alone in the warm phase; else `Started`, then
/// perhaps `Waiting`, `Missed`, any `Log` and `Progress`, and one of `Resolved`, `Cached`, `Completed`, `Failed`,
/// `Cancelled`. A `Failed` may come without `Started`. A vertex that was never begun gets no event at all.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum EventKind {
    /// A worker began with it (its key may still be unknown).
    Started,
    /// Its output needed no work ([`Op::quick`](crate::Op::quick)).
    Resolved,
    /// Its output was found in the cache.
    Cached {
        /// Under this key.
        key: CacheKey,
    },
    /// Somebody else does the same work at this moment; its result will be used.
    Waiting,
    /// It must run, for this reason.
    Missed(MissReason),
    /// It printed this. Pieces, not lines.
    Log {
        /// Where.
        stream: Stream,
        /// What.
        bytes: Vec<u8>,
    },
    /// So far it is.
    Progress {
        /// Bytes done.
        done: u64,
        /// Of so many, where known.
        total: Option<u64>,
        /// What is moved.
        label: String,
    },
    /// It ran.
    Completed {
        /// How long [`Op::run`](crate::Op::run) took.
        cost: Duration,
    },
    /// It failed.
    Failed {
        /// The error in words.
        message: String,
    },
    /// It had begun and was stopped, because another vertex failed or the user asked.
    Cancelled,
}

impl EventKind {
    /// Whether nothing follows for this vertex.
    pub fn is_last(&self) -> bool {
        match self {
            Self::Resolved
            | Self::Cached { .. }
            | Self::Completed { .. }
            | Self::Failed { .. }
            | Self::Cancelled => true,
            Self::Started | Self::Waiting | Self::Missed(_) | Self::Log { .. } | Self::Progress { .. } => {
                false
            }
        }
    }
}

/// Where output was printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Stream {
    /// Standard output.
    Out,
    /// Standard error.
    Err,
}
