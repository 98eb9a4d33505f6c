//! Pull from and push to OCI registries: the only network of the project.
//!
//! A blocking client for the OCI distribution specification and Docker's dialect of it. What lives here:
//! references, credentials, tokens, manifests as far as an image must be found in them, verified transfers. What
//! deliberately does not: where bytes are kept, what a layer contains, threads (callers bring their own; one
//! [`Client`] serves many), and anything that writes to a terminal (see [`Event`]).
//!
//! ```no_run
//! use rbuild_registry::{Client, ClientOptions, Platform, Reference};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let client = Client::new(ClientOptions::default());
//! let reference = Reference::parse("alpine:3.20")?;
//! let resolved = client.resolve(&reference, &Platform::host())?;
//! for layer in &resolved.image.layers {
//!     let mut blob = Vec::new();
//!     client.fetch_blob(&reference, layer, &mut blob, &|_done| {})?;
//! }
//! # Ok(()) }
//! ```
//!
//! | file | what |
//! |---|---|
//! | `reference` `digest` `platform` `descriptor` `media_type` | names and small types |
//! | `manifest` | reading manifests, refusing ambiguous ones, choosing a platform |
//! | `env` `credentials` | finding and keeping credentials |
//! | `options` `client` | the handle; `resolve` `fetch` `push` `upload` `list` are its verbs |
//! | `session` | scheme, authorization, redirects; `auth` `challenge` tokens |
//! | `download` `authorization` | files by URL, from servers that are no registries |
//! | `http` `tls` `proxy` `url` `transport_error` | one exchange on the wire |
//! | `retry` `clock` `cancel` `slots` | when to try again, when to stop, how much at once |
//! | `error` `hint` `event` | what is told to the caller |

mod auth;
mod authorization;
mod cancel;
mod challenge;
mod client;
mod clock;
mod credentials;
mod descriptor;
mod digest;
mod download;
mod env;
mod error;
mod event;
mod fetch;
mod hint;
mod http;
mod list;
mod manifest;
pub mod media_type;
mod options;
mod platform;
mod proxy;
mod push;
mod reference;
mod resolve;
mod retry;
mod secret;
mod session;
mod slots;
mod tls;
mod transport_error;
mod upload;
mod url;

pub use authorization::Authorization;
pub use cancel::Cancel;
pub use client::Client;
pub use clock::{Clock, SystemClock};
pub use credentials::{Credential, CredentialError, CredentialWarning, Credentials, Lookup, Patience};
pub use descriptor::Descriptor;
pub use digest::{Algorithm, Digest, DigestError, Hasher};
pub use download::{Download, Validators};
pub use env::Env;
pub use error::{Action, Attempt, Error, ErrorKind, RegistryMessage, TransportKind};
pub use event::Event;
pub use manifest::{CONFIG_LIMIT, ImageManifest, Index, MANIFEST_LIMIT, Manifest, ManifestError};
pub use options::{ClientOptions, HostSet, Timeouts, UploadMode};
pub use platform::{Platform, PlatformError};
pub use proxy::ProxySettings;
pub use push::{BlobSource, Pushed};
pub use reference::{DOCKER_HUB, Reference, ReferenceError, ReferenceErrorKind};
pub use resolve::{FetchedManifest, ResolvedManifest};
pub use retry::RetryPolicy;
pub use secret::Secret;
pub use url::UrlError;
