//! Base images: where a name leads, before anything is fetched.

mod found_images;
mod offline;
mod resolver;

pub use offline::Offline;
pub use resolver::{Resolver, find_stored, find_stored_for, image_platform, name_pulled, stored_name};

use crate::error::{BaseError, Error};
use crate::request::NamedContext;
use dockerfile_parser::Platform;
use std::fmt;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::sync::Arc;

use rbuild_oci::{Digest, ImageConfig, Reference};
use rbuild_registry::ResolvedManifest;
use rbuild_solver::KeyHasher;
use rbuild_store::image::ImageRecord;

/// Finds base images: by name, or in an OCI layout.
pub trait ResolveImage {
    /// The image of a reference for a platform.
    ///
    /// # Errors
    /// It is nowhere, or cannot be asked for.
    fn image(&self, reference: &str, platform: &Platform) -> Result<Arc<BaseImage>, Error>;

    /// The image of a named context that is not a directory.
    ///
    /// # Errors
    /// As [`ResolveImage::image`].
    fn named(&self, name: &str, source: &NamedContext, platform: &Platform) -> Result<Arc<BaseImage>, Error>;
}

/// An image whose config is known and whose files may still be elsewhere.
pub struct BaseImage {
    /// As the user calls it.
    pub name: String,
    /// Where its files are.
    pub origin: Origin,
    config: ImageConfig,
}

/// Where the files of a base image are.
pub enum Origin {
    /// In the store.
    Stored(Box<ImageRecord>),
    /// In a registry.
    Registry {
        /// Its name.
        reference: Reference,
        /// Its manifest.
        resolved: Box<ResolvedManifest>,
        /// Its config's exact bytes.
        config: Vec<u8>,
    },
    /// In an OCI layout or archive.
    Layout {
        /// Where.
        path: PathBuf,
        /// Which of its images.
        entry: usize,
        /// Digest of its config.
        id: String,
    },
    /// Nobody was asked: the image is described as an empty one, and nothing is made from it.
    Unknown,
}

impl BaseImage {
    /// An image with its parsed config.
    #[must_use]
    pub fn new(name: String, origin: Origin, config: ImageConfig) -> Self {
        Self { name, origin, config }
    }

    /// Its config.
    #[must_use]
    pub fn config(&self) -> &ImageConfig {
        &self.config
    }

    /// What it is: the same image is the same, whatever it is called and wherever it comes from.
    pub fn identify(&self, fields: &mut KeyHasher) {
        let Self {
            name,
            origin,
            // The digests name it.
            config: _,
        } = self;
        match origin {
            Origin::Stored(record) => fields.text("stored", record.id.to_hex().as_bytes()),
            Origin::Registry {
                reference: _,
                resolved,
                config: _,
            } => fields.text("manifest", resolved.descriptor.digest.to_string().as_bytes()),
            Origin::Layout { path, entry, id } => fields
                .text("layout", path.as_os_str().as_bytes())
                .number("entry", entry)
                .text("id", id.as_bytes()),
            Origin::Unknown => fields
                .text("unknown", name.as_bytes())
                .text("platform", self.platform().to_string().as_bytes()),
        };
    }

    /// The digest of its config: its identity, whatever it is called and wherever it is.
    ///
    /// # Errors
    /// Nobody was asked for it: a fault of the caller.
    pub fn config_digest(&self) -> Result<Digest, Error> {
        Ok(match &self.origin {
            Origin::Stored(record) => record.id,
            Origin::Registry { config, .. } => Digest::of(config),
            Origin::Layout { id, .. } => id.parse().map_err(|source| BaseError::Id {
                id: id.clone(),
                source,
            })?,
            Origin::Unknown => {
                let name = self.name.clone();
                return Err(BaseError::NobodyAsked { name }.into());
            }
        })
    }

    /// Whether nothing is known of it but its name.
    #[must_use]
    pub fn is_unknown(&self) -> bool {
        matches!(self.origin, Origin::Unknown)
    }

    /// What it is for.
    #[must_use]
    pub fn platform(&self) -> Platform {
        Platform::new(
            &self.config.os,
            &self.config.architecture,
            self.config.variant.as_deref().unwrap_or_default(),
        )
    }

    /// Whether it can be used for `wanted`; an image that says nothing can be used for anything.
    #[must_use]
    pub fn matches(&self, wanted: &Platform) -> bool {
        let have = self.platform();
        let same = |have: &str, wanted: &str| have.is_empty() || have == wanted;
        same(&have.os, &wanted.os)
            && same(&have.architecture, &wanted.architecture)
            && (have.variant.is_empty() || wanted.variant.is_empty() || have.variant == wanted.variant)
    }
}

impl fmt::Debug for BaseImage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BaseImage({})", self.name)
    }
}

#[cfg(test)]
mod tests;
