//! What a command may use: `--memory`, `--cpus`, `--pids-limit` and their like, with docker's names, units and bounds.

use crate::error::Failure;
use crate::options::{choice, size};
use clap::Args;
use rbuild_sandbox::{IoKind, IoRate, Limits, NumberList, Resource, Rlimit};
use std::path::{Component, Path, PathBuf};

/// Limits that builds and containers have.
#[derive(Debug, Clone, Default, Args)]
pub struct LimitArgs {
    /// Most memory, such as 500m: who wants more is killed
    #[arg(short, long, value_name = "BYTES")]
    pub memory: Option<String>,

    /// Most memory and swap together; -1 is any amount of swap [default: twice --memory]
    #[arg(long, value_name = "BYTES", allow_hyphen_values = true)]
    pub memory_swap: Option<String>,

    /// Most processor time, in processors: 0.5, 2
    #[arg(long, value_name = "NUMBER")]
    pub cpus: Option<String>,

    /// Share of the processors when all are busy; everybody's is 1024
    #[arg(short, long, value_name = "SHARES")]
    pub cpu_shares: Option<u64>,

    /// Period of --cpu-quota in microseconds [default: 100000]
    #[arg(long, value_name = "MICROSECONDS")]
    pub cpu_period: Option<u64>,

    /// Most processor time in each period, in microseconds
    #[arg(long, value_name = "MICROSECONDS", allow_hyphen_values = true)]
    pub cpu_quota: Option<i64>,

    /// Processors to run on: 0-2,5
    #[arg(long, value_name = "LIST")]
    pub cpuset_cpus: Option<String>,

    /// Memory nodes to allocate from: 0,1
    #[arg(long, value_name = "LIST")]
    pub cpuset_mems: Option<String>,

    /// Most processes and threads; -1 is any number
    #[arg(long, value_name = "NUMBER", allow_hyphen_values = true)]
    pub pids_limit: Option<i64>,

    /// Cgroup in which the groups with these limits are made, from the top of each hierarchy [default: rbuild's own]
    #[arg(long, value_name = "PATH")]
    pub cgroup_parent: Option<PathBuf>,

    /// Soft and hard limit of each process, as of ulimit: nofile=1024:4096; -1 is none (repeatable)
    #[arg(long = "ulimit", value_name = "NAME=SOFT[:HARD]")]
    pub ulimits: Vec<String>,
}

/// Limits that only containers have.
#[derive(Debug, Clone, Default, Args)]
pub struct ContainerLimitArgs {
    /// Memory that is taken from the container last when it runs short
    #[arg(long, value_name = "BYTES")]
    pub memory_reservation: Option<String>,

    /// Share of block devices when they are busy, 10 to 1000
    #[arg(long, value_name = "WEIGHT")]
    pub blkio_weight: Option<u16>,

    /// Most bytes a second that are read from a device: /dev/sda:10m (repeatable)
    #[arg(long = "device-read-bps", value_name = "DEVICE:BYTES")]
    pub device_read_bps: Vec<String>,

    /// Most bytes a second that are written to a device (repeatable)
    #[arg(long = "device-write-bps", value_name = "DEVICE:BYTES")]
    pub device_write_bps: Vec<String>,

    /// Most reads a second of a device (repeatable)
    #[arg(long = "device-read-iops", value_name = "DEVICE:NUMBER")]
    pub device_read_iops: Vec<String>,

    /// Most writes a second to a device (repeatable)
    #[arg(long = "device-write-iops", value_name = "DEVICE:NUMBER")]
    pub device_write_iops: Vec<String>,

    /// How likely the kernel kills the command when memory runs out, -1000 to 1000
    #[arg(long, value_name = "NUMBER", allow_hyphen_values = true)]
    pub oom_score_adj: Option<i16>,
}

/// The least memory that docker lets a container have: less would not even start it.
const LEAST_MEMORY: u64 = 6 << 20;

impl LimitArgs {
    /// Gives them their meaning.
    ///
    /// # Errors
    /// The first one that is wrong.
    pub fn limits(&self) -> Result<Limits, Failure> {
        let memory = bytes("--memory", self.memory.as_deref())?;
        if memory.is_some_and(|memory| memory < LEAST_MEMORY) {
            return Err(Failure::usage(
                "--memory: 6m is the least that a command can be given",
            ));
        }
        let (cpu_quota, cpu_period) = self.processor_time()?;
        Ok(Limits {
            memory,
            memory_and_swap: self.memory_and_swap(memory)?,
            cpu_quota,
            cpu_period,
            cpu_shares: self
                .cpu_shares
                .filter(|shares| *shares > 0)
                .map(|shares| shares.clamp(2, 262_144)),
            cpus: list("--cpuset-cpus", self.cpuset_cpus.as_deref())?,
            memory_nodes: list("--cpuset-mems", self.cpuset_mems.as_deref())?,
            pids: self.pids()?,
            parent: self.cgroup_parent.as_deref().map(parent).transpose()?,
            ..Limits::default()
        })
    }

