//! Blobs, snapshots, images, tags and cache records in one directory, shared by processes without a daemon.
//!
//! Files are complete before they are renamed into place, so nothing that is killed leaves half of anything. What is
//! in use is held by kernel locks, beside which a collection may run at any time.
//!
//! ```
//! use rbuild_store::{Need, Store};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let dir = tempfile::tempdir()?;
//! let store = Store::open(&dir.path().join("store"), "the id of this boot", Need::Reading)?;
//! let _pin = store.locks().pin_blobs()?;
//! let blob = store.blobs().put_bytes(b"a layer, a config or a manifest")?;
//! store.blobs().verify(&blob.digest)?;
//! # Ok(()) }
//! ```

pub mod blob;
pub mod buildlog;
pub mod cache_mount;
pub mod containers;
mod disk_usage;
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
pub use small_file::write_private;
pub use store::{LAYOUT_VERSION, Store};
pub use tmp::{Swept, TmpDir};
