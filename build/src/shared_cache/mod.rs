//! Caches that machines share: results of steps, each under its key, in a place that many machines reach.
//!
//! | module | what lives there |
//! |---|---|
//! | `record` | what a cache says of one key |
//! | `place` | what a cache must be able to do |
//! | `directory` | a cache in a directory |
//! | `site` | one cache of a build, and whether it still counts |
//! | `fetch` | from a record to snapshots; what comes is verified |
//! | `pack` | from snapshots to what is sent |
//! | `outbox` | sending, on a thread of its own, while later steps run |
//! | `index` | all of them as one index of the solver's chain |

mod directory;
mod fetch;
mod index;
mod outbox;
mod pack;
mod place;
mod record;
mod site;

pub(crate) use index::{Made, SharedCaches};
pub(crate) use site::Tell;
