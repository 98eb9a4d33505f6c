//! The keeper: the process above a command that has no pid namespace.
//!
//! A pid namespace ends every process in it with its first one. Without one, what a command leaves behind, however often
//! it forked and whatever session it made, becomes the keeper's child, since that is their *subreaper* (`prctl(2)`). So
//! when the first process has ended, or the program or the zygote is gone, the keeper kills all that is left, and only
//! then says that the command has ended. It is also who puts into a root what cannot be mounted there, and takes it out.

mod descendants;

use std::os::fd::{AsFd, OwnedFd};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use rustix::process::WaitOptions;

use crate::cgroup;
use crate::confinement::Confinement;
use crate::furnish::Furnished;
use crate::init;
use crate::spawn_error::{Phase, SpawnError};
use crate::spec::Network;
use crate::sys::{self, Cloned, Ended, Process};
use crate::wire::{Reply, Request, send_cloned};

/// Starts the command of a request in new namespaces, which `flags` name, and looks after it to its end. `alive` is closed
/// when the zygote is gone. Never returns.
pub(crate) fn run(request: Request, host: &init::Host, flags: i32, alive: &OwnedFd) -> ! {
    let ended = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| keep(request, host, flags, alive)));
    sys::exit_now(if matches!(ended, Ok(Ok(()))) { 0 } else { 1 })
}

fn keep(request: Request, host: &init::Host, flags: i32, alive: &OwnedFd) -> Result<(), Errno> {
    sys::close_all_but(&request.descriptors_and(alive))?;
    rustix::process::set_child_subreaper(Some(rustix::process::getpid()))?;
    rustix::process::umask(rustix::fs::Mode::empty());
    let furnished = match host.confinement {
        Confinement::Chroot => {
            init::read_spec(&request.spec, &request.blobs).and_then(|spec| Furnished::of(&spec))
        }
        _ if request.network == Network::Private => Err(SpawnError::words(
            Phase::Connection,
            "a network of its own that leads out takes a pid namespace, which this host does not allow",
        )),
        Confinement::Namespaces | Confinement::SharedProcesses => Ok(Furnished::nothing()),
    };
    let (cloned, entered) = cgroup::clone(flags, &request.groups);
    match cloned {
        Ok(Cloned::Child) => init::run(request, host, None, entered, furnished.map(std::mem::forget)),
        Ok(Cloned::Parent(process)) => {
            // The program sees by the end of these that the command executes, and that it has ended.
            let reply = request.keep_reply();
            let ended = watch(&process, &reply, alive);
            kill_the_rest();
            put_back(furnished);
            Reply::Ended(ended?).send(reply.as_fd())
        }
        Err(errno) => {
            put_back(furnished);
            Reply::NotCloned(errno).send(request.reply.as_fd())
        }
    }
}

fn put_back(furnished: Result<Furnished, SpawnError>) {
    if let Ok(mut furnished) = furnished {
        furnished.put_back();
    }
}

/// Waits until the command has ended, or nobody wants it any more.
fn watch(process: &Process, reply: &OwnedFd, alive: &OwnedFd) -> Result<Ended, Errno> {
    let kill = || {
        let _ = sys::pidfd_send_signal(process.pidfd.as_fd(), libc::SIGKILL);
    };
    if send_cloned(reply.as_fd(), process.pidfd.as_fd()).is_err() {
        // A process of which nobody knows could be stopped by nobody.
        kill();
    }
    loop {
        let mut polled = [
            PollFd::new(&process.pidfd, PollFlags::IN),
            // No events asked for: only the hangup is of interest.
            PollFd::new(reply, PollFlags::empty()),
            PollFd::new(alive, PollFlags::empty()),
        ];
        match poll(&mut polled, None) {
            Err(Errno::INTR) => continue,
            other => other?,
        };
        let [ended, dropped, orphaned] = polled.map(|fd| !fd.revents().is_empty());
        if dropped || orphaned {
            kill();
        }
        if ended || dropped || orphaned {
            return sys::wait(process.pid);
        }
    }
}

/// Kills every process that the command has left.
fn kill_the_rest() {
    loop {
        match rustix::process::wait(WaitOptions::NOHANG) {
            // Dead already.
            Ok(Some(_)) | Err(Errno::INTR) => continue,
            // None is left: the usual case.
            Err(_) => return,
            Ok(None) => {}
        }
        descendants::kill_all();
        // Each that dies makes its children ours.
        let _ = rustix::process::wait(WaitOptions::empty());
    }
}
