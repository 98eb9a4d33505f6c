//! ADD of URLs and git repositories, and contexts from there, against servers on loopback.

mod contexts;
mod files;
mod hostile;
mod repositories;
pub(crate) mod server;
