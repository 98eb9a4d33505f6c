//! Opens the store for a build.

use crate::error::{Failure, Kind};
use rbuild_store::{Need, Store};
use std::path::Path;

/// Opens the store for building.
///
/// # Errors
/// It cannot hold snapshots, or cannot be opened.
pub fn open_store(root: &Path) -> Result<Store, Failure> {
    open_store_for(root, Need::Overlay)
}

/// Opens the store for something.
///
/// # Errors
/// It cannot hold what is needed, or cannot be opened.
#[expect(clippy::disallowed_methods, reason = "a file of the kernel")]
pub fn open_store_for(root: &Path, need: Need) -> Result<Store, Failure> {
    let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    Store::open(root, &boot, need).map_err(|error| {
        Failure::from_error(Kind::Host, &error)
            .context(format!("opening the store `{}`", root.display()))
            .hint("RBUILD_ROOT or --root names another directory")
    })
}
