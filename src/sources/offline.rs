//! [`Offline`]: base images for what is said about a Dockerfile without building it.

use super::{BaseImage, Origin, find_stored};
use crate::error::{Failure, Kind};
use crate::lower::ResolveImage;
use crate::options::named_context::NamedContext;
use dockerfile_parser::Platform;
use rbuild_registry::Reference;
use rbuild_store::Store;
use rbuild_store::image::ImageConfig;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Name and platform.
type Wanted = (String, String);

/// Base images from the store; unknown ones in place of all others.
pub struct Offline<'a> {
    store: Option<&'a Store>,
    /// What was wanted and is not in the store; `None` while nothing is known of it.
    asked: RefCell<BTreeMap<Wanted, Option<Arc<BaseImage>>>>,
    unknown: RefCell<Vec<(Reference, Platform)>>,
}

impl<'a> Offline<'a> {
    /// The images of `store`; none without one.
    #[must_use]
    pub fn new(store: Option<&'a Store>) -> Self {
        Self {
            store,
            asked: RefCell::default(),
            unknown: RefCell::default(),
        }
    }

    /// The images that were wanted and of which nothing is known, in the order in which they were wanted.
    #[must_use]
    pub fn unknown(&self) -> Vec<Reference> {
        let unknown = self.unknown.borrow();
        unknown.iter().map(|(reference, _)| reference.clone()).collect()
    }

    /// Asks for each image that nothing is known of; from then on those that were had are known. The failures.
    pub fn ask(
        &self,
        ask: impl Fn(&Reference, &Platform) -> Result<BaseImage, Failure>,
    ) -> Vec<(Reference, Failure)> {
        let unknown = self.unknown.take();
        let mut failures = Vec::new();
        for (reference, platform) in unknown {
            match ask(&reference, &platform) {
                Ok(image) => {
                    let key = (reference.to_string(), platform.to_string());
                    self.asked.borrow_mut().insert(key, Some(Arc::new(image)));
                }
                Err(failure) => failures.push((reference, failure)),
            }
        }
        failures
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
    fn image(&self, name: &str, platform: &Platform) -> Result<Arc<BaseImage>, Failure> {
        let stored = match self.store {
            Some(store) => find_stored(store, name)?,
            None => None,
        };
        if let Some(record) = stored {
            let config = record.parse_config().map_err(Failure::from_host)?;
            let origin = Origin::Stored(Box::new(record));
            return Ok(Arc::new(BaseImage::new(name.to_owned(), origin, config)));
        }
        let reference = Reference::parse(name).map_err(|error| {
            Failure::new(
                Kind::Dockerfile,
                format!("`{name}` is no image reference: {error}"),
            )
        })?;
        let key = (reference.to_string(), platform.to_string());
        let mut asked = self.asked.borrow_mut();
        let known = asked.entry(key).or_insert_with(|| {
            self.unknown.borrow_mut().push((reference, platform.clone()));
            None
        });
        Ok(known.clone().unwrap_or_else(|| unknown(name, platform)))
    }

    fn named(
        &self,
        name: &str,
        source: &NamedContext,
        platform: &Platform,
    ) -> Result<Arc<BaseImage>, Failure> {
        match source {
            NamedContext::Image(reference) => self.image(reference, platform),
            _ => Ok(unknown(name, platform)),
        }
    }
}
