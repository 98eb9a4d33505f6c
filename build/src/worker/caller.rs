//! The caller's side: starts the worker, and hands on what it tells.

use super::error::WorkerError;
use super::wire::{self, Told};
use super::{NAME, Worker};
use crate::observer::SharedObserver;
use crate::request::{ContextSource, DockerfileSource, Request};
use crate::result::BuildResult;
use std::io::{self, BufReader};
use std::net::Shutdown;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// A worker that builds.
struct Running {
    child: Mutex<Child>,
    socket: UnixStream,
    /// It has a thread that listens.
    can_stop: AtomicBool,
}

impl Worker {
    /// Builds what is asked for in a process of its own, and tells `observer` of it on this thread. Other threads may build
    /// at the same time.
    ///
    /// # Errors
    /// The build's failure, or the worker's. A request that reads standard input needs [`build`](crate::build).
    pub fn build(&self, request: &Request, observer: &SharedObserver) -> Result<BuildResult, WorkerError> {
        let reads_input = matches!(request.context, ContextSource::Stdin)
            || matches!(request.dockerfile, DockerfileSource::Stdin);
        if reads_input {
            return Err(WorkerError::StandardInput);
        }
        let running = Arc::new(Running::start().map_err(WorkerError::Start)?);
        let stopped = Arc::clone(&running);
        let _ends = request.stop.also(move || stopped.stop());
        let answer = running.listen(request, observer);
        let status = running.end();
        let answer = match answer {
            // It was whole before the stop could end it.
            Ok(Some(Told::Built(result))) => return Ok(*result),
            _ if request.stop.is_stopped() => return Err(WorkerError::Stopped),
            other => other?,
        };
        match answer {
            Some(Told::Failed(failure)) => Err(WorkerError::Build(failure)),
            Some(Told::Stopped) => Err(WorkerError::Stopped),
            Some(Told::Built(_) | Told::Event(_) | Told::FirstStep) | None => {
                Err(WorkerError::Ended(status.map_err(WorkerError::Socket)?))
            }
        }
    }
}

impl Running {
    fn start() -> io::Result<Self> {
        let (socket, theirs) = UnixStream::pair()?;
        // What `/proc/self/exe` is, is decided when the child opens it: the same file, even if it was replaced since.
        let mut command = Command::new("/proc/self/exe");
        command
            .arg0(NAME)
            .stdin(Stdio::from(OwnedFd::from(theirs)))
            // Only the caller ends it, not the keys of a terminal.
            .process_group(0);
        rbuild_sandbox::child::is_killed_with_us(&mut command);
        Ok(Self {
            child: Mutex::new(command.spawn()?),
            socket,
            can_stop: AtomicBool::new(false),
        })
    }

    /// Hands over the request and tells what comes; the last word, if there is one.
    fn listen(&self, request: &Request, observer: &SharedObserver) -> Result<Option<Told>, WorkerError> {
        wire::write(&mut &self.socket, request).map_err(WorkerError::Socket)?;
        let mut from = BufReader::new(&self.socket);
        while let Some(told) = wire::read(&mut from).map_err(WorkerError::Socket)? {
            match told {
                Told::Event(event) => event.tell(observer.as_ref()),
                Told::FirstStep => {
                    self.can_stop.store(true, Ordering::Release);
                    observer
                        .before_first_step(&request.stop)
                        .map_err(WorkerError::Observer)?;
                }
                last => return Ok(Some(last)),
            }
        }
        Ok(None)
    }

    /// Before its first step nothing that a worker does needs an end of its own.
    fn stop(&self) {
        if !self.can_stop.load(Ordering::Acquire) {
            let _ = self.child.lock().unwrap_or_else(PoisonError::into_inner).kill();
        }
        let _ = self.socket.shutdown(Shutdown::Write);
    }

    fn end(&self) -> io::Result<std::process::ExitStatus> {
        let _ = self.socket.shutdown(Shutdown::Both);
        self.child.lock().unwrap_or_else(PoisonError::into_inner).wait()
    }
}
