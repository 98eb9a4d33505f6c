//! Sources that are neither local nor images: URLs and git repositories, for `ADD` and as build contexts.

pub mod access;
pub mod address;
pub mod git;
pub mod http;
mod patient;

pub use access::Access;
pub use address::{GitAddress, HttpAddress, Remote};
