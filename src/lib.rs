//! The program `rbuild`: what the command line says to the library that builds, and what people see of it.
//!
//! | module | what lives there |
//! |---|---|
//! | [`cli`] | one subcommand per file |
//! | [`options`] | what the flags of a build mean |
//! | [`call`] | `--check`, `--call`: what a Dockerfile says |
//! | [`progress`], [`describe`] | what a build tells, for people and for programs |
//! | [`ui`], [`report`], [`error`] | progress; drawing; kinds, hints, exit codes |

// The law of paths, whose list is in `clippy.toml`. Tests make and break files as they like.
#![cfg_attr(not(test), deny(clippy::disallowed_methods))]

pub mod call;
pub mod cli;
pub mod describe;
pub mod environment;
pub mod interrupt;
pub mod options;
pub mod progress;
pub mod report;
pub mod standard_error;
pub mod store_root;
pub mod ui;

pub use report::failure as error;