    /// `--ulimit`.
    ///
    /// # Errors
    /// The first one that is wrong.
    pub fn rlimits(&self) -> Result<Vec<Rlimit>, Failure> {
        // podman's word for what is so anyway: the limits of the caller.
        let given = self.ulimits.iter().filter(|text| *text != "host");
        given.map(|text| rlimit(text)).collect()
    }

    fn memory_and_swap(&self, memory: Option<u64>) -> Result<Option<u64>, Failure> {
        let swap = match self.memory_swap.as_deref() {
            Some("-1") => Some(u64::MAX),
            other => bytes("--memory-swap", other)?,
        };
        match (swap, memory) {
            (Some(u64::MAX), None) => Ok(None),
            (Some(_), None) => Err(Failure::usage(
                "--memory-swap is memory and swap together: give --memory too",
            )),
            (Some(swap), Some(memory)) if swap < memory => Err(Failure::usage(
                "--memory-swap is memory and swap together: it cannot be less than --memory",
            )),
            _ => Ok(swap),
        }
    }

    /// Quota and period.
    fn processor_time(&self) -> Result<(Option<u64>, Option<u64>), Failure> {
        let period = self.cpu_period.filter(|period| *period > 0);
        if period.is_some_and(|period| !(1_000..=1_000_000).contains(&period)) {
            return Err(Failure::usage(
                "--cpu-period is between 1000 and 1000000 microseconds",
            ));
        }
        let quota = self.cpu_quota.filter(|quota| !matches!(quota, 0 | -1));
        let quota = quota
            .map(|quota| match u64::try_from(quota) {
                Ok(quota) if quota >= 1_000 => Ok(quota),
                _ => Err(Failure::usage("--cpu-quota is at least 1000 microseconds")),
            })
            .transpose()?;
        let cpus = self.cpus.as_deref().map(cpus).transpose()?.flatten();
        match cpus {
            Some(_) if quota.is_some() || period.is_some() => Err(Failure::usage(
                "--cpus says it all: it does not go with --cpu-quota and --cpu-period",
            )),
            Some(cpus) => Ok((Some(cpus), None)),
            None => Ok((quota, period)),
        }
    }

    fn pids(&self) -> Result<Option<u64>, Failure> {
        match self.pids_limit {
            None | Some(0 | -1) => Ok(None),
            Some(pids) => u64::try_from(pids)
                .map(Some)
                .map_err(|_| Failure::usage("--pids-limit is a number of processes, or -1")),
        }
    }
}

impl ContainerLimitArgs {
    /// Gives them their meaning, besides what both have.
    ///
    /// # Errors
    /// The first one that is wrong.
    pub fn add_to(&self, limits: &mut Limits) -> Result<(), Failure> {
        limits.memory_reservation = bytes("--memory-reservation", self.memory_reservation.as_deref())?;
        match (limits.memory_reservation, limits.memory) {
            (Some(reservation), _) if reservation < LEAST_MEMORY => {
                return Err(Failure::usage("--memory-reservation is at least 6m"));
            }
            (Some(reservation), Some(memory)) if reservation > memory => {
                return Err(Failure::usage(
                    "--memory-reservation cannot be more than --memory",
                ));
            }
            _ => {}
        }
        limits.io_weight = self.blkio_weight.filter(|weight| *weight > 0);
        if limits
            .io_weight
            .is_some_and(|weight| !(10..=1000).contains(&weight))
        {
            return Err(Failure::usage("--blkio-weight is between 10 and 1000"));
        }
        for (flag, of, given) in [
            ("--device-read-bps", IoKind::ReadBytes, &self.device_read_bps),
            ("--device-write-bps", IoKind::WriteBytes, &self.device_write_bps),
            ("--device-read-iops", IoKind::Reads, &self.device_read_iops),
            ("--device-write-iops", IoKind::Writes, &self.device_write_iops),
        ] {
            for text in given {
                limits.io_rates.extend(rate(flag, of, text)?);
            }
        }
        Ok(())
    }

