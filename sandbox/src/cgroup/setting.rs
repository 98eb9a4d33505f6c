//! Limits as the files and values of each version.

use std::path::Path;

use rustix::fs::FileType;

use super::controller::Controller;
use super::error::LimitError;
use crate::limits::{IoKind, IoRate, Limits};

/// The period when none is given, as docker and the kernel have it.
const PERIOD: u64 = 100_000;

/// One write that a limit needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Setting {
    pub(super) controller: Controller,
    /// Files of which the first that is there is written, each with its value.
    pub(super) choices: Vec<(&'static str, String)>,
    /// Whether it may be left out where no such file is there: nobody has asked for it.
    pub(super) is_optional: bool,
}

fn set(controller: Controller, file: &'static str, value: impl ToString) -> Setting {
    Setting {
        controller,
        choices: vec![(file, value.to_string())],
        is_optional: false,
    }
}

impl Setting {
    fn or(mut self, file: &'static str, value: impl ToString) -> Self {
        self.choices.push((file, value.to_string()));
        self
    }

    fn optional(self, is_optional: bool) -> Self {
        Self { is_optional, ..self }
    }
}

/// What to write, in this order.
pub(super) fn settings(limits: &Limits, unified: bool) -> Result<Vec<Setting>, LimitError> {
    let mut all = match unified {
        true => unified_memory(limits),
        false => legacy_memory(limits),
    };
    all.extend(match unified {
        true => unified_cpu(limits),
        false => legacy_cpu(limits),
    });
    let lists = [
        (&limits.cpus, "cpuset.cpus"),
        (&limits.memory_nodes, "cpuset.mems"),
    ];
    for (list, file) in lists {
        all.extend(
            list.iter()
                .map(|list| set(Controller::Cpuset, file, list.as_str())),
        );
    }
    all.extend(limits.pids.map(|pids| set(Controller::Pids, "pids.max", pids)));
    all.extend(limits.io_weight.map(|weight| io_weight(weight, unified)));
    for rate in &limits.io_rates {
        all.push(io_rate(rate, unified)?);
    }
    Ok(all)
}

/// Memory and swap together; as much swap as memory when nothing is said, as docker has it.
fn total(limits: &Limits) -> Option<u64> {
    let twice = |memory: u64| memory.saturating_mul(2);
    limits.memory_and_swap.or(limits.memory.map(twice))
}

fn unified_memory(limits: &Limits) -> Vec<Setting> {
    let mut all = Vec::new();
    all.extend(
        limits
            .memory
            .map(|memory| set(Controller::Memory, "memory.max", memory)),
    );
    all.extend(total(limits).map(|total| {
        let swap = match total {
            u64::MAX => "max".to_owned(),
            total => total.saturating_sub(limits.memory.unwrap_or(0)).to_string(),
        };
        set(Controller::Memory, "memory.swap.max", swap).optional(limits.memory_and_swap.is_none())
    }));
    let reservation = limits.memory_reservation;
    all.extend(reservation.map(|bytes| set(Controller::Memory, "memory.low", bytes)));
    all
}

fn legacy_memory(limits: &Limits) -> Vec<Setting> {
    let mut all = Vec::new();
    let memory = limits.memory;
    all.extend(memory.map(|memory| set(Controller::Memory, "memory.limit_in_bytes", memory)));
    all.extend(total(limits).map(|total| {
        let total = match total {
            u64::MAX => "-1".to_owned(),
            total => total.to_string(),
        };
        set(Controller::Memory, "memory.memsw.limit_in_bytes", total)
            .optional(limits.memory_and_swap.is_none())
    }));
    let reservation = limits.memory_reservation;
    all.extend(reservation.map(|bytes| set(Controller::Memory, "memory.soft_limit_in_bytes", bytes)));
    all
}

fn unified_cpu(limits: &Limits) -> Vec<Setting> {
    let mut all = Vec::new();
    if limits.cpu_quota.is_some() || limits.cpu_period.is_some() {
        let quota = limits
            .cpu_quota
            .map_or_else(|| "max".to_owned(), |quota| quota.to_string());
        let period = limits.cpu_period.unwrap_or(PERIOD);
        all.push(set(Controller::Cpu, "cpu.max", format!("{quota} {period}")));
    }
    let shares = limits.cpu_shares;
    all.extend(shares.map(|shares| set(Controller::Cpu, "cpu.weight", weight_of_shares(shares))));
    all
}

fn legacy_cpu(limits: &Limits) -> Vec<Setting> {
    let mut all = Vec::new();
    // The period first: a quota is checked against it.
    all.extend(
        limits
            .cpu_period
            .map(|period| set(Controller::Cpu, "cpu.cfs_period_us", period)),
    );
    all.extend(
        limits
            .cpu_quota
            .map(|quota| set(Controller::Cpu, "cpu.cfs_quota_us", quota)),
    );
    all.extend(
        limits
            .cpu_shares
            .map(|shares| set(Controller::Cpu, "cpu.shares", shares)),
    );
    all
}

/// A weight of version 2 (1 to 10000, everybody's is 100) for shares of version 1 (2 to 262144, everybody's are 1024): the
/// curve through both ends and the middle that runc and crun use.
fn weight_of_shares(shares: u64) -> u64 {
    match shares {
        0..=2 => 1,
        262_144.. => 10_000,
        _ => {
            let log = (shares as f64).log2();
            let exponent = log.mul_add(log, 125.0 * log) / 612.0 - 7.0 / 34.0;
            10f64.powf(exponent).ceil() as u64
        }
    }
}

