//! Moves the process into a user namespace in which it is root.
//!
//! Once per process, before any thread exists. The maps are written by a child that stayed behind in the old
//! namespace, because the kernel asks the writer for privileges there: `user_namespaces(7)`.

use std::fmt::Write as _;
use std::fs;
use std::io::{Read, Write as _};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use nix::sched::{CloneFlags, unshare};
use rustix::io::Errno;
use rustix::pipe::{PipeFlags, pipe_with};

use crate::child;
use crate::idmap::{Helpers, IdMapping, IdRange};
use crate::remedy::Remedy;
use crate::shortage::Shortage;
use crate::sys::{self, Cloned, Process};

const APPARMOR_SYSCTL: &str = "/proc/sys/kernel/apparmor_restrict_unprivileged_userns";

/// Proof that the process is in its user namespace.
#[derive(Clone, Debug)]
pub struct Entered {
    /// The ids that exist from now on.
    pub mapping: IdMapping,
}

/// The user namespace could not be entered.
#[derive(Debug, thiserror::Error)]
pub enum EnterError {
    /// The process has more than one thread.
    #[error("a user namespace can only be entered before the process has threads")]
    Threads,
    /// The kernel refuses a new namespace.
    #[error("the kernel refuses a user namespace: {}", io_words(*.0))]
    Unshare(Errno),
    /// AppArmor takes all privileges in a new user namespace away.
    #[error("AppArmor takes the privileges of user namespaces away")]
    AppArmor,
    /// `newuidmap` or `newgidmap` failed.
    #[error("{program} failed: {message}")]
    Helper {
        /// Which one.
        program: &'static str,
        /// Where it is.
        path: PathBuf,
        /// What it wrote to stderr, or how it ended.
        message: String,
    },
    /// The kernel refuses a map.
    #[error("cannot write {file}: {message}")]
    Map {
        /// `uid_map` or `gid_map`.
        file: String,
        /// Why.
        message: String,
    },
    /// Another system call failed.
    #[error("cannot {attempt}: {}", io_words(*errno))]
    System {
        /// What was attempted.
        attempt: &'static str,
        /// The kernel's answer.
        errno: Errno,
    },
}

fn io_words(errno: Errno) -> String {
    std::io::Error::from(errno).to_string()
}

impl EnterError {
    /// What there is no more of at this moment, on a host that allows it.
    pub fn shortage(&self) -> Option<Shortage> {
        match self {
            EnterError::Unshare(errno) | EnterError::System { errno, .. } => {
                Shortage::of(errno.raw_os_error())
            }
            _ => None,
        }
    }

    /// What mends it, where that is known.
    pub fn remedy(&self) -> Option<Remedy> {
        if let Some(shortage) = self.shortage() {
            return Some(Remedy::More(shortage));
        }
        match self {
            EnterError::Unshare(errno) => Some(of_unshare(*errno)),
            EnterError::AppArmor => Some(Remedy::AppArmor),
            EnterError::Helper { path, message, .. } if message.contains("Operation not permitted") => {
                Some(Remedy::SetUserId(path.clone()))
            }
            EnterError::Helper { .. } => Some(Remedy::SubordinateIds(None)),
            EnterError::Map { message, .. } if message.contains("Read-only file system") => {
                Some(Remedy::WholeProc)
            }
            EnterError::Threads | EnterError::Map { .. } | EnterError::System { .. } => None,
        }
    }
}

/// What to do when the kernel refuses a user namespace.
fn of_unshare(errno: Errno) -> Remedy {
    let is = |path: &str, value: &str| fs::read_to_string(path).is_ok_and(|text| text.trim() == value);
    if is("/proc/sys/user/max_user_namespaces", "0") {
        return Remedy::UserNamespaces;
    }
    if is("/proc/sys/kernel/unprivileged_userns_clone", "0") {
        return Remedy::UnprivilegedNamespaces;
    }
    if is(APPARMOR_SYSCTL, "1") {
        return Remedy::AppArmor;
    }
    match errno {
        Errno::NOSPC | Errno::USERS => Remedy::MoreUserNamespaces,
        _ => Remedy::NoFilter,
    }
}

