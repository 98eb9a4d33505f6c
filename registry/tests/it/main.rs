//! Tests against registries: a scripted one that misbehaves on demand, and the real one of Debian.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod auth;
mod debian;
mod fake;
mod fixture;
mod pull;
mod push;
mod tls;
