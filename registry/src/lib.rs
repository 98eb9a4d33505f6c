//! Pull from and push to OCI registries: the only network of the project.
//!
//! A blocking client for the OCI distribution specification and Docker's dialect of it. What lives here: credentials,
//! tokens, finding an image in its registry, verified transfers. What deliberately does not: where bytes are kept,
//! what a layer contains, threads (callers bring their own; one [`Client`] serves many), and anything that writes to a
//! terminal (see [`Event`]).
//!
//! ```no_run
//! use rbuild_oci::{ImagePlatform, Reference};
//! use rbuild_registry::{Client, ClientOptions};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let client = Client::new(ClientOptions::default());
//! let reference = Reference::parse("alpine:3.20")?;
//! let resolved = client.resolve(&reference, &ImagePlatform::host())?;
//! for layer in &resolved.image.layers {
//!     let mut blob = Vec::new();
//!     client.fetch_blob(&reference, layer, &mut blob, &|_done| {})?;
//! }
//! # Ok(()) }
//! ```
//!
//! | file | what |
//! |---|---|
//! | `env` `credentials` | finding and keeping credentials |
//! | `options` `client` | the handle; `resolve` `fetch` `push` `upload` `list` are its verbs |
//! | `session` | scheme, authorization, redirects; `auth` `challenge` tokens |
//! | `download` `objects` `authorization` | files by URL, from and to servers that are no registries |
//! | `http` `tls` `proxy` `url` `transport_error` | one exchange on the wire |
//! | `retry` `clock` `cancel` `slots` | when to try again, when to stop, how much at once |
//! | `error` `event` | what is told to the caller |

mod auth;
mod authorization;
mod cancel;
mod challenge;
mod client;
mod clock;
mod credentials;
mod download;
mod env;
mod error;
mod event;
mod fetch;
mod http;
mod list;
mod objects;
mod options;
mod proxy;
mod push;
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
pub use download::{Download, Validators};
pub use env::Env;
pub use error::{Action, Attempt, Error, ErrorKind, RegistryMessage, TransportKind};
pub use event::Event;
pub use options::{ClientOptions, HostSet, Timeouts, UploadMode};
pub use proxy::ProxySettings;
pub use resolve::{FetchedManifest, ResolvedManifest};
pub use retry::RetryPolicy;
pub use secret::Secret;
pub use upload::{BlobSource, Pushed};
pub use url::UrlError;