/// Moves the calling process into a new user namespace with the given maps, as its root, with all capabilities in it.
///
/// Call it once, on the main thread, before any other thread exists. A thread that has just been joined is waited for.
///
/// # Errors
/// What was refused; [`EnterError::remedy`] says how to mend it. After an error the process may be in a namespace
/// without a map and should do nothing but report and exit.
pub fn enter(mapping: &IdMapping) -> Result<Entered, EnterError> {
    let system = |attempt| move |errno| EnterError::System { attempt, errno };
    let (go_there, go) = pipe_with(PipeFlags::CLOEXEC).map_err(system("make a pipe"))?;
    let (result, result_there) = pipe_with(PipeFlags::CLOEXEC).map_err(system("make a pipe"))?;
    let target = std::process::id();
    let writer = match sys::fork_single_threaded(0) {
        Err(Errno::BUSY) => return Err(EnterError::Threads),
        Err(errno) => return Err(system("fork")(errno)),
        Ok(Cloned::Parent(process)) => process,
        Ok(Cloned::Child) => {
            drop((go, result));
            let ok = std::panic::catch_unwind(|| stay_behind(target, mapping, go_there, result_there));
            sys::exit_now(if ok.is_ok() { 0 } else { 1 })
        }
    };
    drop((go_there, result_there));
    let unshared = unshare_user();
    if unshared.is_ok() {
        // The writer only waits for this byte; should it be gone, its result says so.
        let _ = rustix::io::write(&go, b"x");
    }
    drop(go);
    let written = read_result(result, &writer, mapping.helpers.as_ref());
    unshared?;
    written?;
    become_root()?;
    if mapping.helpers.is_some() && fs::read_to_string(APPARMOR_SYSCTL).is_ok_and(|text| text.trim() == "1") {
        // Only a try shows whether AppArmor took the capabilities. A host name of our own does no harm.
        unshare(CloneFlags::CLONE_NEWUTS).map_err(|_| EnterError::AppArmor)?;
    }
    Ok(Entered {
        mapping: mapping.clone(),
    })
}

/// Makes the namespace. `EINVAL` means that a thread is still leaving.
fn unshare_user() -> Result<(), EnterError> {
    for _ in 0..20 {
        match unshare(CloneFlags::CLONE_NEWUSER) {
            Err(nix::Error::EINVAL) => std::thread::sleep(Duration::from_micros(500)),
            other => {
                return other.map_err(|errno| EnterError::Unshare(Errno::from_raw_os_error(errno as i32)));
            }
        }
    }
    Err(EnterError::Threads)
}

fn become_root() -> Result<(), EnterError> {
    let system = |attempt| {
        move |errno: nix::Error| EnterError::System {
            attempt,
            errno: Errno::from_raw_os_error(errno as i32),
        }
    };
    let (uid, gid) = (nix::unistd::Uid::from_raw(0), nix::unistd::Gid::from_raw(0));
    nix::unistd::setresgid(gid, gid, gid).map_err(system("become group 0 of the namespace"))?;
    nix::unistd::setresuid(uid, uid, uid).map_err(system("become user 0 of the namespace"))
}

/// The child's part: waits until the parent is in its namespace, has the maps written, says how that went.
fn stay_behind(target: u32, mapping: &IdMapping, go: OwnedFd, result: OwnedFd) {
    let mut byte = [0];
    if !matches!(fs::File::from(go).read(&mut byte), Ok(1)) {
        return;
    }
    let refused = match &mapping.helpers {
        None => write_maps(target, mapping),
        Some(helpers) => run_helpers(target, mapping, helpers),
    };
    // One byte says that all is well, since an empty pipe could also mean that this process was killed.
    let text = refused.map_or_else(|| "+".to_owned(), |refused| refused.to_text());
    let _ = fs::File::from(result).write_all(text.as_bytes());
}

/// What the child says to the parent when the maps could not be written.
struct Refused {
    /// A file, or the helper that was to write it.
    what: String,
    /// The kernel's answer, 0 where a helper has said something itself.
    errno: i32,
    message: String,
}

impl Refused {
    fn new(what: &str, error: &std::io::Error) -> Self {
        Self {
            what: what.to_owned(),
            errno: error.raw_os_error().unwrap_or(0),
            message: error.to_string(),
        }
    }

