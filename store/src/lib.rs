//! Blobs, layers, snapshots, images and cache records on disk.

pub mod blob;
pub mod buildlog;
pub mod cache_mount;

mod error;
mod filesystem;
pub mod gc;
pub mod hash;
pub mod image;
pub mod layer;
pub mod lock;
pub mod manifest;
pub mod memo;
mod new_file;
pub mod records;
mod remove;
pub mod snapshot;
mod stop;
mod store;
#[cfg(test)]
mod testing;
mod tmp;
pub mod tree;

pub use error::{StoreError, Unsuitable};
pub use filesystem::Need;
pub use new_file::NewFile;
pub use stop::{is_stopped, stop};
pub use store::{LAYOUT_VERSION, Store};
pub use tmp::{Swept, TmpDir};
