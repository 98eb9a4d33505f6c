//! [`Controller`]: the parts of the kernel that limit and count what groups use.

use crate::limits::Limits;

/// A part of the kernel that limits or counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Controller {
    Memory,
    Cpu,
    /// Counts processor time in version 1; in version 2 every group does.
    CpuAccounting,
    Cpuset,
    Pids,
    Io,
}

impl Controller {
    pub(super) const ALL: [Controller; 6] = [
        Controller::Memory,
        Controller::Cpu,
        Controller::CpuAccounting,
        Controller::Cpuset,
        Controller::Pids,
        Controller::Io,
    ];

    /// What `/proc/PID/cgroup` calls it, and the options of a mount.
    pub(super) fn in_v1(self) -> &'static str {
        match self {
            Controller::Memory => "memory",
            Controller::Cpu => "cpu",
            Controller::CpuAccounting => "cpuacct",
            Controller::Cpuset => "cpuset",
            Controller::Pids => "pids",
            Controller::Io => "blkio",
        }
    }

    /// What `cgroup.controllers` calls it; nothing for what needs none there.
    pub(super) fn in_v2(self) -> Option<&'static str> {
        match self {
            Controller::CpuAccounting => None,
            Controller::Io => Some("io"),
            other => Some(other.in_v1()),
        }
    }

    /// What it limits, as the object of "cannot limit".
    pub(super) fn limited(self) -> &'static str {
        match self {
            Controller::Memory => "memory",
            Controller::Cpu | Controller::CpuAccounting => "processor time",
            Controller::Cpuset => "which processors are used",
            Controller::Pids => "the number of processes",
            Controller::Io => "the use of block devices",
        }
    }
}

/// The controllers without which these limits cannot be had.
pub(super) fn needed(limits: &Limits) -> Vec<Controller> {
    let is_set = |controller: &Controller| match controller {
        Controller::Memory => {
            limits.memory.is_some() || limits.memory_and_swap.is_some() || limits.memory_reservation.is_some()
        }
        Controller::Cpu => {
            limits.cpu_quota.is_some() || limits.cpu_period.is_some() || limits.cpu_shares.is_some()
        }
        Controller::CpuAccounting => false,
        Controller::Cpuset => limits.cpus.is_some() || limits.memory_nodes.is_some(),
        Controller::Pids => limits.pids.is_some(),
        Controller::Io => limits.io_weight.is_some() || !limits.io_rates.is_empty(),
    };
    Controller::ALL.into_iter().filter(is_set).collect()
}

/// Those that also count, whether or not they limit anything; had where they can be.
pub(super) const COUNTING: [Controller; 3] =
    [Controller::Memory, Controller::CpuAccounting, Controller::Pids];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_needs_its_controller_and_no_other() {
        assert_eq!(needed(&Limits::default()), []);
        let limits = Limits {
            memory: Some(1),
            io_weight: Some(10),
            cpu_shares: Some(2),
            ..Limits::default()
        };
        assert_eq!(
            needed(&limits),
            [Controller::Memory, Controller::Cpu, Controller::Io]
        );
    }
}
