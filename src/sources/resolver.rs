//! [`Resolver`]: from a name to a [`BaseImage`]: the store first, then the registry, as `--pull` says.

use super::{BaseImage, Origin};
use crate::error::{Failure, Kind};
use crate::lower::ResolveImage;
use crate::options::PullPolicy;
use crate::options::named_context::NamedContext;
use crate::pull::Puller;
use dockerfile_parser::Platform;
use rbuild_registry::Reference;
use rbuild_store::Store;
use rbuild_store::image::{self, ImageConfig, ImageRecord, source};
use std::cell::RefCell;
use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

/// Finds base images for one build; asks for each name once.
pub struct Resolver<'a> {
    store: &'a Store,
    puller: &'a Puller,
    policy: PullPolicy,
    known: RefCell<HashMap<(String, String), Arc<BaseImage>>>,
}

impl<'a> Resolver<'a> {
    /// A resolver over a store and, through `puller`, registries.
    #[must_use]
    pub fn new(store: &'a Store, puller: &'a Puller, policy: PullPolicy) -> Self {
        Self { store, puller, policy, known: RefCell::default() }
    }

    /// The image in the store that a name or id means.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn stored(&self, name: &str) -> Result<Option<ImageRecord>, Failure> {
        find_stored(self.store, name)
    }

    fn find(&self, name: &str, platform: &Platform) -> Result<Arc<BaseImage>, Failure> {
        let stored = self.stored(name)?.map(|record| from_record(name, record)).transpose()?;
        if self.policy != PullPolicy::Always
            && let Some(image) = &stored
            && (image.matches(platform) || self.policy == PullPolicy::Never)
        {
            return Ok(Arc::clone(image));
        }
        if self.policy == PullPolicy::Never {
            return Err(Failure::host(format!("`{name}` is not in the store, and --pull=never forbids fetching it"))
                .hint("`rbuild pull` or `rbuild load` brings an image into the store"));
        }
        let reference = Reference::parse(name)
            .map_err(|error| Failure::new(Kind::Dockerfile, format!("`{name}` is no image reference: {error}")))?;
        match self.puller.resolve(&reference, platform) {
            Ok(image) => {
                // What the registry has now may be what the store has already.
                if let (Some(local), Origin::Registry { config, .. }) = (&stored, &image.origin)
                    && let Origin::Stored(record) = &local.origin
                    && record.config.as_bytes() == config.as_slice()
                {
                    return Ok(Arc::clone(local));
                }
                Ok(Arc::new(image))
            }
            // An image of another platform that was built here is better than none; the lowering warns.
            Err(_) if stored.is_some() && self.policy == PullPolicy::Missing => {
                stored.ok_or_else(|| Failure::host("internal error: the image is gone"))
            }
            Err(failure) => Err(failure),
        }
    }

    fn layout(
        &self,
        name: &str,
        path: &Path,
        tag: Option<&str>,
        digest: Option<&str>,
        platform: &Platform,
    ) -> Result<BaseImage, Failure> {
        let at = |error: image::ImageError| {
            Failure::from_error(Kind::Host, &error).context(format!("named context `{name}`"))
        };
        let source = source::open(self.store, path).map_err(at)?;
        let machine = store_platform(platform);
        let entry = source::choose(source.as_ref(), digest.or(tag), &machine).map_err(at)?;
        let image = source.image(entry).map_err(at)?;
        let config = image.parse_config().map_err(at)?;
        let id = rbuild_store::digest::Digest::of(&image.config);
        if let Some(record) = self.store.images().get(&id).map_err(Failure::from_host)? {
            return Ok(BaseImage::new(name.to_owned(), Origin::Stored(Box::new(record)), config));
        }
        let origin = Origin::Layout { path: path.to_owned(), entry, id: id.to_string() };
        Ok(BaseImage::new(name.to_owned(), origin, config))
    }
}

impl ResolveImage for Resolver<'_> {
    fn image(&self, reference: &str, platform: &Platform) -> Result<Arc<BaseImage>, Failure> {
        let key = (reference.to_owned(), platform.to_string());
        if let Some(known) = self.known.borrow().get(&key) {
            return Ok(Arc::clone(known));
        }
        let image = self.find(reference, platform)?;
        self.known.borrow_mut().insert(key, Arc::clone(&image));
        Ok(image)
    }

    fn named(&self, name: &str, source: &NamedContext, platform: &Platform) -> Result<Arc<BaseImage>, Failure> {
        match source {
            NamedContext::Image(reference) => self.image(reference, platform),
            NamedContext::OciLayout { path, tag, digest } => {
                self.layout(name, path, tag.as_deref(), digest.as_deref(), platform).map(Arc::new)
            }
            NamedContext::Directory(_) | NamedContext::Stage(_) | NamedContext::Remote(_) => {
                Err(Failure::host(format!("internal error: named context `{name}` is no image")))
            }
        }
    }
}

/// The image in the store that a name, an id or the beginning of one means.
///
/// # Errors
/// The store cannot be read, or the beginning of an id fits several.
pub fn find_stored(store: &Store, name: &str) -> Result<Option<ImageRecord>, Failure> {
    let images = store.images();
    if let Ok(reference) = Reference::parse(name)
        && let Some(id) = images.resolve_tag(&reference.to_string()).map_err(Failure::from_host)?
        && let Some(record) = images.get(&id).map_err(Failure::from_host)?
    {
        return Ok(Some(record));
    }
    match images.lookup(name) {
        Ok(record) => Ok(Some(record)),
        Err(rbuild_store::StoreError::NoSuchImage(_)) => Ok(None),
        Err(error) => Err(Failure::from_host(error)),
    }
}

fn from_record(name: &str, record: ImageRecord) -> Result<Arc<BaseImage>, Failure> {
    let config = ImageConfig::parse(record.config.as_bytes()).map_err(Failure::from_host)?;
    Ok(Arc::new(BaseImage::new(name.to_owned(), Origin::Stored(Box::new(record)), config)))
}

/// The store's form of a platform.
#[must_use]
pub fn store_platform(platform: &Platform) -> image::Platform {
    let variant = Some(platform.variant.as_str()).filter(|variant| !variant.is_empty());
    image::Platform::new(&platform.os, &platform.architecture, variant)
}
