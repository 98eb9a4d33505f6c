//! Tries namespaces and mounts in a child process and reports through a pipe.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use nix::sched::{CloneFlags, unshare};
use rustix::fs::{AtFlags, CWD, Mode, OFlags};
use rustix::io::Errno;
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, MountPropagationFlags, MoveMountFlags, fsconfig_create,
    fsmount, fsopen, move_mount,
};
use rustix::pipe::{PipeFlags, pipe_with};

use serde::{Deserialize, Serialize};

use super::{Check, Outcome, check, trial};
use crate::caller::Caller;
use crate::confinement::Confinement;
use crate::idmap::IdMapping;
use crate::landlock;
use crate::overlay::Layers;
use crate::pasta;
use crate::remedy::Remedy;
use crate::shortage::Shortage;
use crate::spawn_error::{Phase, SpawnError};
use crate::spec::Network;
use crate::sys::{self, Cloned};
use crate::userns::enter;
use crate::way::Way;

pub(super) const IDS: &str = "user and group ids";
pub(super) const STORE: &str = "store";
pub(super) const USER_NAMESPACE: &str = "user namespace";
pub(super) const NAMESPACES: &str = "namespaces";
pub(super) const OVERLAY: &str = "overlay";
pub(super) const PROC: &str = "own /proc";
pub(super) const STEP: &str = "a step";
pub(super) const CHROOT: &str = "chroot";
pub(super) const PROCESS: &str = "a process to try it in";

/// What was tried, and what came of it.
#[derive(Default, Serialize, Deserialize)]
pub(super) struct Attempted {
    pub(super) checks: Vec<Check>,
    /// How a step was started.
    pub(super) way: Option<Way>,
}

/// Tries all that a user namespace is for; `full` says whether a full id map is to be had.
pub(super) fn attempt(full: bool, store: Option<&Path>, caller: &Caller) -> Attempted {
    in_another_process(USER_NAMESPACE, || in_child(full, store, caller))
}

/// Tries a step whose root is a directory, without a namespace, as root.
pub(super) fn chroot(store: &Path) -> Check {
    let tried = in_another_process(CHROOT, || {
        let outcome = make_place(store)
            .map_err(|errno| {
                (
                    format!("{}: {}", store.display(), std::io::Error::from(errno)),
                    None,
                )
            })
            .and_then(|place| {
                let outcome = trial::start_step(&place, super::choose::CHROOT).map_err(trial_words);
                remove_place(&place);
                outcome
            });
        let outcome = outcome.map(|()| "a step can be started in a directory as its root".to_owned());
        Attempted {
            checks: vec![check(CHROOT, true, outcome)],
            way: None,
        }
    });
    let first = tried.checks.into_iter().next();
    first.unwrap_or_else(|| check(CHROOT, true, Err(("the attempt was killed".to_owned(), None))))
}

/// Whether a user namespace with this map can be entered.
pub(super) fn enters(mapping: &IdMapping) -> bool {
    let tried = in_another_process(USER_NAMESPACE, || {
        let outcome = enter(mapping).map(|_| String::new());
        let outcome = outcome.map_err(|error| (error.to_string(), None));
        Attempted {
            checks: vec![check(USER_NAMESPACE, true, outcome)],
            way: None,
        }
    });
    tried.checks.iter().all(|check| check.ok)
}

/// Has a child process try something, so that this one keeps its namespaces and ids.
fn in_another_process(name: &str, tries: impl FnOnce() -> Attempted + std::panic::UnwindSafe) -> Attempted {
    let only = |check: Check| Attempted {
        checks: vec![check],
        way: None,
    };
    let failed = |what: &str| only(check(name, true, Err((what.to_owned(), None))));
    let not_tried = |what: &str, errno: Errno| {
        let remedy = Shortage::of(errno.raw_os_error()).map(Remedy::More);
        let detail = format!("cannot {what}: {}", std::io::Error::from(errno));
        only(check(PROCESS, true, Err((detail, remedy))))
    };
    let (results, results_there) = match pipe_with(PipeFlags::CLOEXEC) {
        Ok(pipe) => pipe,
        Err(errno) => return not_tried("make a pipe", errno),
    };
    // The caller may have threads (tests): the C library's fork is made for that, the raw one is not.
    match sys::fork_with_threads() {
        Err(errno) => not_tried("fork", errno),
        Ok(None) => {
            drop(results);
            let _ = std::panic::catch_unwind(|| {
                let text = serde_json::to_vec(&tries()).unwrap_or_default();
                let _ = File::from(results_there).write_all(&text);
            });
            sys::exit_now(0)
        }
        Ok(Some(child)) => {
            drop(results_there);
            let mut text = Vec::new();
            let read = File::from(results).read_to_end(&mut text);
            let _ = sys::wait(child);
            match read {
                Ok(_) => serde_json::from_slice(&text).unwrap_or_else(|_| failed("the attempt was killed")),
                Err(error) => failed(&error.to_string()),
            }
        }
    }
}