    /// `--oom-score-adj`.
    ///
    /// # Errors
    /// It is out of bounds.
    pub fn oom_score_adj(&self) -> Result<Option<i16>, Failure> {
        match self.oom_score_adj {
            Some(score) if !(-1000..=1000).contains(&score) => {
                Err(Failure::usage("--oom-score-adj is between -1000 and 1000"))
            }
            score => Ok(score),
        }
    }
}

/// A number of bytes; 0 is no limit.
fn bytes(flag: &str, text: Option<&str>) -> Result<Option<u64>, Failure> {
    let bytes = text.map(|text| size(flag, text)).transpose()?;
    Ok(bytes.filter(|bytes| *bytes > 0))
}

/// Microseconds in each period of 100 ms; 0 is no limit.
fn cpus(text: &str) -> Result<Option<u64>, Failure> {
    let wrong = || {
        Failure::usage(format!(
            "--cpus: `{text}` is not a number of processors like 0.5, at least 0.01"
        ))
    };
    let is_plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    let number: f64 = text.parse().ok().filter(|_| is_plain).ok_or_else(wrong)?;
    match (number * 100_000.0).round() as u64 {
        0 if number == 0.0 => Ok(None),
        quota @ 1_000..1_000_000_000 => Ok(Some(quota)),
        _ => Err(wrong()),
    }
}

fn list(flag: &str, text: Option<&str>) -> Result<Option<NumberList>, Failure> {
    let wrong = |text: &str| Failure::usage(format!("{flag}: `{text}` is not a list of numbers like 0-2,5"));
    let given = text.filter(|text| !text.is_empty());
    given
        .map(|text| NumberList::parse(text).ok_or_else(|| wrong(text)))
        .transpose()
}

fn parent(path: &Path) -> Result<PathBuf, Failure> {
    let is_plain = path
        .components()
        .all(|part| !matches!(part, Component::ParentDir))
        && path.components().any(|part| matches!(part, Component::Normal(_)));
    match is_plain {
        true => Ok(path.to_owned()),
        false => Err(Failure::usage(format!(
            "--cgroup-parent: `{}` is not a path below the top",
            path.display()
        ))),
    }
}

/// `DEVICE:NUMBER`; 0 is no limit.
fn rate(flag: &str, of: IoKind, text: &str) -> Result<Option<IoRate>, Failure> {
    let wrong = || Failure::usage(format!("{flag}: `{text}` is not of the form /dev/NAME:NUMBER"));
    let (device, number) = text.rsplit_once(':').ok_or_else(wrong)?;
    if !device.starts_with("/dev/") {
        return Err(wrong());
    }
    let per_second = match of {
        IoKind::ReadBytes | IoKind::WriteBytes => size(flag, number)?,
        IoKind::Reads | IoKind::Writes => number.parse().map_err(|_| wrong())?,
    };
    let device = PathBuf::from(device);
    Ok((per_second > 0).then_some(IoRate {
        device,
        of,
        per_second,
    }))
}

const RESOURCES: [(&str, Resource); 15] = [
    ("core", Resource::Core),
    ("cpu", Resource::Cpu),
    ("data", Resource::Data),
    ("fsize", Resource::Fsize),
    ("locks", Resource::Locks),
    ("memlock", Resource::Memlock),
    ("msgqueue", Resource::Msgqueue),
    ("nice", Resource::Nice),
    ("nofile", Resource::Nofile),
    ("nproc", Resource::Nproc),
    ("rss", Resource::Rss),
    ("rtprio", Resource::Rtprio),
    ("rttime", Resource::Rttime),
    ("sigpending", Resource::Sigpending),
    ("stack", Resource::Stack),
];

