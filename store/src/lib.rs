//! Blobs, layers, snapshots, images and cache records on disk.

pub mod digest;
pub mod manifest;
pub mod tree;