fn in_child(full: bool, store: Option<&Path>, caller: &Caller) -> Attempted {
    // A directory for the overlay is made by the caller's own id, before it changes.
    let place = store.map(|store| (store, make_place(store)));
    let mut checks = Vec::new();
    let mut way = None;
    if let Some((store, place)) = &place {
        checks.push(check(STORE, true, judge_store(store, place)));
    }
    let mapping = if full {
        IdMapping::for_host(caller).ok()
    } else {
        None
    }
    .unwrap_or_else(IdMapping::single);
    let entered = enter(&mapping);
    let usable = entered.is_ok();
    checks.push(check(
        USER_NAMESPACE,
        true,
        match &entered {
            Ok(_) => Ok("can be entered".to_owned()),
            Err(error) => Err((
                error.to_string(),
                Some(error.remedy().unwrap_or(Remedy::OtherHost)),
            )),
        },
    ));
    if usable {
        let place = place.as_ref().and_then(|(_, place)| place.as_deref().ok());
        // Before this process has namespaces of its own, as the zygote of a build.
        let on_overlays = checks.iter().all(|check| check.name != STORE || check.ok);
        let trial = place.filter(|_| full).map(|place| best_way(place, on_overlays));
        checks.extend(mounts(place, caller));
        match trial {
            Some(Ok(found)) => {
                way = Some(found);
                checks.push(check(STEP, true, Ok("can be started".to_owned())));
            }
            // Where a single thing is missing already, the whole says nothing new.
            Some(Err(error)) if checks.iter().all(|check| check.ok || !check.required) => {
                checks.push(check(STEP, true, Err(trial_words(error))));
            }
            _ => {}
        }
    }
    if let Some((_, Ok(place))) = &place {
        remove_place(place);
    }
    Attempted { checks, way }
}

/// Starts a step the strongest way, then without what stopped it.
fn best_way(place: &Path, overlays: bool) -> Result<Way, SpawnError> {
    let mut way = Way {
        confinement: Confinement::Namespaces,
        overlays,
    };
    loop {
        let Err(error) = trial::start_step(place, way) else {
            return Ok(way);
        };
        match error.phase {
            Phase::Root if way.overlays => way.overlays = false,
            Phase::Proc if way.confinement == Confinement::Namespaces => {
                way.confinement = Confinement::SharedProcesses;
            }
            _ => return Err(error),
        }
    }
}

/// A directory in the store with room for an overlay.
fn make_place(store: &Path) -> Result<PathBuf, Errno> {
    // Several containers on one store have processes of the same number.
    let mut random = [0; 8];
    rustix::rand::getrandom(&mut random, rustix::rand::GetRandomFlags::empty())?;
    let place = store.join(format!(".probe-{:016x}", u64::from_ne_bytes(random)));
    for path in [
        &place,
        &place.join("lower"),
        &place.join("upper"),
        &place.join("work"),
    ] {
        rustix::fs::mkdir(path, Mode::RWXU)?;
    }
    Ok(place)
}

/// What an overlay leaves: `work/work`, made by the kernel.
fn remove_place(place: &Path) {
    for name in ["work/work", "work/index", "work", "upper", "lower", ""] {
        // Absent ones and, at the worst, an empty directory with a telling name.
        let _ = rustix::fs::unlinkat(CWD, place.join(name), AtFlags::REMOVEDIR);
    }
}