/// `NAME=SOFT[:HARD]`.
fn rlimit(text: &str) -> Result<Rlimit, Failure> {
    let wrong = || Failure::usage(format!("--ulimit `{text}` is not of the form NAME=SOFT[:HARD]"));
    let (name, values) = text.split_once('=').ok_or_else(wrong)?;
    let Some((_, resource)) = RESOURCES.iter().find(|(known, _)| *known == name) else {
        return Err(choice("--ulimit", name, &RESOURCES.map(|(name, _)| name)));
    };
    let value = |text: &str| match text {
        "-1" | "unlimited" => Some(u64::MAX),
        number => number.parse().ok(),
    };
    let (soft, hard) = values.split_once(':').unwrap_or((values, values));
    let (soft, hard) = (value(soft).ok_or_else(wrong)?, value(hard).ok_or_else(wrong)?);
    if soft > hard {
        return Err(Failure::usage(format!(
            "--ulimit `{text}`: the soft limit is above the hard one"
        )));
    }
    Ok(Rlimit {
        resource: *resource,
        soft,
        hard,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits(change: impl FnOnce(&mut LimitArgs)) -> Result<Limits, String> {
        let mut args = LimitArgs::default();
        change(&mut args);
        args.limits().map_err(|failure| failure.text())
    }

    #[test]
    fn memory_as_docker_has_it() {
        let memory = |memory: &str, swap: Option<&str>| {
            limits(|args| {
                args.memory = (!memory.is_empty()).then(|| memory.to_owned());
                args.memory_swap = swap.map(str::to_owned);
            })
            .map(|limits| (limits.memory, limits.memory_and_swap))
        };
        assert_eq!(memory("64m", None), Ok((Some(64 << 20), None)));
        assert_eq!(memory("1.5g", Some("2g")), Ok((Some(3 << 29), Some(2 << 30))));
        assert_eq!(memory("64m", Some("-1")), Ok((Some(64 << 20), Some(u64::MAX))));
        assert_eq!(memory("0", Some("0")), Ok((None, None)));
        assert_eq!(memory("", Some("-1")), Ok((None, None)));
        for (wrong, swap, why) in [
            ("5m", None, "6m is the least"),
            ("x", None, "not a size"),
            ("64m", Some("32m"), "less than --memory"),
            ("", Some("64m"), "give --memory too"),
        ] {
            let said = memory(wrong, swap).unwrap_err();
            assert!(said.contains(why), "{wrong} {swap:?}: {said}");
        }
    }

    #[test]
    fn processor_time() {
        for (text, quota) in [
            ("0.5", Some(50_000)),
            ("2", Some(200_000)),
            ("0", None),
            (".01", Some(1_000)),
        ] {
            assert_eq!(cpus(text).unwrap(), quota, "{text}");
        }
        for wrong in ["", "x", "-1", "0.001", "1e3", "inf", "99999999"] {
            assert!(cpus(wrong).is_err(), "{wrong}");
        }
        let both = limits(|args| {
            args.cpus = Some("1".to_owned());
            args.cpu_period = Some(1_000);
        });
        assert!(both.unwrap_err().contains("--cpus says it all"));
        assert!(limits(|args| args.cpu_period = Some(10)).is_err());
        assert!(limits(|args| args.cpu_quota = Some(10)).is_err());
        assert!(limits(|args| args.cpu_quota = Some(-1)).unwrap().is_none());
        assert_eq!(
            limits(|args| args.cpu_shares = Some(1)).unwrap().cpu_shares,
            Some(2)
        );
        assert!(limits(|args| args.pids_limit = Some(-1)).unwrap().is_none());
        assert!(limits(|args| args.pids_limit = Some(-2)).is_err());
        assert!(limits(|args| args.cpuset_cpus = Some("1-".to_owned())).is_err());
        assert!(limits(|args| args.cgroup_parent = Some("../x".into())).is_err());
    }

    #[test]
    fn what_containers_have_besides() {
        let args = ContainerLimitArgs {
            blkio_weight: Some(500),
            device_read_bps: vec!["/dev/sda:1m".to_owned()],
            device_write_iops: vec!["/dev/sda:0".to_owned()],
            ..ContainerLimitArgs::default()
        };
        let mut limits = Limits::default();
        args.add_to(&mut limits).unwrap();
        assert_eq!((limits.io_weight, limits.io_rates.len()), (Some(500), 1));
        for wrong in ["/dev/sda", "sda:1m", "/dev/sda:x"] {
            assert!(
                rate("--device-read-bps", IoKind::ReadBytes, wrong).is_err(),
                "{wrong}"
            );
        }
    }

    #[test]
    fn ulimits() {
        let limit = rlimit("nofile=1024:2048").unwrap();
        assert_eq!(
            (limit.resource, limit.soft, limit.hard),
            (Resource::Nofile, 1024, 2048)
        );
        let limit = rlimit("core=-1").unwrap();
        assert_eq!((limit.soft, limit.hard), (u64::MAX, u64::MAX));
        for (wrong, why) in [
            ("nofile", "NAME=SOFT"),
            ("nofile=x", "NAME=SOFT"),
            ("nofiles=1", "did you mean `nofile`"),
            ("nofile=2:1", "above the hard one"),
        ] {
            let said = rlimit(wrong).unwrap_err().text();
            assert!(said.contains(why), "{wrong}: {said}");
        }
    }
}
