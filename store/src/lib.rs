//! Blobs, layers, snapshots, images and cache records on disk.

pub mod blob;
pub mod buildlog;
pub mod cache_mount;

mod error;
mod file_lock;
mod filesystem;
pub mod gc;
pub mod image;
mod key;
mod lease;
pub mod lock;
pub mod memo;
mod new_file;
pub mod records;
mod remove;
mod small_file;
pub mod snapshot;
mod store;
#[cfg(test)]
mod testing;
mod tmp;

pub use error::{StoreError, Unsuitable};
pub use filesystem::Need;
pub use key::Key;
pub use new_file::NewFile;
pub use store::{LAYOUT_VERSION, Store};
pub use tmp::{Swept, TmpDir};
