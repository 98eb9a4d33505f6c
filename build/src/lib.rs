//! Builds Dockerfiles into OCI images: joins parser, solver, store, sandbox and registry.
//!
//! ```no_run
//! use rbuild_build::observer::{SharedObserver, Unobserved};
//! use rbuild_build::request::{ContextSource, Request};
//! use std::sync::Arc;
//!
//! # fn main() -> Result<(), rbuild_build::BuildError> {
//! let request = Request::new("/var/lib/rbuild".into(), ContextSource::Directory(".".into()));
//! let observer: SharedObserver = Arc::new(Unobserved);
//! let result = rbuild_build::build(&request, &observer)?;
//! println!("{} of {} bytes", result.image.id, result.size);
//! # Ok(())
//! # }
//! ```
//!
//! [`build`] is for a process that has one thread: on the machine's own host ([`host::ThisHost`]) it enters a user namespace
//! before the first step that must run. Another [`host::Host`] decides for itself. A program with threads has a [`Worker`]:
//! the same request, observer and result, built in a process of its own. Each build is ended by the [`Stop`] of its request;
//! nothing is read from the environment but what [`request::Environment`] holds, and nothing is printed.
//! `examples/embed.rs` is a whole program.
//!
//! | module | what lives there |
//! |---|---|
//! | [`request`] | what to build, as data |
//! | [`context`] | the build context as a tree |
//! | [`sources`], [`registries`], [`import`] | base images: where names lead, fetching, unpacking |
//! | [`remote`] | contexts and files of ADD that are elsewhere |
//! | [`lower`] | Dockerfile to graph |
//! | [`cdi`] | devices of the host, for `RUN --device` |
//! | [`ops`] | what the vertices do |
//! | [`cache`] | the solver's cache on the store's records |
//! | `shared_cache` | results of steps that machines share |
//! | [`export`], [`push`] | images, archives, directories, registries |
//! | [`worker`] | a process that builds for callers with threads |

// The law of paths, whose list is in `clippy.toml`. Tests make and break files as they like.
#![cfg_attr(not(test), deny(clippy::disallowed_methods))]

pub mod address;
mod arguments;
pub mod bases;
pub mod build_error;
pub mod cache;
pub mod cdi;
pub mod clock;
pub mod context;
pub mod contexts;
mod crossing;
pub mod dockerfile;
mod driver;
pub mod engine;
mod entering;
pub mod error;
pub mod export;
pub mod finding;
mod finish;
mod frontend;
pub mod host;
mod ignore_file;
pub mod import;
mod inlet;
pub mod inputs;
pub mod lower;
mod material;
pub mod observer;
mod open;
pub mod ops;
pub mod outlet;
mod outputs;
mod plan;
pub mod push;
mod record;
pub mod registries;
pub mod remote;
pub mod request;
pub mod result;
mod session;
mod shared_cache;
mod side_by_side;
pub mod signal;
pub mod sources;
mod step_check;
mod stop;
pub mod worker;

pub use build_error::BuildError;
pub use driver::{build, build_on};
pub use ignore_file::IGNORE_FILE;
pub use open::{open_store, open_store_for};
pub use request::Request;
pub use result::BuildResult;
pub use stop::Stop;
pub use worker::Worker;

/// What the page about embedding says compiles.
#[cfg(doctest)]
#[doc = include_str!("../../docs/embedding.md")]
mod embedding {}
