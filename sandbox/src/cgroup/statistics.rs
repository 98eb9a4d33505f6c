//! [`Statistics`]: what the processes of a group use and have used.

use std::path::Path;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::controller::Controller;
use super::hierarchy::Hierarchies;

/// What the processes of a group use and have used, as far as it is counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Statistics {
    /// Bytes of memory in use, files that are kept in memory included.
    pub memory: Option<u64>,
    /// Of these, files that have not been used for a while: what is given back first.
    pub inactive_files: Option<u64>,
    /// The most bytes of memory that were in use.
    pub memory_peak: Option<u64>,
    /// How many there may be.
    pub memory_limit: Option<u64>,
    /// Processes that were killed because memory ran out.
    pub oom_kills: Option<u64>,
    /// Processor time.
    pub cpu: Option<Duration>,
    /// Processes and threads.
    pub pids: Option<u64>,
    /// The most that there were.
    pub pids_peak: Option<u64>,
    /// How many there may be.
    pub pids_limit: Option<u64>,
    /// Bytes read from block devices.
    pub read: Option<u64>,
    /// Bytes written to block devices.
    pub written: Option<u64>,
}

/// Of the groups that a process is in.
pub(super) fn of_process(hierarchies: &Hierarchies) -> Statistics {
    let mut all = Statistics::default();
    for controller in Controller::ALL {
        if let Some(hierarchy) = hierarchies.legacy.get(&controller) {
            read(&mut all, controller, &hierarchy.own, false);
        } else if let Some(hierarchy) = &hierarchies.unified {
            read(&mut all, controller, &hierarchy.own, true);
        }
    }
    all
}

/// What one controller counts in the group at `dir`.
pub(super) fn read(all: &mut Statistics, controller: Controller, dir: &Path, unified: bool) {
    let text = |name: &str| std::fs::read_to_string(dir.join(name)).unwrap_or_default();
    let number = |name: &str| number(&text(name));
    match (controller, unified) {
        (Controller::Memory, true) => {
            all.memory = number("memory.current");
            all.memory_peak = number("memory.peak");
            all.memory_limit = number("memory.max");
            all.oom_kills = field(&text("memory.events"), "oom_kill");
            all.inactive_files = field(&text("memory.stat"), "inactive_file");
        }
        (Controller::Memory, false) => {
            all.memory = number("memory.usage_in_bytes");
            all.memory_peak = number("memory.max_usage_in_bytes");
            all.memory_limit = number("memory.limit_in_bytes").filter(|limit| *limit < UNLIMITED);
            all.oom_kills = field(&text("memory.oom_control"), "oom_kill");
            all.inactive_files = field(&text("memory.stat"), "total_inactive_file");
        }
        (Controller::Pids, _) => {
            all.pids = number("pids.current");
            all.pids_peak = number("pids.peak");
            all.pids_limit = number("pids.max");
        }
        (Controller::CpuAccounting, true) => {
            all.cpu = field(&text("cpu.stat"), "usage_usec").map(Duration::from_micros);
        }
        (Controller::CpuAccounting, false) => all.cpu = number("cpuacct.usage").map(Duration::from_nanos),
        (Controller::Io, true) => {
            let stat = text("io.stat");
            all.read = Some(sum(&stat, "rbytes="));
            all.written = Some(sum(&stat, "wbytes="));
        }
        (Controller::Io, false) => {
            let stat = text("blkio.throttle.io_service_bytes_recursive");
            all.read = Some(sum(&stat, "Read "));
            all.written = Some(sum(&stat, "Write "));
        }
        (Controller::Cpu | Controller::Cpuset, _) => {}
    }
}

/// Version 1 says "no limit" with a number near the end of what fits.
const UNLIMITED: u64 = 1 << 62;

/// `max` is none.
fn number(text: &str) -> Option<u64> {
    text.trim().parse().ok()
}

/// The number behind a word, in lines of a word and a number.
fn field(text: &str, word: &str) -> Option<u64> {
    text.lines()
        .find_map(|line| line.strip_prefix(word)?.strip_prefix(' ')?.trim().parse().ok())
}

/// All numbers behind a word, wherever it stands.
fn sum(text: &str, word: &str) -> u64 {
    let numbers = text.split(word).skip(1).filter_map(|rest| {
        let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        rest[..end].parse::<u64>().ok()
    });
    numbers.fold(0, u64::saturating_add)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn group(files: &[(&str, &str)]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for (name, text) in files {
            std::fs::write(dir.path().join(name), text).unwrap();
        }
        dir
    }

    #[test]
    fn version_2() {
        let dir = group(&[
            ("memory.current", "4096\n"),
            ("memory.peak", "8192\n"),
            ("memory.max", "max\n"),
            (
                "memory.events",
                "low 0\nhigh 0\nmax 9\noom 2\noom_kill 1\noom_group_kill 0\n",
            ),
            ("cpu.stat", "usage_usec 1500\nuser_usec 1000\nsystem_usec 500\n"),
            ("pids.current", "3\n"),
            ("pids.max", "7\n"),
            (
                "io.stat",
                "8:0 rbytes=100 wbytes=5 rios=1\n8:16 rbytes=20 wbytes=6 rios=2\n",
            ),
        ]);
        let mut all = Statistics::default();
        for controller in Controller::ALL {
            read(&mut all, controller, dir.path(), true);
        }
        let expected = Statistics {
            memory: Some(4096),
            memory_peak: Some(8192),
            oom_kills: Some(1),
            cpu: Some(Duration::from_micros(1500)),
            pids: Some(3),
            pids_limit: Some(7),
            read: Some(120),
            written: Some(11),
            ..Statistics::default()
        };
        assert_eq!(all, expected);
    }

    #[test]
    fn version_1() {
        let dir = group(&[
            ("memory.usage_in_bytes", "4096\n"),
            ("memory.max_usage_in_bytes", "8192\n"),
            ("memory.limit_in_bytes", "9223372036854771712\n"),
            (
                "memory.oom_control",
                "oom_kill_disable 0\nunder_oom 0\noom_kill 2\n",
            ),
            ("memory.stat", "inactive_file 1\ntotal_inactive_file 2\n"),
            ("cpuacct.usage", "1500\n"),
            ("pids.max", "max\n"),
            (
                "blkio.throttle.io_service_bytes_recursive",
                "8:0 Read 10\n8:0 Write 20\n8:0 Total 30\n8:1 Read 1\nTotal 31\n",
            ),
        ]);
        let mut all = Statistics::default();
        for controller in Controller::ALL {
            read(&mut all, controller, dir.path(), false);
        }
        let expected = Statistics {
            memory: Some(4096),
            memory_peak: Some(8192),
            inactive_files: Some(2),
            oom_kills: Some(2),
            cpu: Some(Duration::from_nanos(1500)),
            read: Some(11),
            written: Some(20),
            ..Statistics::default()
        };
        assert_eq!(all, expected);
    }
}
