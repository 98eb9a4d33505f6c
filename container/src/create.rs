//! Making a container: its directory, with a writable layer and everything else that it will need.

use crate::command::argv;
use crate::error::StartError;
use crate::kept::files::{CONTROL, STDIN, make};
use crate::kept::{Kept, RECORD, Record, to_bytes};
use rbuild_store::snapshot::{Held, SnapshotStore};
use rbuild_store::{StoreError, write_private};

impl Kept {
    /// Makes a container, which is `record` but for its command line. Its image and the blobs of the store are pinned.
    ///
    /// # Errors
    /// There is no command, the name is another's, or the store cannot be written.
    pub fn create(
        snapshots: &SnapshotStore,
        mut record: Record,
        files: Option<&Held>,
    ) -> Result<Self, StartError> {
        record.argv = argv(&record.request, &record.config)?;
        let containers = snapshots.store().containers();
        let bytes = to_bytes(&containers.dir(&record.id), RECORD, &record)?;
        let dir = containers.create(&record.id, &record.name, |dir| {
            snapshots.begin_kept(dir.join("layer"), files.map(|held| &held.snapshot))?;
            let fifos = [Some(CONTROL), Some(STDIN).filter(|_| record.open_stdin)];
            for name in fifos.into_iter().flatten() {
                let path = dir.join(name);
                make(&path).map_err(|errno| StoreError::from_io("create", &path, errno.into()))?;
            }
            write_private(&dir.join(RECORD), &bytes).map_err(StartError::from)
        })?;
        Ok(Self::new(dir, record))
    }
}
