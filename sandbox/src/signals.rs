//! Waiting for signals on a thread of one's own, without a handler: block them before any thread starts, then
//! [`SigSet::wait`]. Passed on from `nix`, which lives in this crate only.

pub use nix::sys::signal::{SigSet, Signal};
