//! Runs one command in isolation.
