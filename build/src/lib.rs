//! Builds Dockerfiles into OCI images: joins parser, solver, store, sandbox and registry.
//!
//! | module | what lives there |
//! |---|---|
//! | [`request`] | what to build, as data |
//! | [`context`] | the build context as a tree |
//! | [`sources`], [`pull`], [`import`] | base images: where names lead, fetching, unpacking |
//! | [`remote`] | contexts and files of ADD that are elsewhere |
//! | [`lower`] | Dockerfile to graph |
//! | [`cdi`] | devices of the host, for `RUN --device` |
//! | [`ops`] | what the vertices do |
//! | [`cache`] | the solver's cache on the store's records |
//! | [`export`], [`push`] | images, archives, directories, registries |

// The law of paths, whose list is in `clippy.toml`. Tests make and break files as they like.
#![cfg_attr(not(test), deny(clippy::disallowed_methods))]

pub mod cache;
pub mod cache_mount;
pub mod cdi;
pub mod clock;
pub mod context;
pub mod engine;
pub mod error;
pub mod export;
pub mod import;
pub mod lower;
pub mod ops;
pub mod pull;
pub mod push;
pub mod remote;
pub mod request;
pub mod sources;
