//! The image that a run is of: found in the store or at a registry, and brought here.

use super::{RunArgs, RunOptions};
use crate::cli::stored::nearest_name;
use crate::cli::streams::note;
use crate::error::Failure;
use crate::options::without_transport;
use crate::report::weaker;
use rbuild_build::engine::Entered;
use rbuild_build::lower::ResolveImage;
use rbuild_build::registries::Registries;
use rbuild_build::request::build_platform;
use rbuild_build::sources::{BaseImage, Origin, Resolver};
use rbuild_build::{clock, engine, import, open_store};
use rbuild_container::kept::Kept;
use rbuild_layer::SnapshotId;
use rbuild_sandbox::{Caller, Way};
use rbuild_store::Store;
use rbuild_store::image::ImageRecord;
use rbuild_store::snapshot::{Check, Held, SnapshotStore};
use std::path::Path;
use std::sync::Arc;

/// What a run is of.
pub struct Found {
    /// The store that the image is in, or goes to.
    pub store: Store,
    /// What the flags mean.
    pub options: RunOptions,
    registries: Registries,
    image: Arc<BaseImage>,
    caller: Caller,
}

impl Found {
    /// Reads the flags and looks for the image. No user namespace is entered yet.
    ///
    /// # Errors
    /// The flags mean nothing, or there is no such image.
    pub fn of(args: &RunArgs, root: Option<&Path>) -> Result<Self, Failure> {
        for text in args.foreign.judge()? {
            note(&format!("note: {text}"));
        }
        let caller = crate::environment::environment().caller();
        let options = RunOptions::from_args(args, &caller)?;
        let store = open_store(&crate::store_root::locate(root)?)?;
        let registries = crate::cli::transfer::registries(args.registry.settings()?);
        let (name, _) = args.image_and_command();
        let name = without_transport(name);
        let resolver = Resolver::new(&store, &registries, options.pull);
        let image = resolver
            .image(name, &build_platform())
            .map_err(Failure::from)
            .map_err(|failure| match nearest_name(&store, name) {
                Some(near) => failure.hint(format!("did you mean `{near}`, which is in the store?")),
                None => failure,
            })?;
        Ok(Self {
            store,
            options,
            registries,
            image,
            caller,
        })
    }

    /// Enters the user namespace in which the ids of files are real.
    ///
    /// # Errors
    /// The host does not allow it.
    pub fn enter(&self) -> Result<(), Failure> {
        engine::enter_host(&self.store, &self.caller)?;
        self.sweep();
        Ok(())
    }

    /// The same, with what starts commands that end with us.
    ///
    /// # Errors
    /// The host does not allow it.
    pub fn sandbox(&self) -> Result<Entered, Failure> {
        let entered = engine::enter_sandbox(&self.store, &self.caller, self.options.sandbox)?;
        if entered.choice.way != Way::STRONGEST {
            note(&weaker::line(&entered.choice));
        }
        self.sweep();
        Ok(entered)
    }

    /// What processes that were killed have left behind. It costs room only, so nothing is said.
    fn sweep(&self) {
        let _ = self.store.sweep_tmp();
    }

    /// The image in the store, pulled if that is where it is.
    ///
    /// # Errors
    /// It cannot be pulled.
    pub fn fetched(&self) -> Result<ImageRecord, Failure> {
        match &self.image.origin {
            Origin::Stored(record) => Ok(record.as_ref().clone()),
            Origin::Registry {
                reference,
                resolved,
                config,
            } => {
                note(&format!("pulling {}", reference.familiar()));
                let store = &self.store;
                Ok(self
                    .registries
                    .fetch(store, reference, resolved, config, clock::now(), &|_, _| {})?)
            }
            Origin::Layout { .. } | Origin::Unknown => {
                Err(Failure::host("internal error: run found no image of a name"))
            }
        }
    }

    /// The image's files, unpacked again where they are gone.
    ///
    /// # Errors
    /// They cannot be had.
    pub fn files(&self, snapshots: &SnapshotStore, record: &ImageRecord) -> Result<Option<Held>, Failure> {
        let Some(id) = &record.snapshot else {
            return Ok(None);
        };
        if let Some(held) = opened(snapshots, id)? {
            return Ok(Some(held));
        }
        import::restore(&self.store, record, clock::now())?;
        opened(snapshots, id)
    }
}

fn opened(snapshots: &SnapshotStore, id: &SnapshotId) -> Result<Option<Held>, Failure> {
    Ok(snapshots
        .open(id, Check::Now)
        .map_err(Failure::from_host)?
        .sound())
}

/// The files that a container stands on, unpacked again where they are gone.
///
/// # Errors
/// They cannot be had.
pub fn image_files(snapshots: &SnapshotStore, kept: &Kept) -> Result<Option<Held>, Failure> {
    let Some(id) = &kept.record().snapshot else {
        return Ok(None);
    };
    if let Some(held) = opened(snapshots, id)? {
        return Ok(Some(held));
    }
    let store = kept.dir().store();
    let image = store
        .images()
        .get(&kept.record().image.id)
        .map_err(Failure::from_host)?;
    if let Some(image) = image {
        import::restore(store, &image, clock::now())?;
    }
    match opened(snapshots, id)? {
        Some(held) => Ok(Some(held)),
        None => Err(Failure::host(format!(
            "the files of the image of container {} are gone",
            kept.record().name
        ))),
    }
}
