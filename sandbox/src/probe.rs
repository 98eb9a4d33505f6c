//! What this host allows: a cheap guess for every run, and a thorough look for `rbuild doctor`.
//!
//! The thorough look tries things in child processes, so that the caller keeps its namespaces and ids.

mod attempt;
mod choose;
mod trial;

use std::fs;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::caller::Caller;
use crate::cgroup;
use crate::confinement::Confinement;
use crate::idmap::IdMapping;
use crate::pasta;
use crate::remedy::Remedy;
use crate::shortage::Shortage;
use crate::way::Way;

pub use choose::{Choice, choose};

/// What the host allows, best first. Shown and written as the letter of its tier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Allowance {
    /// Root: a user namespace with every id.
    #[serde(rename = "Root")]
    Root,
    /// A user namespace with a subordinate range: every id that images use.
    #[serde(rename = "A")]
    IdRange,
    /// A user namespace with every id, without a `/proc` of its own or without overlays.
    #[serde(rename = "C")]
    Less,
    /// A user namespace with one id.
    #[serde(rename = "B")]
    OneId,
    /// Root that may change its root directory and make devices, and nothing more.
    #[serde(rename = "D1")]
    Chroot,
    /// Its own files.
    #[serde(rename = "D2")]
    Files,
}

impl Allowance {
    /// What its tier is called.
    pub fn tier(self) -> &'static str {
        match self {
            Allowance::Root => "Root",
            Allowance::IdRange => "A",
            Allowance::Less => "C",
            Allowance::OneId => "B",
            Allowance::Chroot => "D1",
            Allowance::Files => "D2",
        }
    }

    /// Whether [`enter`](crate::enter) works here.
    pub fn has_namespace(self) -> bool {
        matches!(self, Allowance::Root | Allowance::IdRange | Allowance::Less)
    }
}

/// One thing that was tried.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Check {
    /// What, in a few words.
    pub name: String,
    /// Whether it works.
    pub ok: bool,
    /// Whether a build cannot do without it.
    pub required: bool,
    /// What was found.
    pub detail: String,
    /// What mends it, where that is known.
    pub remedy: Option<Remedy>,
}

/// All that was found out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostReport {
    /// What the host allows.
    pub allows: Allowance,
    /// How commands are run here; `None` where they cannot be.
    pub way: Option<Way>,
    /// What was tried, in order.
    pub checks: Vec<Check>,
}

/// Checks that decide which way commands are run.
const OF_WAYS: [&str; 9] = [
    attempt::IDS,
    attempt::STORE,
    attempt::USER_NAMESPACE,
    attempt::NAMESPACES,
    attempt::OVERLAY,
    attempt::PROC,
    attempt::STEP,
    attempt::CHROOT,
    attempt::PROCESS,
];

impl HostReport {
    /// What keeps the host from a stronger way than it allows.
    pub fn weakness(&self) -> Option<&Check> {
        let mut failed = self.checks.iter().filter(|check| !check.ok);
        failed.find(|check| OF_WAYS.contains(&check.name.as_str()))
    }

    /// The first thing that a build cannot do without and that does not work.
    pub fn obstacle(&self) -> Option<&Check> {
        self.checks.iter().find(|check| check.required && !check.ok)
    }
}

/// What the host allows, as far as files tell, without trying anything: well below a millisecond. What this overlooks, for instance
/// a system call filter, shows when [`enter`](crate::enter) or the first step fails; then [`probe`] explains.
pub fn allowance(caller: &Caller) -> Allowance {
    if fs::read_to_string("/proc/sys/user/max_user_namespaces").is_ok_and(|text| text.trim() == "0") {
        return match rustix::process::geteuid().is_root() {
            true => Allowance::Chroot,
            false => Allowance::Files,
        };
    }
    match IdMapping::for_host(caller) {
        Ok(mapping) if mapping.helpers.is_none() => Allowance::Root,
        Ok(_) => Allowance::IdRange,
        Err(_) => Allowance::OneId,
    }
}

/// Whether a user namespace with every id that images use can be entered here: tried out in a child process.
pub fn has_namespace(caller: &Caller) -> bool {
    IdMapping::for_host(caller).is_ok_and(|mapping| attempt::enters(&mapping))
}

