//! Tests against registries: a scripted one, and the real one of Debian.
fn main() {}
