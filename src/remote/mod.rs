//! Sources that are neither local nor images: URLs and git repositories, for `ADD` and as build contexts.

pub mod address;
pub mod git;
pub mod http;

pub use address::{GitAddress, Remote};
