//! A snapshot that another store has made: its layer comes as a listing, and as a tar with the contents of its files.

use std::io::Read;

use rbuild_layer::listing::Listing;
use rbuild_layer::stage::{Stage, Tar};
use rbuild_layer::{ContentId, LayerError, Limits, decompress, unpack};
use rbuild_oci::DiffId;
use rbuild_rootdir::Root;

use super::seal::{CommitOptions, Committed, HashTar, StagingDir};
use super::{Held, Snapshot, SnapshotError, SnapshotStore};

/// A layer that was made elsewhere.
pub struct ForeignLayer<'r> {
    /// What is in it.
    pub listing: Listing,
    /// The tar, compressed or not. Nothing but the contents of files is taken out of it.
    pub reader: Box<dyn Read + Send + 'r>,
    /// What its uncompressed bytes hash to.
    pub diff_id: DiffId,
    /// When it was made, in seconds since 1970.
    pub created: i64,
    /// How errors call it.
    pub name: String,
}

impl SnapshotStore {
    /// The snapshot with this content on one with the content `parent`, held, if the store has one.
    pub fn with_content(
        &self,
        parent: Option<&ContentId>,
        content: &ContentId,
    ) -> Result<Option<Held>, SnapshotError> {
        let index = self.content_path(parent, content);
        let found = self.adopt(&index)?;
        Ok(found.map(|Committed { snapshot, lease, .. }| Held { snapshot, lease }))
    }

    /// Makes the snapshot of a layer on `parent`, which the caller holds. It has the listing that it came with, so it has
    /// the name that it has elsewhere; one with equal content that is here already is adopted.
    ///
    /// # Errors
    /// What came is not what it says of itself; then nothing stays of it. Or the store cannot be written.
    pub fn restore(
        &self,
        parent: Option<&Snapshot>,
        layer: ForeignLayer<'_>,
    ) -> Result<Committed, SnapshotError> {
        let ForeignLayer {
            listing,
            reader,
            diff_id: expected,
            created,
            name,
        } = layer;
        let below = parent.map(Snapshot::tree).transpose()?.unwrap_or_default();
        let staging = StagingDir::new(self)?;
        let mut stage =
            Stage::new(Root::open(staging.fs())?, Some(below)).with_stop(self.store.stop().clone());
        let (_, input) = decompress(reader, &name)?;
        let actual = unpack::restore(&mut stage, &listing, input, &name, Limits::default())?;
        if actual != expected {
            return Err(LayerError::WrongDiffId {
                layer: name,
                expected,
                actual,
            }
            .into());
        }
        let finished = stage.finish(Tar::NotNow)?;
        if finished.listing != listing {
            return Err(LayerError::OtherListing { layer: name }.into());
        }
        let options = CommitOptions {
            now: created,
            tar: HashTar::Later,
        };
        self.seal_layer(staging, parent, finished, &options)
    }
}
