//! ADD of URLs and git repositories, and contexts from there (FEATURES 1.5, 1.6), against servers on loopback.

mod contexts;
mod files;
mod hostile;
mod repositories;
pub(crate) mod server;