/// Whether the file system of the store can hold the upper directory of an overlay.
fn judge_store(store: &Path, place: &Result<PathBuf, Errno>) -> Outcome {
    const OVERLAYFS: u64 = 0x794c_7630;
    let elsewhere = |errno: Errno| Some(unless_short(errno.raw_os_error(), || Remedy::LocalStore));
    let shown = store.display();
    let place = match place {
        Ok(place) => place,
        Err(errno) => {
            return Err((
                format!("{shown}: {}", std::io::Error::from(*errno)),
                elsewhere(*errno),
            ));
        }
    };
    let kind = rustix::fs::statfs(store).map(|stat| stat.f_type as u64);
    if kind == Ok(OVERLAYFS) {
        return Err((
            format!("{shown} is itself on an overlay, which cannot hold layers"),
            Some(Remedy::StoreOnVolume),
        ));
    }
    match rustix::fs::setxattr(
        place.join("upper"),
        "user.rbuild",
        b"1",
        rustix::fs::XattrFlags::empty(),
    ) {
        Ok(()) => Ok(format!("{shown} can hold layers")),
        Err(errno) => Err((
            format!(
                "{shown} has no extended attributes: {}",
                std::io::Error::from(errno)
            ),
            elsewhere(errno),
        )),
    }
}

fn mounts(place: Option<&Path>, caller: &Caller) -> Vec<Check> {
    let namespaces = CloneFlags::CLONE_NEWNS
        | CloneFlags::CLONE_NEWPID
        | CloneFlags::CLONE_NEWIPC
        | CloneFlags::CLONE_NEWUTS
        | CloneFlags::CLONE_NEWCGROUP;
    if let Err(errno) = unshare(namespaces) {
        let remedy = unless_short(errno as i32, || Remedy::AppArmor);
        let detail = format!("cannot be made in the user namespace: {errno}");
        return vec![check(NAMESPACES, true, Err((detail, Some(remedy))))];
    }
    let mut checks = vec![check(
        NAMESPACES,
        true,
        Ok("mount, pid, ipc, uts, cgroup".to_owned()),
    )];
    let private =
        rustix::mount::mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC);
    checks.push(check(
        OVERLAY,
        true,
        private.and_then(|()| overlay(place)).map_err(overlay_words),
    ));
    checks.push(check(
        PROC,
        true,
        in_new_pid_namespace(|| try_fs("proc")).map_err(proc_words),
    ));
    // A name of its own is only for looks.
    let named = rustix::system::sethostname(b"rbuild").map(|()| "can be set".to_owned());
    checks.push(check(
        "host name",
        false,
        named.map_err(|errno| (std::io::Error::from(errno).to_string(), Some(Remedy::HostName))),
    ));
    let network = unshare(CloneFlags::CLONE_NEWNET).map_err(|errno| Errno::from_raw_os_error(errno as i32));
    let without_network = |errno: Errno| {
        (
            std::io::Error::from(errno).to_string(),
            Some(Remedy::NetworkNamespaces),
        )
    };
    checks.push(check(
        "network namespace",
        false,
        network
            .map(|()| "can be made".to_owned())
            .map_err(without_network),
    ));
    // Where this fails the host's is bound read-only.
    checks.push(check(
        "own /sys",
        false,
        try_fs("sysfs").map_err(|errno| (std::io::Error::from(errno).to_string(), Some(Remedy::HostSys))),
    ));
    // Last: it does not end.
    checks.push(check("abstract sockets", false, abstract_sockets(caller)));
    checks
}

/// Sockets without a file, of the network that steps share with the host.
fn abstract_sockets(caller: &Caller) -> Outcome {
    let remedy = || Some(Remedy::AbstractSockets);
    if !landlock::has_scopes() {
        return match pasta::default_network(caller) {
            Network::Host => Err((
                "those of the host can be reached by steps on its network".to_owned(),
                remedy(),
            )),
            _ => Ok("there is no Landlock for them, so steps have a network of their own".to_owned()),
        };
    }
    landlock::leave_abstract_sockets()
        .map(|()| "those of the host are out of reach of steps".to_owned())
        .map_err(|errno| (std::io::Error::from(errno).to_string(), remedy()))
}

fn try_fs(kind: &str) -> Result<String, Errno> {
    let fs = fsopen(kind, FsOpenFlags::FSOPEN_CLOEXEC)?;
    fsconfig_create(&fs)?;
    fsmount(&fs, FsMountFlags::FSMOUNT_CLOEXEC, MountAttrFlags::empty())?;
    Ok("can be mounted".to_owned())
}

/// The pid namespace of `unshare` begins with the next child.
fn in_new_pid_namespace(attempt: fn() -> Result<String, Errno>) -> Result<String, Errno> {
    match sys::clone_process(0)? {
        Cloned::Child => sys::exit_now(attempt().err().map_or(0, Errno::raw_os_error)),
        Cloned::Parent(child) => match libc::WEXITSTATUS(sys::wait(child.pid)?.status) {
            0 => Ok("can be mounted".to_owned()),
            errno => Err(Errno::from_raw_os_error(errno)),
        },
    }
}