/// Whether this looks like a container: parts of `/proc` are covered or read-only, or there is a system call filter.
/// Then a step may be refused what it needs, which only [`probe`] can tell. Well below a millisecond.
pub fn is_confined() -> bool {
    fs::read_to_string("/proc/self/mountinfo").map_or(true, |mounts| covers_proc(&mounts)) || is_filtered()
}

/// Whether this process is under a system call filter; true where that cannot be known.
fn is_filtered() -> bool {
    // `SECCOMP_MODE_FILTER` of linux/seccomp.h.
    let is_mode_2 = |line: &str| {
        line.strip_prefix("Seccomp:")
            .is_some_and(|mode| mode.trim() == "2")
    };
    fs::read_to_string("/proc/self/status").map_or(true, |status| status.lines().any(is_mode_2))
}

/// The rule in the kernel is `mount_too_revealing()`: a `/proc` that is whole, with nothing on it but what lies on
/// directories that are always empty.
fn covers_proc(mountinfo: &str) -> bool {
    let mut is_whole = false;
    for line in mountinfo.lines() {
        let mut fields = line.split(' ').skip(3);
        let (Some(root), Some(point), Some(options)) = (fields.next(), fields.next(), fields.next()) else {
            continue;
        };
        if point == "/proc" {
            let is_procfs = line
                .split_once(" - ")
                .is_some_and(|(_, of)| of.starts_with("proc "));
            is_whole = is_procfs && root == "/" && !options.split(',').any(|option| option == "ro");
        } else if point.starts_with("/proc/") && point != "/proc/sys/fs/binfmt_misc" {
            return true;
        }
    }
    !is_whole
}

/// Tries everything a build needs, in child processes; some ten milliseconds. `store` is an existing directory on the
/// file system where layers will live; without it the overlay is tried in memory.
pub fn probe(store: Option<&Path>, caller: &Caller) -> HostReport {
    let mut checks = vec![kernel(), ids(caller)];
    let full = checks[1].ok;
    let attempt::Attempted {
        checks: attempted,
        mut way,
    } = attempt::attempt(full, store, caller);
    let user_namespace = attempted
        .iter()
        .any(|check| check.name == attempt::USER_NAMESPACE && check.ok);
    checks.extend(attempted);
    if way.is_none() && rustix::process::geteuid().is_root() {
        let check = attempt::chroot(store.unwrap_or(Path::new("/tmp")));
        way = check.ok.then_some(choose::CHROOT);
        checks.push(check);
    }
    if way.is_some() {
        // There is a way without.
        let of_ways = checks
            .iter_mut()
            .filter(|check| OF_WAYS.contains(&check.name.as_str()));
        of_ways.for_each(|check| check.required &= check.ok);
    }
    checks.extend(threads());
    checks.extend([cgroups(), own_network(caller)]);
    let is_root = rustix::process::geteuid().is_root();
    let allows = match way {
        Some(Way::STRONGEST) if is_root => Allowance::Root,
        Some(Way::STRONGEST) => Allowance::IdRange,
        Some(way) if way.confinement == Confinement::Chroot => Allowance::Chroot,
        Some(_) => Allowance::Less,
        None if user_namespace && !full => Allowance::OneId,
        None => Allowance::Files,
    };
    HostReport { allows, way, checks }
}

/// Says something only where no thread can be started: some filters refuse `clone3` in a way that the C library takes
/// for a failure.
fn threads() -> Option<Check> {
    let error = std::thread::Builder::new()
        .spawn(|| {})
        .map(std::thread::JoinHandle::join)
        .err()?;
    let short = error.raw_os_error().and_then(Shortage::of);
    let remedy = short.map_or(Remedy::NoFilter, Remedy::More);
    Some(check("threads", true, Err((error.to_string(), Some(remedy)))))
}

/// What was found, and else what mends it.
type Outcome = Result<String, (String, Option<Remedy>)>;

fn check(name: &str, required: bool, outcome: Outcome) -> Check {
    let name = name.to_owned();
    match outcome {
        Ok(detail) => Check {
            name,
            ok: true,
            required,
            detail,
            remedy: None,
        },
        Err((detail, remedy)) => Check {
            name,
            ok: false,
            required,
            detail,
            remedy,
        },
    }
}

