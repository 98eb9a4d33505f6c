//! The forms of a snapshot that is written: what a command has as its root, and how its changes are found.

use std::path::PathBuf;

use rbuild_layer::plain::{Record, Times, copy_for_command, take_changes};
use rbuild_layer::tree::TreeView;
use rbuild_rootdir::{Root, Timestamp};

use super::kept::Kept;
use super::seal::StagingDir;
use super::{Snapshot, SnapshotError, SnapshotStore};
use crate::memo::ChangeTimes;

/// In which form a command gets the files of a snapshot. What is committed is the same in each.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Form {
    /// The layers that there are, and a directory for the changes, to be mounted as an overlay: nothing is copied.
    #[default]
    Overlay,
    /// A copy of all files, for where nothing can be mounted.
    Directory,
}

/// The files of a snapshot that is written, in its form. Whoever runs a command takes it as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SnapshotRoot {
    /// To be mounted as an overlay.
    Overlay {
        /// Read-only directories, topmost first; none for a snapshot on nothing.
        lowers: Vec<PathBuf>,
        /// Receives changes.
        upper: PathBuf,
        /// Overlay's own.
        work: PathBuf,
    },
    /// To be used as it is.
    Directory(PathBuf),
}

/// What is kept of a form until the command has ended.
#[derive(Debug)]
pub(super) enum Written {
    Overlay {
        /// The layer of empty mount points, the lowest.
        stubs: Option<PathBuf>,
    },
    Directory {
        path: PathBuf,
        before: Record,
    },
}

impl Written {
    /// Of a new snapshot upon a parent, which has this tree.
    pub(super) fn new(
        form: Form,
        store: &SnapshotStore,
        staging: &StagingDir,
        parent: Option<&Snapshot>,
        tree: &TreeView,
    ) -> Result<Written, SnapshotError> {
        if form == Form::Overlay {
            return Ok(Written::Overlay { stubs: None });
        }
        let path = staging.work().join("root");
        let kept = parent.map(|parent| store.take_kept(parent, &path)).transpose()?;
        let before = match kept.flatten() {
            Some(record) => record,
            None => {
                super::seal::make_dir(&path)?;
                copy_for_command(tree, &Root::open(&path)?, store.store().stop())?
            }
        };
        Ok(Written::Directory { path, before })
    }

    /// Puts what the command changed into `upper`, as an overlay has it there by itself. What is left of a directory is for
    /// the next command.
    pub(super) fn take_changes(
        self,
        upper: &Root,
        begun: Timestamp,
        store: &SnapshotStore,
    ) -> Result<Option<Kept>, SnapshotError> {
        let Written::Directory { path, before } = self else {
            return Ok(None);
        };
        let root = Root::open(&path)?;
        let times = match ChangeTimes::of(root.dir()).tell_of_mappings() {
            true => Times::TellAll,
            false => Times::DoNotTell,
        };
        let taken = take_changes(&root, upper, &before, begun, times, store.store().stop())?;
        Kept::new(store, &path, before, taken).map(Some)
    }
}