    fn said(what: &str, message: String) -> Self {
        Self {
            what: what.to_owned(),
            errno: 0,
            message,
        }
    }

    fn to_text(&self) -> String {
        format!("{}\n{}\n{}", self.what, self.errno, self.message)
    }

    fn from_text(text: &str) -> Option<Self> {
        let mut parts = text.splitn(3, '\n');
        Some(Self {
            what: parts.next()?.to_owned(),
            errno: parts.next()?.parse().ok()?,
            message: parts.next()?.to_owned(),
        })
    }

    fn into_error(self, helpers: Option<&Helpers>) -> EnterError {
        let attempt = match self.what.as_str() {
            "newuidmap" => "start newuidmap",
            "newgidmap" => "start newgidmap",
            _ => "write the id maps",
        };
        if Shortage::of(self.errno).is_some() {
            let errno = Errno::from_raw_os_error(self.errno);
            return EnterError::System { attempt, errno };
        }
        let message = self.message;
        match (self.what.as_str(), helpers) {
            ("newuidmap", Some(helpers)) => EnterError::Helper {
                program: "newuidmap",
                path: helpers.uids.clone(),
                message,
            },
            ("newgidmap", Some(helpers)) => EnterError::Helper {
                program: "newgidmap",
                path: helpers.gids.clone(),
                message,
            },
            _ => EnterError::Map {
                file: self.what,
                message,
            },
        }
    }
}

fn write_maps(target: u32, mapping: &IdMapping) -> Option<Refused> {
    // A process without privileges may map its group only after it has given up setgroups(2).
    let unprivileged = !rustix::process::geteuid().is_root();
    if unprivileged && let Err(error) = fs::write(format!("/proc/{target}/setgroups"), "deny") {
        return Some(Refused::new("setgroups", &error));
    }
    for (file, ranges) in [("uid_map", &mapping.uids), ("gid_map", &mapping.gids)] {
        let mut text = String::new();
        for IdRange {
            inside,
            outside,
            count,
        } in ranges
        {
            // Writing into a String cannot fail.
            let _ = writeln!(text, "{inside} {outside} {count}");
        }
        // The kernel takes a map in one write only.
        if let Err(error) = fs::write(format!("/proc/{target}/{file}"), text) {
            return Some(Refused::new(file, &error));
        }
    }
    None
}

fn run_helpers(target: u32, mapping: &IdMapping, helpers: &Helpers) -> Option<Refused> {
    let start = |program: &Path, ranges: &[IdRange]| {
        let mut command = Command::new(program);
        command.arg(target.to_string());
        for range in ranges {
            command.args([range.inside, range.outside, range.count].map(|number| number.to_string()));
        }
        child::with_limits_of_caller(&mut command);
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
    };
    // Both at once: each takes about a millisecond.
    let started = [
        ("newuidmap", start(&helpers.uids, &mapping.uids)),
        ("newgidmap", start(&helpers.gids, &mapping.gids)),
    ];
    let mut failure = None;
    for (program, child) in started {
        let refused = match child.and_then(std::process::Child::wait_with_output) {
            Ok(output) if output.status.success() => continue,
            Ok(output) if output.stderr.is_empty() => Refused::said(program, output.status.to_string()),
            Ok(output) => Refused::said(program, String::from_utf8_lossy(&output.stderr).trim().to_owned()),
            Err(error) => Refused::new(program, &error),
        };
        failure.get_or_insert(refused);
    }
    failure
}

fn read_result(result: OwnedFd, writer: &Process, helpers: Option<&Helpers>) -> Result<(), EnterError> {
    let mut text = String::new();
    let read = fs::File::from(result).read_to_string(&mut text);
    sys::wait(writer.pid).map_err(|errno| EnterError::System {
        attempt: "wait for a child",
        errno,
    })?;
    let refused = match (read, text.as_str()) {
        (Ok(_), "+") => return Ok(()),
        (Ok(_), text) => Refused::from_text(text)
            .unwrap_or_else(|| Refused::said("the id maps", "their writer was killed".to_owned())),
        (Err(error), _) => Refused::new("the id maps", &error),
    };
    Err(refused.into_error(helpers))
}
