//! A snapshot that a command writes to, as the root of a sandbox.

use rbuild_sandbox::Root;
use rbuild_store::snapshot::SnapshotRoot;
use std::path::PathBuf;

/// What a command has as its root: a snapshot in whatever form, upon the mount points in `lower` if there are some.
#[must_use]
pub fn root_of(snapshot: SnapshotRoot, lower: Option<PathBuf>) -> Root {
    match snapshot {
        SnapshotRoot::Overlay {
            mut lowers,
            upper,
            work,
        } => {
            lowers.extend(lower);
            Root::Overlay {
                lowers,
                upper,
                work,
                volatile: true,
            }
        }
    }
}