fn io_weight(weight: u16, unified: bool) -> Setting {
    if unified {
        // 10 to 1000 stretched to 1 to 10000.
        let stretched = 1 + (u64::from(weight).saturating_sub(10)) * 9999 / 990;
        set(Controller::Io, "io.bfq.weight", weight).or("io.weight", stretched)
    } else {
        set(Controller::Io, "blkio.weight", weight).or("blkio.bfq.weight", weight)
    }
}

fn io_rate(rate: &IoRate, unified: bool) -> Result<Setting, LimitError> {
    let device = number_of(&rate.device)?;
    let number = rate.per_second;
    if unified {
        let key = match rate.of {
            IoKind::ReadBytes => "rbps",
            IoKind::WriteBytes => "wbps",
            IoKind::Reads => "riops",
            IoKind::Writes => "wiops",
        };
        return Ok(set(Controller::Io, "io.max", format!("{device} {key}={number}")));
    }
    let file = match rate.of {
        IoKind::ReadBytes => "blkio.throttle.read_bps_device",
        IoKind::WriteBytes => "blkio.throttle.write_bps_device",
        IoKind::Reads => "blkio.throttle.read_iops_device",
        IoKind::Writes => "blkio.throttle.write_iops_device",
    };
    Ok(set(Controller::Io, file, format!("{device} {number}")))
}

/// A block device as the kernel names it in these files.
fn number_of(device: &Path) -> Result<String, LimitError> {
    let wrong = |why: String| LimitError::Device {
        device: device.to_owned(),
        why,
    };
    let stat = rustix::fs::stat(device).map_err(|errno| wrong(std::io::Error::from(errno).to_string()))?;
    if FileType::from_raw_mode(stat.st_mode) != FileType::BlockDevice {
        return Err(wrong("it is no block device".to_owned()));
    }
    let number = stat.st_rdev;
    Ok(format!(
        "{}:{}",
        rustix::fs::major(number),
        rustix::fs::minor(number)
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::NumberList;

    fn written(limits: &Limits, unified: bool) -> Vec<String> {
        let all = settings(limits, unified).unwrap();
        all.iter()
            .map(|setting| {
                let choices: Vec<_> = setting.choices.iter().map(|(f, v)| format!("{f}={v}")).collect();
                format!(
                    "{}{}",
                    choices.join("|"),
                    if setting.is_optional { "?" } else { "" }
                )
            })
            .collect()
    }

    #[test]
    fn memory() {
        let mut limits = Limits {
            memory: Some(100),
            memory_reservation: Some(50),
            ..Limits::default()
        };
        assert_eq!(
            written(&limits, true),
            ["memory.max=100", "memory.swap.max=100?", "memory.low=50"]
        );
        assert_eq!(
            written(&limits, false),
            [
                "memory.limit_in_bytes=100",
                "memory.memsw.limit_in_bytes=200?",
                "memory.soft_limit_in_bytes=50"
            ]
        );
        limits.memory_reservation = None;
        limits.memory_and_swap = Some(100);
        assert_eq!(written(&limits, true), ["memory.max=100", "memory.swap.max=0"]);
        limits.memory_and_swap = Some(u64::MAX);
        assert_eq!(written(&limits, true)[1], "memory.swap.max=max");
        assert_eq!(written(&limits, false)[1], "memory.memsw.limit_in_bytes=-1");
    }

    #[test]
    fn processors_and_the_rest() {
        let limits = Limits {
            cpu_quota: Some(50_000),
            cpu_shares: Some(1024),
            cpus: NumberList::parse("0-1"),
            memory_nodes: NumberList::parse("0"),
            pids: Some(7),
            io_weight: Some(1000),
            ..Limits::default()
        };
        assert_eq!(
            written(&limits, true),
            [
                "cpu.max=50000 100000",
                "cpu.weight=100",
                "cpuset.cpus=0-1",
                "cpuset.mems=0",
                "pids.max=7",
                "io.bfq.weight=1000|io.weight=10000"
            ]
        );
        assert_eq!(
            written(&limits, false),
            [
                "cpu.cfs_quota_us=50000",
                "cpu.shares=1024",
                "cpuset.cpus=0-1",
                "cpuset.mems=0",
                "pids.max=7",
                "blkio.weight=1000|blkio.bfq.weight=1000"
            ]
        );
        let limits = Limits {
            cpu_period: Some(10_000),
            ..Limits::default()
        };
        assert_eq!(written(&limits, true), ["cpu.max=max 10000"]);
        assert_eq!(written(&limits, false), ["cpu.cfs_period_us=10000"]);
    }

    #[test]
    fn shares_become_weights() {
        let weights = [0, 2, 1024, 2048, 262_144, u64::MAX].map(weight_of_shares);
        assert_eq!(weights, [1, 1, 100, 174, 10_000, 10_000]);
        assert!((3..300_000).is_sorted_by_key(weight_of_shares));
    }

    #[test]
    fn rates_are_of_block_devices() {
        for (device, why) in [("/dev/null", "no block device"), ("/dev/none", "No such file")] {
            let rate = IoRate {
                device: device.into(),
                of: IoKind::Reads,
                per_second: 1,
            };
            let text = io_rate(&rate, true).unwrap_err().to_string();
            assert!(text.contains(device) && text.contains(why), "{text}");
        }
    }
}
