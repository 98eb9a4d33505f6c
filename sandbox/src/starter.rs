//! [`Starter`]: a process that starts commands as its own children, without a zygote between them.
//!
//! For a small process that looks after one command, has one thread, and is the first of its pid namespace: when it ends,
//! for whatever reason, the kernel kills the command.

use std::cell::RefCell;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::io::Errno;
use rustix::process::{WaitId, WaitIdOptions, waitid};

use crate::ask::{Asked, SealedSpec};
use crate::caller::Caller;
use crate::cgroup::Statistics;
use crate::confinement::Confinement;
use crate::emulator::Emulators;
use crate::init;
use crate::running::{Exit, ExitStatus, Running, Stdio};
use crate::signals::{self, Disposition};
use crate::spawn_error::{Phase, SpawnError};
use crate::sys::{self, Cloned};
use crate::zygote;

/// Starts commands as children of the calling process.
pub struct Starter {
    host: init::Host,
    caller: Caller,
    emulators: RefCell<Emulators>,
}

impl Starter {
    /// Call it in a process that is root of its user namespace and makes no threads.
    ///
    /// # Errors
    /// It has threads.
    pub fn new(caller: Caller) -> Result<Self, SpawnError> {
        if !sys::is_single_threaded() {
            return Err(SpawnError::new(Phase::Clone, Errno::BUSY));
        }
        Ok(Self {
            host: init::Host::look(Confinement::Namespaces),
            caller,
            emulators: RefCell::default(),
        })
    }

    /// Starts a command and returns once it executes.
    ///
    /// # Errors
    /// The step that failed, with the kernel's error and the path it was at.
    pub fn spawn(&self, sealed: &SealedSpec, stdio: Stdio) -> Result<Started, SpawnError> {
        let (request, waiting) = Asked::new(sealed, stdio)?.apart();
        if let Some(machine) = request.machine {
            self.emulators.borrow_mut().provide(machine);
        }
        let child = zygote::start(request, &self.host, &self.caller).map(zygote::Child::unheard);
        match waiting.answer() {
            Ok(running) => match child {
                Some(child) => Ok(Started { child, running }),
                None => Err(SpawnError::words(Phase::Clone, "there is no process")),
            },
            Err(error) => {
                if let Some(child) = child {
                    child.end();
                }
                Err(error)
            }
        }
    }
}

/// A command that this process has started. Dropping it kills nothing.
pub struct Started {
    child: zygote::Child,
    running: Running,
}

impl Started {
    /// The number of its first process, in the namespace of `/proc`. Nobody else has it before [`reap`](Self::reap).
    #[must_use]
    pub fn pid(&self) -> Option<i32> {
        signals::pid_of(self.running.pidfd())
    }

    /// Becomes readable when the command has ended.
    #[must_use]
    pub fn pidfd(&self) -> BorrowedFd<'_> {
        self.running.pidfd()
    }

    /// The outer side of the pty, once, when one was asked for.
    pub fn take_pty(&mut self) -> Option<OwnedFd> {
        self.running.take_pty()
    }

    /// As [`Running::disposition`].
    #[must_use]
    pub fn disposition(&self, signal: i32) -> Option<Disposition> {
        self.running.disposition(signal)
    }

    /// As [`Running::signal`].
    ///
    /// # Errors
    /// `EINVAL` for a number that is no signal.
    pub fn signal(&self, signal: i32) -> Result<(), Errno> {
        self.running.signal(signal)
    }

    /// How the command has ended, if it has; its number stays its own.
    #[must_use]
    pub fn ended(&self) -> Option<ExitStatus> {
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        let status = waitid(WaitId::PidFd(self.running.pidfd().as_fd()), options).ok()??;
        match status.terminating_signal() {
            Some(signal) => Some(ExitStatus::Signal(signal)),
            None => status.exit_status().map(ExitStatus::Code),
        }
    }

    /// What its group counts, where it has one.
    #[must_use]
    pub fn statistics(&self) -> Option<Statistics> {
        self.running.statistics()
    }

    /// Waits for the end of the command and of all that it started.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn reap(self) -> Result<Exit, Errno> {
        self.child.reap()
    }
}

/// Goes on as the first process of a pid namespace of its own, a child of whoever called before; the process that called
/// ends, with code 0. With one thread only.
///
/// # Errors
/// The kernel's refusal; `EBUSY` when there are threads.
pub fn go_on_as_first_process() -> Result<(), Errno> {
    match sys::fork_single_threaded(libc::CLONE_NEWPID)? {
        Cloned::Parent(_) => sys::exit_now(0),
        Cloned::Child => Ok(()),
    }
}
