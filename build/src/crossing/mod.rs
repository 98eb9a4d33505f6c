//! How values of other crates cross to a process that builds for this one.

pub(crate) mod diagnostics;
pub(crate) mod hidden;
