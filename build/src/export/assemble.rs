//! From a solved target to an image: config, history and layers.

use crate::clock;
use crate::error::{Error, ExportError};
use crate::lower::{COMMENT, StageState};
use crate::ops::StepOutput;
use crate::request::{Edits, Squash};
use dockerfile_parser::Platform;
use rbuild_oci::{History, ImageConfig};
use rbuild_solver::VertexId;
use rbuild_store::image::{ImageLayer, ImageRecord, LayerSource};
use rbuild_store::snapshot::{CommitOptions, Snapshot, SnapshotStore};
use std::collections::BTreeMap;

/// What shapes an image besides its stage.
pub struct Assembly<'a> {
    /// The snapshots of the store.
    pub snapshots: &'a SnapshotStore,
    /// Outputs of all vertices.
    pub outputs: &'a BTreeMap<VertexId, StepOutput>,
    /// The base image's record, if there is one.
    pub base: Option<&'a ImageRecord>,
    /// What the command line changes.
    pub edits: &'a Edits,
    /// What the image is for.
    pub platform: &'a Platform,
    /// `SOURCE_DATE_EPOCH`.
    pub epoch: Option<i64>,
    /// `--squash`, `--squash-all`.
    pub squash: Squash,
    /// Seconds since 1970.
    pub now: u64,
    /// How the layer of an image that has no other is committed.
    pub commit: CommitOptions,
}

/// An image that was put together.
pub struct Assembled {
    /// Its record, for the store.
    pub image: ImageRecord,
    /// What holds the layer that was made for it, until the record is written.
    pub held: Option<StepOutput>,
}

impl Assembly<'_> {
    /// The image of a stage. Makes the tar identities of layers that have none yet, and an empty layer for an image
    /// without any: the image-spec's schema wants one.
    ///
    /// # Errors
    /// A layer cannot be read, or the store is not what it was.
    pub fn image(&self, stage: &StageState) -> Result<Assembled, Error> {
        let mut config = stage.config.clone();
        let mut layers: Vec<ImageLayer> = self.base.map(|base| base.layers.clone()).unwrap_or_default();
        let built = self.built_layers(stage)?;
        let of_base = config.history.len();
        self.date(&mut config, stage);
        match (self.squash, built.last()) {
            (Squash::New, Some(top)) if built.len() > 1 => {
                layers.push(self.layer(top, built.len())?);
                one_layer(&mut config.history[of_base..]);
            }
            (Squash::All, _) if layers.len() + built.len() > 1 => {
                let top = self.snapshot(stage).ok_or(ExportError::NoFiles)?;
                layers = vec![self.layer(&top, top.chain().count())?];
                one_layer(&mut config.history);
            }
            _ => {
                for snapshot in &built {
                    layers.push(self.layer(snapshot, 1)?);
                }
            }
        }
        let held = match layers.is_empty() {
            true => Some(self.nothing()?),
            false => None,
        };
        let top = held.as_ref().and_then(StepOutput::snapshot);
        if let Some(nothing) = top {
            layers.push(self.layer(nothing, 1)?);
            one_layer(&mut config.history);
        }
        self.edits.apply(&mut config);
        config.rootfs.diff_ids = layers.iter().map(|layer| layer.diff_id).collect();
        let bytes = config.to_bytes()?;
        let snapshot = top.cloned().or_else(|| self.snapshot(stage));
        let snapshot = snapshot.map(|snapshot| *snapshot.id());
        let mut image = ImageRecord::new(&bytes, None, snapshot, layers, self.now)?;
        image.annotations = self.edits.annotations_for(self.platform);
        Ok(Assembled { image, held })
    }

    /// A snapshot with no files.
    fn nothing(&self) -> Result<StepOutput, Error> {
        let layer = self.snapshots.begin_layer(None)?;
        let committed = layer.commit(&self.commit)?;
        Ok(StepOutput::committed(committed))
    }

    /// The files of a stage; `None` when there are none.
    fn snapshot(&self, stage: &StageState) -> Option<Snapshot> {
        self.outputs
            .get(&stage.vertex)
            .and_then(StepOutput::snapshot)
            .cloned()
    }

    /// The layer that a snapshot and those below it make, `depth` in all.
    fn layer(&self, snapshot: &Snapshot, depth: usize) -> Result<ImageLayer, Error> {
        let packed = match depth {
            1 => self.snapshots.diff_id(snapshot, self.epoch),
            _ => self.snapshots.squashed_diff_id(snapshot, depth, self.epoch),
        };
        let packed = packed?;
        Ok(ImageLayer {
            diff_id: packed.diff_id,
            source: LayerSource::Snapshot {
                id: *snapshot.id(),
                size: packed.size,
                epoch: self.epoch,
                depth,
            },
        })
    }

    /// The snapshots of the layers that the base does not have, lowest first.
    fn built_layers(&self, stage: &StageState) -> Result<Vec<Snapshot>, Error> {
        let count = stage.history.iter().filter(|item| item.layer.is_some()).count();
        let mut layers = Vec::with_capacity(count);
        // From the top down: a snapshot that was adopted or came from the cache has its own parents, equal in content
        // to those that were made in this build, and the image must be made of one chain.
        let mut at = self.snapshot(stage);
        for _ in 0..count {
            let Some(snapshot) = at else {
                return Err(ExportError::FewerLayers.into());
            };
            at = snapshot.parent().cloned();
            layers.push(snapshot);
        }
        layers.reverse();
        Ok(layers)
    }

    /// Dates: a layer's entry has the time at which the layer was made, other entries that of the one before. So an
    /// image that comes from the cache as a whole is the same image.
    fn date(&self, config: &mut ImageConfig, stage: &StageState) {
        let base = config.created.as_deref().and_then(clock::parse_rfc3339);
        let first_layer = stage.history.iter().find_map(|item| self.made(item.layer?));
        let mut last = base.or(first_layer).unwrap_or(0);
        for item in &stage.history {
            if let Some(made) = item.layer.and_then(|vertex| self.made(vertex)) {
                last = last.max(made);
            }
            config.history.push(History {
                created: Some(clock::rfc3339(self.epoch.unwrap_or(last))),
                created_by: Some(item.created_by.clone()),
                comment: Some(COMMENT.to_owned()),
                empty_layer: item.layer.is_none(),
                ..History::default()
            });
        }
        config.created = Some(clock::rfc3339(self.epoch.unwrap_or(last)));
    }

    fn made(&self, vertex: VertexId) -> Option<i64> {
        self.outputs.get(&vertex).map(StepOutput::created)
    }
}

/// Leaves the entries as they are but for their layers: only the last one that had one has one.
fn one_layer(history: &mut [History]) {
    let last = history.iter().rposition(|entry| !entry.empty_layer);
    // A base may have a history that speaks of none of its layers.
    let last = last.or(history.len().checked_sub(1));
    for (at, entry) in history.iter_mut().enumerate() {
        entry.empty_layer = Some(at) != last;
    }
}
