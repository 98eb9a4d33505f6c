//! `FROM`: nothing, or the files of an image.

use super::spec::SourceSpec;
use super::{OpError, StepOutput};
use crate::engine::Engine;
use crate::error::{BaseError, Error, TransferError};
use crate::import;
use crate::sources::{BaseImage, Origin};
use rbuild_solver::RunContext;
use rbuild_store::image::{ImageRecord, source};
use rbuild_store::snapshot::{Check, Held};

/// The output, when the image's files are here.
pub(super) fn quick(spec: &SourceSpec, engine: &Engine) -> Result<Option<StepOutput>, OpError> {
    match spec {
        SourceSpec::Scratch => Ok(Some(StepOutput::scratch())),
        SourceSpec::Image(image) => match &image.origin {
            Origin::Stored(record) => stored(record, engine),
            Origin::Registry { .. } | Origin::Layout { .. } | Origin::Unknown => Ok(None),
        },
    }
}

fn stored(record: &ImageRecord, engine: &Engine) -> Result<Option<StepOutput>, OpError> {
    let Some(id) = &record.snapshot else {
        return Ok(Some(StepOutput::scratch()));
    };
    let check = if engine.is_entered() {
        Check::Now
    } else {
        Check::Skip
    };
    let held = engine.snapshots.open(id, check)?.sound();
    Ok(held.map(|Held { snapshot, lease }| StepOutput::new(snapshot, Some(lease))))
}

pub(super) fn run(
    spec: &SourceSpec,
    engine: &Engine,
    context: &RunContext<'_>,
) -> Result<StepOutput, OpError> {
    match spec {
        SourceSpec::Scratch => Ok(StepOutput::scratch()),
        SourceSpec::Image(image) => {
            let record = bring(image, engine, context)?;
            stored(&record, engine)?.ok_or_else(|| OpError::FilesGone {
                name: image.name.clone(),
            })
        }
    }
}

/// Fetches or loads the image into the store.
fn bring(image: &BaseImage, engine: &Engine, context: &RunContext<'_>) -> Result<ImageRecord, Error> {
    match &image.origin {
        Origin::Stored(record) => {
            // Its snapshot is gone or damaged; an image that came with its layers is unpacked again.
            import::restore(&engine.store, record, engine.now)
        }
        Origin::Registry {
            reference,
            resolved,
            config,
        } => {
            let label = reference.familiar();
            engine.registries.fetch(
                &engine.store,
                reference,
                resolved,
                config,
                engine.now,
                &|done, total| {
                    context.progress(done, Some(total), &label);
                },
            )
        }
        Origin::Layout { path, entry, .. } => {
            let at = |error: rbuild_store::image::ImageError| TransferError::Load {
                path: path.clone(),
                source: Box::new(error.into()),
            };
            let source = source::open(&engine.store, path).map_err(at)?;
            import::from_source(&engine.store, source.as_ref(), *entry, engine.now)
        }
        Origin::Unknown => {
            let name = image.name.clone();
            Err(BaseError::NobodyAsked { name }.into())
        }
    }
}
