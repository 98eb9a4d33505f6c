//! The sandbox as a whole, as root and as an ordinary user.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    missing_docs,
    unreachable_pub
)]

mod chroot;
mod entering;
mod filter;
mod hostile;
mod lifecycle;
mod mounts;
#[path = "../../../tests/it/harness/skip/note.rs"]
mod note;
mod program;
mod shared;
mod support;
mod view;
