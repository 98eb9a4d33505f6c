//! [`Worker`]: builds for a program that has threads, in a process of its own.
//!
//! The kernel lets a process enter a user namespace only while it has one thread, and what is built there has the ids of
//! that namespace. So a program with threads has a second process that does the whole build: the same program, executed
//! anew, which becomes the worker in the first line of `main`. Request, events and result cross a socket as lines of JSON.
//!
//! ```text
//! caller                         worker
//!   request ───────────────────▶ build(), on one thread
//!   events, one after the other ◀─ its observer
//!   end of stream ─────────────▶ stop (from the first step on; before, it is killed)
//!   result or failure ◀────────── the last line
//! ```
//!
//! The worker ends with the thread that waits for it: by the death signal until it has entered the namespace, which takes
//! that away (`prctl(2)`), and by the end of the stream from then on.
//!
//! ```no_run
//! use rbuild_build::observer::{SharedObserver, Unobserved};
//! use rbuild_build::request::ContextSource;
//! use rbuild_build::{Request, Worker};
//! use std::sync::Arc;
//!
//! // First of all: in the worker this does not return.
//! let worker = Worker::become_if_asked();
//! let other = std::thread::spawn(|| "threads are no matter");
//! let request = Request::new("/var/lib/rbuild".into(), ContextSource::Directory(".".into()));
//! let observer: SharedObserver = Arc::new(Unobserved);
//! match worker.build(&request, &observer) {
//!     Ok(result) => println!("{}", result.image.id),
//!     Err(error) => eprintln!("{error}"),
//! }
//! # other.join().unwrap();
//! ```

mod caller;
mod error;
mod serve;
mod wire;

pub use error::{BuildFailure, FailedStep, FailureKind, FoundInFile, WorkerError};

/// The name by which a process knows that it is to be the worker: the first of its arguments.
const NAME: &str = "rbuild-build-worker";

/// Starts workers. Only who can become one has this.
#[derive(Debug)]
pub struct Worker(());

impl Worker {
    /// Call it first in `main`, before there are threads. A process that was started to be a worker builds here, and exits.
    #[must_use]
    pub fn become_if_asked() -> Self {
        if std::env::args_os().next().is_some_and(|name| name == NAME) {
            rbuild_sandbox::inherited::settle();
            std::process::exit(serve::serve());
        }
        Self(())
    }
}
