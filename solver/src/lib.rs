//! Acyclic graph of work, its cache keys and its schedule.
//!
//! What a vertex *makes* is a type parameter: the tests of this crate add integers. Nothing here knows Dockerfiles,
//! containers, files or terminals; the program joins those through three small traits: [`Op`] (a piece of work),
//! [`CacheIndex`] (where results are found again) and [`Claim`] (one process at a time does one piece of work).
//!
//! ```
//! use rbuild_solver::{
//!     CacheIndex, CacheKey, CancelToken, Claim, Effort, Graph, Lookup, MissReason, Op, Preimage, RunContext, SolveOptions,
//!     solve,
//! };
//! use std::convert::Infallible;
//! use std::num::NonZeroUsize;
//! use std::time::{Duration, Instant};
//!
//! /// Adds its inputs and a number of its own.
//! struct Add(i64);
//!
//! impl Op for Add {
//!     type Output = i64;
//!     type Error = Infallible;
//!
//!     fn name(&self) -> &str {
//!         "add"
//!     }
//!
//!     fn preimage(&self, inputs: &[i64], _: Effort) -> Result<Option<Preimage>, Infallible> {
//!         let own = Preimage::new("add", 1).text("number", self.0.to_string());
//!         Ok(Some(inputs.iter().fold(own, |all, input| all.input("input", input.to_string()))))
//!     }
//!
//!     fn run(&self, inputs: &[i64], _: &RunContext<'_>) -> Result<i64, Infallible> {
//!         Ok(self.0 + inputs.iter().sum::<i64>())
//!     }
//! }
//!
//! /// An index that keeps nothing.
//! struct Forgetful;
//! struct Free;
//! impl Claim for Free {}
//!
//! impl CacheIndex<i64> for Forgetful {
//!     type Error = Infallible;
//!
//!     fn lookup(&self, _: &CacheKey, _: Effort) -> Result<Lookup<i64>, Infallible> {
//!         Ok(Lookup::Miss)
//!     }
//!
//!     fn try_claim(&self, _: &CacheKey) -> Result<Option<Box<dyn Claim + '_>>, Infallible> {
//!         Ok(Some(Box::new(Free)))
//!     }
//!
//!     fn record(&self, _: &CacheKey, _: &Preimage, output: i64, _: Duration) -> Result<i64, Infallible> {
//!         Ok(output)
//!     }
//!
//!     fn explain(&self, _: &str, _: &Preimage) -> Option<MissReason> {
//!         None
//!     }
//! }
//!
//! let mut graph = Graph::new();
//! let one = graph.add(Add(1), &[]);
//! let six = graph.add(Add(5), &[one]);
//! let options = SolveOptions {
//!     jobs: NonZeroUsize::MIN,
//!     prepare: Box::new(|| Ok(())),
//!     cancel: CancelToken::new(),
//!     events: &|_| {},
//!     started: Instant::now(),
//! };
//! let solution = solve(&graph, &[six], &Forgetful, options).unwrap();
//! assert_eq!(solution.outputs, [6]);
//! ```
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
