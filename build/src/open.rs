//! Opens the store for a build.

use crate::error::Error;
use rbuild_store::{Need, Store};
use std::path::Path;

/// Opens the store for building.
///
/// # Errors
/// It cannot hold snapshots, or cannot be opened.
pub fn open_store(root: &Path) -> Result<Store, Error> {
    open_store_for(root, Need::Writing)
}

/// Opens the store for something.
///
/// # Errors
/// It cannot hold what is needed, or cannot be opened.
#[expect(clippy::disallowed_methods, reason = "a file of the kernel")]
pub fn open_store_for(root: &Path, need: Need) -> Result<Store, Error> {
    let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    Store::open(root, &boot, need).map_err(|source| Error::OpenStore {
        root: root.to_owned(),
        source: Box::new(source),
    })
}
