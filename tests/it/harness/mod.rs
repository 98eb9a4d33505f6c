//! What the end-to-end tests share: an environment per test, the program as a child process, base images made on this
//! machine, archives read entry by entry, a real registry, a terminal, and the other tools of the field.
//!
//! Nothing here asserts about rbuild's features; that is the tests' own work.
//!
//! Environment, set by `scripts/test` and optional by hand:
//!
//! | variable | meaning |
//! |---|---|
//! | `RBUILD_BIN` | the program under test instead of the one cargo built |
//! | `RBUILD_TEST_BASES` | where base images are kept between runs |
//! | `RBUILD_TEST_STRICT` | a missing tool or package fails the test instead of skipping it |
//! | `RBUILD_TEST_SKIPS` | file to which each skip appends a line |
//! | `RBUILD_TEST_KEEP` | keep the scratch directories, and print where they are |
#![allow(dead_code, unused_imports, reason = "each test module uses a part of it")]

pub(crate) mod archive;
pub(crate) mod base;
pub(crate) mod built;
pub(crate) mod container;
pub(crate) mod env;
pub(crate) mod invocation;
pub(crate) mod outcome;
pub(crate) mod peer;
pub(crate) mod processes;
pub(crate) mod registry;
pub(crate) mod scratch;
pub(crate) mod skip;
pub(crate) mod steps;
pub(crate) mod terminal;

pub(crate) use archive::{Entry, Kind, OciImage};
pub(crate) use base::Base;
pub(crate) use env::TestEnv;
pub(crate) use invocation::Invocation;
pub(crate) use outcome::Outcome;
pub(crate) use registry::Registry;
pub(crate) use terminal::Terminal;
