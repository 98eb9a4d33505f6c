//! [`Bases`]: what the checks know of base images.

use crate::lower::StageBases;
use crate::sources::find_stored;
use dockerfile_parser::{Dockerfile, Platform};
use rbuild_oci::ImageConfig;
use rbuild_rootfs::users;
use rbuild_store::Store;
use rbuild_store::image::ImageRecord;
use rbuild_store::snapshot::{Check, SnapshotStore};
use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};

/// What the stages of a file begin with, as far as it is known: what the lowering found, else what the store has.
pub struct Bases<'a> {
    dockerfile: &'a Dockerfile,
    lowered: &'a StageBases,
    store: Option<&'a Store>,
    known: RefCell<BTreeMap<String, Option<ImageConfig>>>,
    missed: Cell<bool>,
}

impl<'a> Bases<'a> {
    /// The bases that `lowered` names, and those of `store` for stages that were not lowered.
    #[must_use]
    pub fn new(dockerfile: &'a Dockerfile, lowered: &'a StageBases, store: Option<&'a Store>) -> Self {
        Self {
            dockerfile,
            lowered,
            store,
            known: RefCell::default(),
            missed: Cell::new(false),
        }
    }

    /// Whether a check wanted to know what an image sets of which nothing is known.
    #[must_use]
    pub fn missed(&self) -> bool {
        self.missed.get()
    }

    /// The names of the variables that are set at the begin of a stage; `None` when that is not known.
    pub(super) fn variables(&self, stage: usize) -> Option<BTreeSet<String>> {
        match self.lowered.get(&stage) {
            Some(base) if base.is_unknown() => {
                self.missed.set(true);
                None
            }
            Some(base) => Some(base.variables.clone()),
            None => self.stored(stage, |config| {
                let names = config.config.env.iter();
                names
                    .map(|variable| variable.split('=').next().unwrap_or_default().to_owned())
                    .collect()
            }),
        }
    }

    /// Whether a stage begins with a shell of its own.
    pub(super) fn has_shell(&self, stage: usize) -> bool {
        match self.lowered.get(&stage) {
            Some(base) => base.has_shell,
            None => self
                .stored(stage, |config| config.config.shell.is_some())
                .unwrap_or(false),
        }
    }

    /// What the image of a stage is for; `None` when that is not known.
    pub(super) fn platform(&self, stage: usize) -> Option<Platform> {
        match self.lowered.get(&stage) {
            Some(base) if base.is_unknown() => None,
            Some(base) => platform(base.image.as_ref()?.config()),
            None => self.stored(stage, platform).flatten(),
        }
    }

    /// Whether the base image of a stage knows the user and group of a `--chown`; `None` when that is not known.
    pub(super) fn knows_owner(&self, stage: usize, spec: &str) -> Option<bool> {
        let store = self.store?;
        let record = self.record(stage)?;
        let Some(id) = &record.snapshot else {
            return Some(false);
        };
        let opened = SnapshotStore::new(store.clone()).open(id, Check::Skip);
        let held = opened.ok()?.any()?;
        match users::chown(&held.snapshot.tree().ok()?, spec) {
            Ok(_) => Some(true),
            Err(error) if error.is_answer() => Some(false),
            Err(_) => None,
        }
    }

    /// The image of a stage, if the store has it.
    fn record(&self, stage: usize) -> Option<ImageRecord> {
        let name = match self.lowered.get(&stage) {
            Some(base) => &base.image.as_ref()?.name,
            None => &self.dockerfile.stages.get(stage)?.base().text,
        };
        find_stored(self.store?, name).ok()?
    }

    /// Calls `with` with the config of the base of a stage that was not lowered.
    fn stored<T>(&self, stage: usize, with: impl FnOnce(&ImageConfig) -> T) -> Option<T> {
        let word = self.dockerfile.stages.get(stage)?.base();
        if word.has_variables() || word.text == "scratch" {
            return None;
        }
        let mut known = self.known.borrow_mut();
        let config = known
            .entry(word.text.clone())
            .or_insert_with(|| self.record(stage)?.parse_config().ok());
        config.as_ref().map(with)
    }
}

/// What a config says about platforms; `None` when it says nothing.
fn platform(config: &ImageConfig) -> Option<Platform> {
    let variant = config.variant.as_deref().unwrap_or_default();
    (!config.architecture.is_empty()).then(|| Platform::new(&config.os, &config.architecture, variant))
}