/// `mount_setattr`, `close_range` and overlays in user namespaces are in 5.12; `lowerdir+` (many layers) in 6.5.
fn kernel() -> Check {
    let release = rustix::system::uname().release().to_string_lossy().into_owned();
    let outcome = match version(&release) {
        Some(version) if version >= (6, 5) => Ok(release),
        Some(version) if version >= (5, 12) => Ok(format!(
            "{release}; images of more than about 200 layers need 6.5"
        )),
        _ => Err((format!("{release} is older than 5.12"), Some(Remedy::NewerKernel))),
    };
    check("kernel", true, outcome)
}

fn version(release: &str) -> Option<(u32, u32)> {
    let mut numbers = release.split(|byte: char| !byte.is_ascii_digit());
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

fn ids(caller: &Caller) -> Check {
    let outcome = match IdMapping::for_host(caller) {
        Ok(mapping) => {
            let count: u64 = mapping.uids.iter().map(|range| u64::from(range.count)).sum();
            Ok(if mapping.helpers.is_none() {
                format!("root, {count} ids")
            } else {
                format!("{count} ids through newuidmap and newgidmap")
            })
        }
        Err(error) => Err((error.to_string(), Some(error.remedy()))),
    };
    check(attempt::IDS, true, outcome)
}

/// Only limits need it.
fn cgroups() -> Check {
    let outcome = match cgroup::outlook() {
        Ok(controllers) => Ok(format!("limits of {}", controllers.join(", "))),
        Err(error) => Err((error.to_string(), error.remedy())),
    };
    check("cgroup", false, outcome)
}

/// Only a network of its own with a way out needs it.
fn own_network(caller: &Caller) -> Check {
    let outcome = match pasta::obstacle(caller) {
        None => Ok("pasta and /dev/net/tun".to_owned()),
        Some(obstacle) => Err((obstacle.detail, Some(obstacle.remedy))),
    };
    check("own network", false, outcome)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_from_releases() {
        assert_eq!(version("6.18.44-fc-v595"), Some((6, 18)));
        assert_eq!(version("5.4.0-1-amd64"), Some((5, 4)));
        assert_eq!(version("6.1"), Some((6, 1)));
        assert_eq!(version("linux"), None);
    }

    #[test]
    fn masks_of_containers_are_seen() {
        let host = "22 1 0:20 / / rw - ext4 /dev/sda rw\n\
            23 22 0:21 / /proc rw,nosuid - proc proc rw\n\
            24 23 0:22 / /proc/sys/fs/binfmt_misc rw - autofs systemd-1 rw\n";
        assert!(!covers_proc(host));
        for more in [
            "25 23 0:23 / /proc/acpi ro - tmpfs tmpfs ro\n",
            "25 23 0:21 /sys /proc/sys ro - proc proc rw\n",
            "25 22 0:24 / /proc ro - proc proc rw\n",
            "25 22 0:24 / /proc rw - tmpfs tmpfs rw\n",
        ] {
            assert!(covers_proc(&format!("{host}{more}")), "{more}");
        }
        assert!(covers_proc(""));
    }

    #[test]
    fn the_report_agrees_with_the_guess() {
        let store = tempfile::tempdir().unwrap();
        let report = probe(Some(store.path()), &Caller::default());
        assert_eq!(report.allows, allowance(&Caller::default()), "{report:#?}");
        assert_eq!(
            store.path().read_dir().unwrap().count(),
            0,
            "the probe left something behind"
        );
        if report.way.is_some() {
            assert_eq!(report.obstacle(), None);
        }
        for check in &report.checks {
            assert!(check.ok || check.remedy.is_some(), "no way out of {check:?}");
        }
    }

    #[test]
    fn the_caller_stays_where_it_is() {
        let namespaces = || {
            ["user", "mnt", "pid", "net", "uts"]
                .map(|name| fs::read_link(format!("/proc/self/ns/{name}")).unwrap())
        };
        let before = namespaces();
        probe(None, &Caller::default());
        assert_eq!(namespaces(), before);
    }
}
