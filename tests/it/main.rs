//! End to end: the program as its users meet it, one module per feature.
//!
//! Hermetic and offline but for the tests named `heavy_…`, which fetch Debian packages from the archive that the host's
//! own apt uses. Each test has a store, a home and a scratch directory of its own; see [`harness`].
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod harness;

mod add;
mod args;
mod bases;
mod cache;
mod caller;
mod checks;
mod concurrency;
mod config;
mod container;
mod containers;
mod copy;
mod crash;
mod deep;
mod devices;
mod edits;
mod examples;
mod faults;
mod formats;
mod growth;
mod harness_itself;
mod hosts;
mod ignore;
mod interop;
mod limits;
mod mounts;
mod network;
mod outputs;
mod platforms;
mod progress;
mod registry_e2e;
mod remote;
mod reproducible;
mod run_step;
mod sandbox;
mod shared_cache;
mod signals;
mod smoke;
mod squash;
mod stages;
mod structure;
mod tiers;
mod times;
mod verbs;
mod why_records;