fn overlay(place: Option<&Path>) -> Result<String, Errno> {
    let scratch = tmpfs()?;
    let memory;
    let place = match place {
        Some(place) => place,
        None => {
            for name in ["lower", "upper", "work"] {
                rustix::fs::mkdirat(&scratch, name, Mode::RWXU)?;
            }
            memory = PathBuf::from(format!(
                "/proc/self/fd/{}",
                std::os::fd::AsRawFd::as_raw_fd(&scratch)
            ));
            &memory
        }
    };
    let (lower, upper, work) = (place.join("lower"), place.join("upper"), place.join("work"));
    let layers = Layers {
        lowers: &[lower],
        upper: Some((&upper, &work)),
        volatile: false,
    };
    let mounted = layers
        .mount(MountAttrFlags::empty(), scratch.as_fd())
        .map_err(|(errno, _)| errno)?;
    // Mounting can succeed where writing cannot.
    rustix::fs::openat(
        &mounted,
        "file",
        OFlags::CREATE | OFlags::WRONLY | OFlags::CLOEXEC,
        Mode::RWXU,
    )?;
    rustix::fs::unlinkat(&mounted, "file", AtFlags::empty())?;
    Ok("can be mounted and written".to_owned())
}

/// A memory file system on top of this namespace's root, where nobody sees it.
fn tmpfs() -> Result<OwnedFd, Errno> {
    let fs = fsopen("tmpfs", FsOpenFlags::FSOPEN_CLOEXEC)?;
    fsconfig_create(&fs)?;
    let mount = fsmount(&fs, FsMountFlags::FSMOUNT_CLOEXEC, MountAttrFlags::empty())?;
    move_mount(&mount, c"", CWD, c"/", MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH)?;
    Ok(mount)
}

/// The remedy for an error number, unless it is about something else than what was tried.
fn unless_short(errno: i32, remedy: impl FnOnce() -> Remedy) -> Remedy {
    Shortage::of(errno).map_or_else(remedy, Remedy::More)
}

fn overlay_words(errno: Errno) -> (String, Option<Remedy>) {
    let remedy = unless_short(errno.raw_os_error(), || match errno {
        Errno::NODEV => Remedy::OverlayModule,
        Errno::PERM | Errno::NOSYS if super::is_filtered() => Remedy::NoFilter,
        _ => Remedy::LocalStore,
    });
    (
        format!("cannot be mounted: {}", std::io::Error::from(errno)),
        Some(remedy),
    )
}

fn proc_words(errno: Errno) -> (String, Option<Remedy>) {
    let remedy = unless_short(errno.raw_os_error(), || match errno {
        Errno::PERM => Remedy::WholeProc,
        _ => Remedy::HostWithProc,
    });
    (
        format!("cannot be mounted: {}", std::io::Error::from(errno)),
        Some(remedy),
    )
}

fn trial_words(error: SpawnError) -> (String, Option<Remedy>) {
    let remedy = unless_short(error.errno, || match error.errno {
        libc::EPERM | libc::ENOSYS => Remedy::NoFilter,
        _ if super::is_filtered() => Remedy::NoFilter,
        _ => Remedy::UnknownHost,
    });
    (error.to_string(), Some(remedy))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_store_without_a_place_says_where_to_go() {
        let absent = Path::new("/absent/store");
        let place = make_place(absent);
        let (detail, remedy) = judge_store(absent, &place).unwrap_err();
        assert!(detail.contains("/absent/store: No such file"), "{detail}");
        assert_eq!(remedy, Some(Remedy::LocalStore));
    }

    #[test]
    fn places_of_several_processes_are_apart() {
        let store = tempfile::tempdir().unwrap();
        let places = [
            make_place(store.path()).unwrap(),
            make_place(store.path()).unwrap(),
        ];
        assert_ne!(places[0], places[1]);
        places.iter().for_each(|place| remove_place(place));
        assert_eq!(std::fs::read_dir(store.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_store_without_user_attributes_is_told() {
        // procfs-like file systems refuse directories altogether; what matters is that the path is named.
        let (detail, _) = judge_store(Path::new("/proc"), &make_place(Path::new("/proc"))).unwrap_err();
        assert!(detail.contains("/proc"), "{detail}");
    }

    #[test]
    fn words_for_proc_name_the_mask() {
        assert_eq!(proc_words(Errno::PERM).1, Some(Remedy::WholeProc));
    }
}
