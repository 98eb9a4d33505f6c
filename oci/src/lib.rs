//! The names and documents of OCI images: digests, descriptors, platforms, manifests, indexes, configs.
//!
//! What is read keeps every field, known or not, and what is written has its keys sorted, so the same document is the
//! same bytes. Nothing here touches a disk or a network.
//!
//! ```
//! use rbuild_oci::{Descriptor, Digest, ImageConfig, Manifest, MediaTypes, media_type};
//!
//! # fn main() -> Result<(), rbuild_oci::DocumentError> {
//! let config = ImageConfig {
//!     os: "linux".into(),
//!     architecture: "amd64".into(),
//!     ..ImageConfig::default()
//! };
//! let bytes = config.to_bytes()?;
//! let config = Descriptor::new(media_type::OCI_CONFIG, Digest::of(&bytes), bytes.len() as u64);
//! let manifest = Manifest::new(MediaTypes::Oci, config, Vec::new());
//! assert_eq!(Manifest::parse(&manifest.to_bytes()?, None)?, manifest);
//! # Ok(()) }
//! ```

mod annotations;
pub mod calendar;
mod config;
mod descriptor;
mod digest;
mod document;
mod error;
pub mod hash;
pub mod json;
pub mod media_type;
mod platform;
mod reference;

pub use annotations::{Annotations, IndexAnnotations};
pub use config::{CONFIG_LIMIT, ContainerConfig, Empty, Healthcheck, History, ImageConfig, RootFs};
pub use descriptor::Descriptor;
pub use digest::{ChainId, DiffId, Digest};
pub use document::{CONTAINERD_NAME, Document, Index, MANIFEST_LIMIT, Manifest, REF_NAME};
pub use error::DocumentError;
pub use hash::DigestError;
pub use media_type::{DocumentKind, LayerCompression, MediaTypes};
pub use platform::{ImagePlatform, PlatformError};
pub use reference::{DOCKER_HUB, Reference, ReferenceError, ReferenceErrorKind, is_registry_host};
