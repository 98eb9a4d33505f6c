//! Acyclic graph of work, its cache keys and its schedule.
