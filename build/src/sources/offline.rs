//! [`Offline`]: base images for what is said about a Dockerfile without building it.

use super::found_images::FoundImages;
use super::{BaseImage, Origin, find_stored_for};
use crate::error::{BaseError, Error};
use crate::request::NamedContext;
use crate::sources::ResolveImage;
use dockerfile_parser::Platform;
use rbuild_oci::{ImageConfig, Reference};
use rbuild_store::Store;
use std::cell::RefCell;
use std::sync::Arc;

/// Base images from the store; unknown ones in place of all others.
pub struct Offline<'a> {
    store: Option<&'a Store>,
    /// What was found, or is unknown so far. Each is looked for once.
    images: FoundImages,
    /// Those that are unknown, in the order in which they were wanted.
    unknown: RefCell<Vec<(String, Reference, Platform)>>,
}

impl<'a> Offline<'a> {
    /// The images of `store`; none without one.
    #[must_use]
    pub fn new(store: Option<&'a Store>) -> Self {
        Self {
            store,
            images: FoundImages::default(),
            unknown: RefCell::default(),
        }
    }

    /// The images that were wanted and of which nothing is known, in the order in which they were wanted.
    #[must_use]
    pub fn unknown(&self) -> Vec<Reference> {
        let unknown = self.unknown.borrow();
        unknown
            .iter()
            .map(|(_, reference, _)| reference.clone())
            .collect()
    }

    /// Asks for each image that nothing is known of; from then on those that were had are known. The failures.
    pub fn ask(
        &self,
        ask: impl Fn(&Reference, &Platform) -> Result<BaseImage, Error>,
    ) -> Vec<(Reference, Error)> {
        let mut failures = Vec::new();
        for (name, reference, platform) in self.unknown.take() {
            match ask(&reference, &platform) {
                Ok(image) => self.images.insert(name, &platform, image),
                Err(failure) => failures.push((reference, failure)),
            }
        }
        failures
    }

    fn find(&self, name: &str, platform: &Platform) -> Result<Arc<BaseImage>, Error> {
        let stored = match self.store {
            Some(store) => find_stored_for(store, name, platform)?,
            None => None,
        };
        if let Some(record) = stored {
            let config = record.parse_config()?;
            let origin = Origin::Stored(Box::new(record));
            return Ok(Arc::new(BaseImage::new(name.to_owned(), origin, config)));
        }
        let reference = Reference::parse(name).map_err(|source| BaseError::NoReference {
            name: name.to_owned(),
            source,
        })?;
        let wanted = (name.to_owned(), reference, platform.clone());
        self.unknown.borrow_mut().push(wanted);
        Ok(unknown(name, platform))
    }
}

/// An image of which nothing is known but its name and what it should be for.
fn unknown(name: &str, platform: &Platform) -> Arc<BaseImage> {
    let config = ImageConfig {
        os: platform.os.clone(),
        architecture: platform.architecture.clone(),
        variant: Some(platform.variant.clone()).filter(|variant| !variant.is_empty()),
        ..ImageConfig::default()
    };
    Arc::new(BaseImage::new(name.to_owned(), Origin::Unknown, config))
}

impl ResolveImage for Offline<'_> {
    fn image(&self, name: &str, platform: &Platform) -> Result<Arc<BaseImage>, Error> {
        let find = || self.find(name, platform);
        self.images.get_or_find(name, platform, find)
    }

    fn named(&self, name: &str, source: &NamedContext, platform: &Platform) -> Result<Arc<BaseImage>, Error> {
        match source {
            NamedContext::Image(reference) => self.image(reference, platform),
            _ => Ok(unknown(name, platform)),
        }
    }
}
