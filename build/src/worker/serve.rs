//! The worker's side: reads the request, builds, tells.

use super::error::BuildFailure;
use super::wire::{self, OwnedEvent, Told};
use crate::build_error::BuildError;
use crate::observer::{BuildEvent, Observer, SharedObserver};
use crate::request::Request;
use crate::stop::Stop;
use std::io::{self, BufReader, Read};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex, PoisonError};

/// The socket is standard input; standard output and error are the caller's.
struct Caller {
    socket: Mutex<UnixStream>,
}

impl Caller {
    /// Whoever does not listen any more has closed the stream, and that stops the build.
    fn tell(&self, told: &Told) {
        let mut socket = self.socket.lock().unwrap_or_else(PoisonError::into_inner);
        let _ = wire::write(&mut *socket, told);
    }
}

impl Observer for Caller {
    fn event(&self, event: &BuildEvent<'_>) {
        self.tell(&Told::Event(OwnedEvent::of(event)));
    }

    fn before_first_step(&self, stop: &Stop) -> io::Result<()> {
        let mut socket = self
            .socket
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .try_clone()?;
        let stop = stop.clone();
        std::thread::Builder::new()
            .name("caller".to_owned())
            .spawn(move || {
                // Nothing comes after the request.
                let _ = socket.read(&mut [0]);
                stop.stop();
            })?;
        self.tell(&Told::FirstStep);
        Ok(())
    }
}

/// Builds what the caller asks for; the exit code of the process.
pub(super) fn serve() -> i32 {
    match build() {
        Ok(()) => 0,
        Err(_) => 1,
    }
}

fn build() -> io::Result<()> {
    let socket = UnixStream::from(io::stdin().as_fd().try_clone_to_owned()?);
    // The caller writes the request and no more: nothing is lost in the buffer.
    let request: Option<Request> = wire::read(&mut BufReader::new(socket.try_clone()?))?;
    let request = request.ok_or(io::ErrorKind::UnexpectedEof)?;
    let caller = Arc::new(Caller {
        socket: Mutex::new(socket),
    });
    let observer: SharedObserver = Arc::clone(&caller) as SharedObserver;
    caller.tell(&match crate::build(&request, &observer) {
        Ok(result) => Told::Built(Box::new(result)),
        Err(BuildError::Stopped) => Told::Stopped,
        Err(error) => Told::Failed(Box::new(BuildFailure::of(&error))),
    });
    Ok(())
}
