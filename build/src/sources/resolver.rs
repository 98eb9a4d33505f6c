//! [`Resolver`]: from a name to a [`BaseImage`]: the store first, then the registry, as `--pull` says.

use super::found_images::FoundImages;
use super::{BaseImage, Origin};
use crate::error::{BaseError, Error};
use crate::registries::Registries;
use crate::request::{NamedContext, PullPolicy};
use crate::sources::ResolveImage;
use dockerfile_parser::Platform;
use rbuild_oci::{Digest, ImageConfig, ImagePlatform, Reference};
use rbuild_store::Store;
use rbuild_store::image::{self, ImageList, ImageRecord, ListedImage, source};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

/// Finds base images for one build; asks for each name once.
pub struct Resolver<'a> {
    store: &'a Store,
    registries: &'a Registries,
    policy: PullPolicy,
    found: FoundImages,
}

impl<'a> Resolver<'a> {
    /// A resolver over a store and, through `registries`, registries.
    #[must_use]
    pub fn new(store: &'a Store, registries: &'a Registries, policy: PullPolicy) -> Self {
        Self {
            store,
            registries,
            policy,
            found: FoundImages::default(),
        }
    }

    /// The image in the store that a name or id means.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn stored(&self, name: &str, platform: &Platform) -> Result<Option<ImageRecord>, Error> {
        find_stored_for(self.store, name, platform)
    }

    fn find(&self, name: &str, platform: &Platform) -> Result<Arc<BaseImage>, Error> {
        let stored = self
            .stored(name, platform)?
            .map(|record| from_record(name, record))
            .transpose()?;
        // Under a digest there is never anything newer.
        let pinned = Reference::parse(name).is_ok_and(|reference| reference.digest().is_some());
        if (self.policy != PullPolicy::Always || pinned)
            && let Some(image) = &stored
            && (image.matches(platform) || self.policy == PullPolicy::Never)
        {
            return Ok(Arc::clone(image));
        }
        let reference = Reference::parse(name).map_err(|source| BaseError::NoReference {
            name: name.to_owned(),
            source,
        })?;
        if self.policy == PullPolicy::Never {
            let name = name.to_owned();
            return Err(BaseError::Forbidden { name }.into());
        }
        match (self.registries.resolve(&reference, platform), stored) {
            (Ok(image), _) => self.known_already(name, &reference, image),
            // An image of another platform that no registry knows is better than none; the lowering warns.
            (Err(_), Some(image))
                if self.policy == PullPolicy::Missing && !was_pulled(self.store, &reference)? =>
            {
                Ok(image)
            }
            (Err(failure), _) => Err(failure),
        }
    }

    /// An image of the store with all its blobs: one that lacks some is brought in again.
    fn complete(&self, id: &Digest) -> Result<Option<ImageRecord>, Error> {
        let Some(record) = self.store.images().get(id)? else {
            return Ok(None);
        };
        for blob in record.blobs() {
            let size = self.store.blobs().size(&blob.digest)?;
            if size != Some(blob.size) {
                return Ok(None);
            }
        }
        Ok(Some(record))
    }

    /// What the registry has now may be what the store has already, under this name or another.
    fn known_already(
        &self,
        name: &str,
        reference: &Reference,
        image: BaseImage,
    ) -> Result<Arc<BaseImage>, Error> {
        let Origin::Registry { resolved, config, .. } = &image.origin else {
            return Ok(Arc::new(image));
        };
        let id = Digest::of(config);
        let Some(record) = self.complete(&id)? else {
            return Ok(Arc::new(image));
        };
        name_pulled(self.store, reference, resolved.top_digest(), &record)?;
        from_record(name, record)
    }

    fn layout(
        &self,
        name: &str,
        path: &Path,
        tag: Option<&str>,
        digest: Option<&str>,
        platform: &Platform,
    ) -> Result<BaseImage, Error> {
        let at = |source: image::ImageError| BaseError::Layout {
            name: name.to_owned(),
            path: path.to_owned(),
            source,
        };
        let source = source::open(self.store, path).map_err(at)?;
        let machine = image_platform(platform);
        let entry = source::choose(source.as_ref(), digest.or(tag), &machine).map_err(at)?;
        let image = source.image(entry).map_err(at)?;
        let config = image.parse_config().map_err(at)?;
        let id = Digest::of(&image.config);
        if let Some(record) = self.complete(&id)? {
            return Ok(BaseImage::new(
                name.to_owned(),
                Origin::Stored(Box::new(record)),
                config,
            ));
        }
        let origin = Origin::Layout {
            path: path.to_owned(),
            entry,
            id: id.to_string(),
        };
        Ok(BaseImage::new(name.to_owned(), origin, config))
    }
}

impl ResolveImage for Resolver<'_> {
    fn image(&self, reference: &str, platform: &Platform) -> Result<Arc<BaseImage>, Error> {
        let find = || self.find(reference, platform);
        self.found.get_or_find(reference, platform, find)
    }

    fn named(&self, name: &str, source: &NamedContext, platform: &Platform) -> Result<Arc<BaseImage>, Error> {
        match source {
            NamedContext::Image(reference) => self.image(reference, platform),
            NamedContext::OciLayout { path, tag, digest } => self
                .layout(name, path, tag.as_deref(), digest.as_deref(), platform)
                .map(Arc::new),
            NamedContext::Directory(_) | NamedContext::Stage(_) | NamedContext::Remote(_) => {
                let name = name.to_owned();
                Err(BaseError::NoImage { name }.into())
            }
        }
    }
}

