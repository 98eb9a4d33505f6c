//! The program `rbuild`: joins parser, solver, store, sandbox and registry.
//!
//! | module | what lives there |
//! |---|---|
//! | [`cli`] | one subcommand per file |
//! | [`options`] | what the flags of a build mean |
//! | [`pipeline`] | read, parse, lower, solve, export |
//! | [`context`] | the build context as a tree |
//! | [`sources`], [`pull`], [`import`] | base images: where names lead, fetching, unpacking |
//! | [`lower`] | Dockerfile to graph |
//! | [`cdi`] | devices of the host, for `RUN --device` |
//! | [`ops`] | what the vertices do |
//! | [`cache`] | the solver's cache on the store's records |
//! | [`export`] | images, archives, directories |
//! | [`container`] | `rbuild run` |
//! | [`ui`], [`report`], [`error`] | progress; drawing; kinds, hints, exit codes |

pub mod cache;
pub mod cache_mount;
pub mod call;
pub mod cdi;
pub mod cli;
pub mod clock;
pub mod container;
pub mod context;
pub mod engine;
pub mod error;
pub mod export;
pub mod import;
pub mod interrupt;
pub mod lower;
pub mod ops;
pub mod options;
pub mod pipeline;
pub mod pull;
pub mod push;
pub mod remote;
pub mod report;
pub mod sources;
pub mod store_root;
pub mod ui;
