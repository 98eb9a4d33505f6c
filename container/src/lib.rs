//! Runs an image's command in a container of its own: a root file system that can be written, mounts, a user, signals,
//! and how it ended. A container lives as long as the caller, or is kept: a directory of the store, which can be started,
//! and which a process of its own looks after while it runs.
//!
//! ```no_run
//! use rbuild_container::{Container, Image, Request, Runner};
//! use rbuild_sandbox::Stdio;
//! use rbuild_store::snapshot::{Held, SnapshotStore};
//!
//! # use rbuild_oci::ImageConfig;
//! # fn run(runner: &Runner<'_>, snapshots: &SnapshotStore, config: &ImageConfig, files: Held, stdio: Stdio)
//! # -> Result<(), Box<dyn std::error::Error>> {
//! let request = Request {
//!     command: vec!["cat".to_owned(), "/etc/os-release".to_owned()],
//!     ..Request::default()
//! };
//! let image = Image { config: &config.config, files: Some(files) };
//! let container = Container::start(runner, snapshots, image, &request, stdio)?;
//! let exit = container.wait()?;
//! println!("ended with {}", exit.status.shell_code());
//! # Ok(()) }
//! ```
//!
//! | module | what lives there |
//! |---|---|
//! | `request` | what to run, as data |
//! | `start` | the image and the request as what a sandbox runs; [`Container`] |
//! | `create` | making a container that is kept |
//! | `command` | command line and environment |
//! | `process` | the first process: signals on their way to it, and its end |
//! | `error` | why a container does not start |
//! | `exec` | a further command in a container that runs |
//! | [`kept`] | containers in the store: `record` what one is, `state` what has become of it, `control` what is done to it, `holder` who looks after it |
//! | [`monitor`] | the process that looks after a container |
//! | [`log`] | what a container printed |
//! | [`time`] | the clock, and times as text |
//!
//! What does not live here: where images come from, terminals and streams of the caller, words and exit codes.

// The law of paths, whose list is in `clippy.toml`. Tests make and break files as they like.
#![cfg_attr(not(test), deny(clippy::disallowed_methods))]

mod command;
mod create;
mod error;
mod exec;
pub mod kept;
pub mod log;
pub mod monitor;
mod process;
mod request;
mod start;
pub mod time;

pub use error::StartError;
pub use exec::{ExecError, Executing, Further, Inside};
pub use process::{ENDING, Process};
pub use request::{Request, RequestedMount};
pub use start::{Container, Image, Ready, Runner};
