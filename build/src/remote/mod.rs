//! Sources that are neither local nor images: URLs and git repositories, for `ADD` and as build contexts.

pub mod access;
pub mod git;
pub mod http;
mod patient;

pub use crate::address::{GitAddress, HttpAddress, Remote};
pub use access::Access;
