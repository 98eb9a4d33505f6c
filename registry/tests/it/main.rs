//! Tests against registries: a scripted one that misbehaves on demand, and the real one of Debian.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod auth;
mod debian;
mod fake;
mod fetch;
mod fixture;
mod proxy;
mod pull;
mod push;
mod retry;
mod tls;