/// The image in the store that a name, an id or the beginning of one means; of a name for several platforms the one for
/// this platform.
///
/// # Errors
/// As [`find_stored`].
pub fn find_stored_for(store: &Store, name: &str, platform: &Platform) -> Result<Option<ImageRecord>, Error> {
    let images = store.images();
    if let Ok(reference) = Reference::parse(name)
        && let Some(tag) = images.tag_of(&stored_name(&reference))?
        && let Some(listed) = tag
            .list
            .as_ref()
            .and_then(|list| list.choose(&image_platform(platform)))
        && let Some(record) = images.get(&listed.image)?
    {
        return Ok(Some(record));
    }
    find_stored(store, name)
}

/// The image in the store that a name, an id or the beginning of one means.
///
/// # Errors
/// The store cannot be read, or the beginning of an id fits several.
pub fn find_stored(store: &Store, name: &str) -> Result<Option<ImageRecord>, Error> {
    let images = store.images();
    if let Ok(reference) = Reference::parse(name) {
        if let Some(id) = images.resolve_tag(&stored_name(&reference))?
            && let Some(record) = images.get(&id)?
        {
            return Ok(Some(record));
        }
        // A pin means the same content whatever it is called.
        if let Some(digest) = reference.digest() {
            return Ok(images.by_manifest(&digest)?);
        }
    }
    match images.lookup(name) {
        Ok(record) => Ok(Some(record)),
        Err(rbuild_store::StoreError::NoSuchImage(_)) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// The name under which the store keeps an image. A pin is the whole meaning of a name, whatever tag stands beside it.
#[must_use]
pub fn stored_name(reference: &Reference) -> String {
    match reference.digest() {
        Some(digest) => format!("{}@{digest}", reference.name()),
        None => reference.to_string(),
    }
}

/// Gives an image that came from a registry its name there, and the one with the `digest` that the registry answered
/// with, so that a pinned FROM finds it.
///
/// Of a name that stands for several platforms all that were fetched have it, and the one for this machine stands for
/// them: what `rbuild run NAME` starts must not depend on the order in which the stages of a build were fetched.
///
/// # Errors
/// The store cannot be written.
pub fn name_pulled(
    store: &Store,
    reference: &Reference,
    digest: Digest,
    record: &ImageRecord,
) -> Result<(), Error> {
    let images = store.images();
    let native = |record: &ImageRecord| {
        ImageConfig::parse(record.config.as_bytes())
            .is_ok_and(|config| config.architecture == crate::request::build_platform().architecture)
    };
    let pinned = stored_name(&reference.with_digest(digest));
    let list = pulled(store, &pinned, record)?;
    let machine = image_platform(&crate::request::build_platform());
    for name in [stored_name(reference), pinned] {
        if list.images.len() > 1 {
            images.tag_list(&name, list.main(&machine).map(|main| &main.image), &list)?;
            continue;
        }
        let before = images.resolve_tag(&name)?;
        let before = before.map(|id| images.get(&id)).transpose()?.flatten();
        if native(record) || !before.is_some_and(|before| native(&before)) {
            images.tag(&name, &record.id)?;
        }
    }
    Ok(())
}

/// The images that came under a digest, this one among them: of an index one for each platform that was asked for.
fn pulled(store: &Store, pinned: &str, record: &ImageRecord) -> Result<ImageList, Error> {
    let images = store.images();
    let listed = |record: &ImageRecord| -> Result<ListedImage, Error> {
        let config = ImageConfig::parse(record.config.as_bytes())?;
        Ok(ListedImage {
            image: record.id,
            platform: ImagePlatform::new(&config.os, &config.architecture, config.variant.as_deref()),
            annotations: BTreeMap::new(),
        })
    };
    let mut list = match images.tag_of(pinned)? {
        Some(tag) => match tag.list {
            Some(list) => list,
            None => {
                let one = images.get(&tag.id)?;
                let images = one.iter().map(listed).collect::<Result<_, _>>()?;
                ImageList {
                    images,
                    ..ImageList::default()
                }
            }
        },
        None => ImageList::default(),
    };
    if !list.images.iter().any(|listed| listed.image == record.id) {
        list.images.push(listed(record)?);
    }
    // Whichever was asked for first.
    list.images.sort_by_key(|listed| listed.platform.to_string());
    Ok(list)
}

/// Whether a registry has answered for this name before: then the image has a name with a digest in that repository.
fn was_pulled(store: &Store, reference: &Reference) -> Result<bool, Error> {
    let pinned = format!("{}@", reference.name());
    Ok(store
        .images()
        .tags()?
        .iter()
        .any(|tag| tag.name.starts_with(&pinned)))
}

fn from_record(name: &str, record: ImageRecord) -> Result<Arc<BaseImage>, Error> {
    let config = ImageConfig::parse(record.config.as_bytes())?;
    Ok(Arc::new(BaseImage::new(
        name.to_owned(),
        Origin::Stored(Box::new(record)),
        config,
    )))
}

/// The platform of a Dockerfile or a flag in the terms of image documents.
#[must_use]
pub fn image_platform(platform: &Platform) -> rbuild_oci::ImagePlatform {
    let variant = Some(platform.variant.as_str()).filter(|variant| !variant.is_empty());
    rbuild_oci::ImagePlatform::new(&platform.os, &platform.architecture, variant)
}
