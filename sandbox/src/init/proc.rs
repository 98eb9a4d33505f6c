//! `/proc`: the processes of the step's own pid namespace, with what tells of the host hidden or read-only.

use std::os::fd::AsFd;
use std::path::Path;

use rustix::fs::{OFlags, PROC_SUPER_MAGIC};
use rustix::io::Errno;

use super::{Init, Outcome, dev, tree};
use crate::spawn_error::{Phase, SpawnError};

/// Hidden: they tell of the host, or belong to it.
const MASKED: [&str; 10] = [
    "acpi",
    "asound",
    "interrupts",
    "kcore",
    "keys",
    "latency_stats",
    "sched_debug",
    "scsi",
    "timer_list",
    "timer_stats",
];

/// Settings of the host. Root's steps have the uid that may write them.
const READ_ONLY: [&str; 7] = [
    "bus",
    "driver",
    "dynamic_debug",
    "fs",
    "irq",
    "sys",
    "sysrq-trigger",
];

/// Mounts `/proc` and hides parts of it before anything that the user asked for is mounted.
pub(super) fn proc(init: &mut Init) -> Outcome {
    let fail = |errno| SpawnError::new(Phase::Proc, errno);
    let root = init
        .root
        .as_ref()
        .ok_or_else(|| SpawnError::words(Phase::Proc, "no root"))?;
    // CVE-2023-27561: a symlink here would put everything below somewhere else.
    let target = mount_point(root, "proc", Phase::Proc)?;
    if !init.host.confinement.has_own_processes() {
        return shared(&target);
    }
    let proc = tree::new_fs("proc", &[], tree::NO_SUID_DEV_EXEC).map_err(|errno| match errno {
        Errno::PERM => fail(errno).because(
            "the kernel refuses a new /proc, because parts of this one are covered (a container's masks)",
        ),
        _ => fail(errno),
    })?;
    // CVE-2025-52881: what follows must land in a real procfs.
    if rustix::fs::fstatfs(&proc).map_err(fail)?.f_type != PROC_SUPER_MAGIC {
        return Err(SpawnError::words(
            Phase::Proc,
            "the kernel mounted something else",
        ));
    }
    if init.spec.may_mount() {
        init.bare_proc = Some(tree::clone_mount(proc.as_fd(), false).map_err(fail)?);
    }
    tree::attach(&proc, target.as_fd()).map_err(fail)?;
    mask(&proc)
}

/// Hides what tells of the host, and makes its settings read-only.
fn mask(proc: &std::os::fd::OwnedFd) -> Outcome {
    let fail = |errno| SpawnError::new(Phase::Proc, errno);
    let masks = tree::Masks {
        null: dev::host_device("null", 1, 3).map_err(|errno| fail(errno).at("/dev/null"))?,
    };
    for name in MASKED {
        tree::mask(proc, Path::new(name), &masks).map_err(|errno| fail(errno).at(format!("/proc/{name}")))?;
    }
    for name in READ_ONLY {
        let made = match tree::place(proc, name, OFlags::empty()) {
            Err(Errno::NOENT) => continue,
            other => other,
        }
        .and_then(|target| {
            let mount = tree::clone_mount(target.as_fd(), true)?;
            tree::restrict(&mount, true, tree::READ_ONLY_SPECIAL)?;
            tree::attach(&mount, target.as_fd())
        });
        made.map_err(|errno| fail(errno).at(format!("/proc/{name}")))?;
    }
    Ok(())
}

/// The `/proc` that is there, with what covers it: whoever covered it has hidden what this hides, and what belongs to the
/// host is read-only.
fn shared(target: &std::os::fd::OwnedFd) -> Outcome {
    let fail = |errno| SpawnError::new(Phase::Proc, errno);
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let proc = rustix::fs::open("/proc", flags, rustix::fs::Mode::empty())
        .and_then(|proc| tree::clone_mount(proc.as_fd(), true))
        .map_err(fail)?;
    tree::restrict(&proc, true, tree::NO_SUID_EXEC).map_err(fail)?;
    tree::attach(&proc, target.as_fd()).map_err(fail)?;
    mask(&proc)
}

/// Opens a directory of the new root to mount on.
pub(super) fn mount_point(
    root: impl AsFd,
    name: &str,
    step: Phase,
) -> Result<std::os::fd::OwnedFd, SpawnError> {
    tree::place(root, name, OFlags::DIRECTORY).map_err(|errno| {
        let error = SpawnError::new(step, errno).at(format!("/{name}"));
        match errno {
            Errno::LOOP => error.because("the image has a symlink there, which is refused"),
            Errno::NOTDIR => error.because("the image has a file there, which is no directory"),
            _ => error,
        }
    })
}
