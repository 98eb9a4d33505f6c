//! What the children of the program that are no steps (`git`, credential helpers) have from it.

use std::process::Command;

use nix::sys::signal::SigSet;
use rustix::process::Signal;

use crate::inherited;
use crate::sys;

/// Lets a program make files with the usual modes, whatever the umask of the caller.
pub fn with_usual_umask(command: &mut Command) {
    sys::before_exec(command, || {
        rustix::process::umask(rustix::fs::Mode::WGRP | rustix::fs::Mode::WOTH);
        Ok(())
    });
}

/// Gives a program the limits that the caller gave us: one that uses select(2) must have no more.
pub fn with_limits_of_caller(command: &mut Command) {
    sys::before_exec(command, || {
        inherited::restore_limits();
        Ok(())
    });
}

/// Lets a program end with the thread that starts it, however that ends, and gives it the limits of the caller. Signals
/// that are blocked here, because a thread waits for them, are not there.
pub fn ends_with_us(command: &mut Command) {
    with_limits_of_caller(command);
    sys::before_exec(command, || Ok(SigSet::empty().thread_set_mask()?));
    ends_by(command, Signal::TERM);
}

/// Lets a program be killed with the thread that starts it, however that ends.
pub fn is_killed_with_us(command: &mut Command) {
    ends_by(command, Signal::KILL);
}

/// Lets a program live on without the one that starts it: in a session of its own, with the limits of the caller.
pub fn lives_on(command: &mut Command) {
    with_limits_of_caller(command);
    sys::before_exec(command, || {
        rustix::process::setsid()?;
        Ok(())
    });
}

fn ends_by(command: &mut Command, signal: Signal) {
    let us = rustix::process::getpid();
    sys::before_exec(command, move || {
        rustix::process::set_parent_process_death_signal(Some(signal))?;
        // It may have ended before it could be told of.
        match rustix::process::getppid() {
            Some(parent) if parent == us => Ok(()),
            _ => Err(rustix::io::Errno::SRCH.into()),
        }
    });
}
