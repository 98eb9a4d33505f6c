//! The solver on vertices that add integers: no container, no file.

// The whole crate is a test; clippy sees that only of functions marked as one.
#![allow(clippy::unwrap_used, clippy::panic)]

mod caching;
mod chain;
mod integers;
mod schedule;
mod stopping;
mod transplanting;
