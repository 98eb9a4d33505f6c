//! Caches that machines share: results of steps, each under its key, in a place that many machines reach.
//!
//! | module | what lives there |
//! |---|---|
//! | `record` | what a cache says of one key |
//! | `place` | what a cache must be able to do |
//! | `directory`, `registry`, `http` | caches in a directory, in a registry, behind a URL |
//! | `spool`, `action_result` | files for what comes over the network; a record as build tools' servers want it |
//! | `notes` | what a far cache is known to have |
//! | `site` | one cache of a build, and whether it still counts |
//! | `fetch` | from a record to snapshots; what comes is verified |
//! | `pack` | from snapshots to what is sent |
//! | `outbox` | sending, on a thread of its own, while later steps run |
//! | `index` | all of them as one index of the solver's chain |

mod action_result;
mod directory;
mod fetch;
mod http;
mod index;
mod notes;
mod outbox;
mod pack;
mod place;
mod record;
mod registry;
mod site;
mod spool;

pub(crate) use index::{Made, SharedCaches};
pub(crate) use site::{Tell, Way};
