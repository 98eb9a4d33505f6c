//! A snapshot that a command writes to, as the root of a sandbox.

use rbuild_sandbox::Root;
use rbuild_store::snapshot::SnapshotRoot;

/// What a command has as its root: a snapshot in whatever form.
#[must_use]
pub fn root_of(snapshot: SnapshotRoot) -> Root {
    match snapshot {
        SnapshotRoot::Overlay { lowers, upper, work } => Root::Overlay {
            lowers,
            upper,
            work,
            volatile: true,
        },
        SnapshotRoot::Directory(path) => Root::Directory(path),
    }
}
