//! Acyclic graph of work, its cache keys and its schedule.
//!
//! What a vertex *makes* is a type parameter: the tests of this crate add integers. Nothing here knows Dockerfiles,
//! containers, files or terminals; the program joins those through three small traits: [`Op`] (a piece of work),
//! [`CacheIndex`] (where results are found again) and [`Claim`] (one process at a time does one piece of work).
//!
//! | file | holds |
//! |---|---|
//! | [`graph`] | [`Graph`]: vertices, ordered inputs, merging of equal vertices, pruning |
//! | [`key`], [`preimage`] | [`CacheKey`], [`KeyHasher`]; [`Preimage`]: the named fields a key is made from |
//! | [`op`] | [`Op`], [`Effort`], [`RunContext`] |
//! | [`cache`], [`chain`] | [`CacheIndex`], [`Lookup`], [`Claim`]; [`Chain`]: several indexes |
//! | [`ready`] | what may start next; pure |
//! | [`solve`](mod@solve) | the two phases and the deciding loop |
//! | [`cancel`] | [`CancelToken`] |
//! | [`event`], [`outcome`], [`miss`] | what is told while it happens, what became of each vertex, and why a vertex missed |

pub mod cache;
pub mod cancel;
pub mod chain;
pub mod event;
pub mod graph;
mod jobs;
pub mod key;
pub mod miss;
pub mod op;
pub mod outcome;
pub mod preimage;
pub mod ready;
pub mod solve;
mod vertex;
mod vertex_id;

pub use cache::{CacheIndex, Claim, Lookup};
pub use cancel::{CancelToken, Subscription};
pub use chain::Chain;
pub use event::{Event, EventKind, Stream};
pub use graph::{CycleError, Graph};
pub use key::{CacheKey, DefinitionDigest, KeyHasher};
pub use miss::{FileChange, MissReason, compare};
pub use op::{Effort, Op, RunContext};
pub use outcome::{Cause, Outcome, Solution, SolveError, SolveFailure};
pub use preimage::{Fingerprints, Preimage, Value};
pub use solve::{SolveOptions, solve};
pub use vertex_id::VertexId;
