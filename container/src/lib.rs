//! Runs an image's command in a container of its own: a root file system that can be written, mounts, a user, signals,
//! and how it ended.
//!
//! ```no_run
//! use rbuild_container::{Container, Image, Request};
//! use rbuild_sandbox::{Stdio, Zygote};
//! use rbuild_store::snapshot::{Held, SnapshotStore};
//!
//! # use rbuild_oci::ImageConfig;
//! # fn run(zygote: &Zygote, snapshots: &SnapshotStore, config: &ImageConfig, files: Held, stdio: Stdio)
//! # -> Result<(), Box<dyn std::error::Error>> {
//! let request = Request {
//!     command: vec!["cat".to_owned(), "/etc/os-release".to_owned()],
//!     ..Request::default()
//! };
//! let image = Image { config, files: Some(files) };
//! let container = Container::start(zygote, snapshots, image, &request, stdio)?;
//! let exit = container.wait()?;
//! println!("ended with {}", exit.status.shell_code());
//! # Ok(()) }
//! ```
//!
//! | module | what lives there |
//! |---|---|
//! | `request` | what to run, as data |
//! | `start` | the image and the request as what a sandbox runs; [`Container`] |
//! | `command` | command line and environment |
//! | `process` | the first process: signals on their way to it, and its end |
//! | `error` | why a container does not start |
//!
//! What does not live here: where images come from, terminals and streams of the caller, words and exit codes.

// The law of paths, whose list is in `clippy.toml`. Tests make and break files as they like.
#![cfg_attr(not(test), deny(clippy::disallowed_methods))]

mod command;
mod error;
mod process;
mod request;
mod start;

pub use error::StartError;
pub use process::{ENDING, Process};
pub use request::{Request, RequestedMount};
pub use start::{Container, Image};
