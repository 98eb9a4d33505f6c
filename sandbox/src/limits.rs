//! [`Limits`]: how much of the machine a command may use together with all that it starts, as plain data.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::raw;

/// How much a command may use. What is `None` has no limit of its own.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Limits {
    /// Bytes of memory.
    pub memory: Option<u64>,
    /// Bytes of memory and swap together; `u64::MAX` is no limit of swap. Without it, and where swap is counted, as much
    /// swap as memory.
    pub memory_and_swap: Option<u64>,
    /// Bytes that are taken from the command last when memory runs short.
    pub memory_reservation: Option<u64>,
    /// Microseconds of processor time in each period.
    pub cpu_quota: Option<u64>,
    /// The period in microseconds; 100 ms without it.
    pub cpu_period: Option<u64>,
    /// Share of the processors when they are all busy; 1024 is everybody's.
    pub cpu_shares: Option<u64>,
    /// Processors that it runs on.
    pub cpus: Option<NumberList>,
    /// Memory nodes that it allocates from.
    pub memory_nodes: Option<NumberList>,
    /// Processes and threads.
    pub pids: Option<u64>,
    /// Share of block devices when they are busy, 10 to 1000.
    pub io_weight: Option<u16>,
    /// Rates of block devices.
    pub io_rates: Vec<IoRate>,
    /// The group of which the command's group becomes a part, from the top of each hierarchy; our own without it.
    #[serde(with = "raw::option_path")]
    pub parent: Option<PathBuf>,
}

impl Limits {
    /// Whether nothing is asked for.
    pub fn is_none(&self) -> bool {
        *self == Self::default()
    }
}

/// How fast one block device may be used.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IoRate {
    /// The device's file on the host.
    #[serde(with = "raw::path")]
    pub device: PathBuf,
    /// What is counted.
    pub of: IoKind,
    /// How many a second.
    pub per_second: u64,
}

/// What is counted of a block device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum IoKind {
    /// Bytes that are read.
    ReadBytes,
    /// Bytes that are written.
    WriteBytes,
    /// Reads.
    Reads,
    /// Writes.
    Writes,
}

/// A list of numbers as the kernel takes them: `0-3,5`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NumberList(String);

impl NumberList {
    /// Reads a list; `None` for what is none.
    pub fn parse(text: &str) -> Option<Self> {
        let list = Self(text.to_owned());
        let is_sound = !list.0.is_empty() && list.ranges().all(|range| range.is_some_and(|(a, b)| a <= b));
        is_sound.then_some(list)
    }

    /// As it was written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The first number that is not in another list, such as that of the processors that there are.
    pub fn first_not_in(&self, others: &NumberList) -> Option<u32> {
        let known = |number: u32| others.ranges().flatten().any(|(a, b)| (a..=b).contains(&number));
        // No more than one number of a range need be looked at behind the last known one.
        let end = others.ranges().flatten().map(|(_, last)| last).max().unwrap_or(0);
        let mut all = self
            .ranges()
            .flatten()
            .flat_map(|(a, b)| a..=b.min(a.max(end) + 1));
        all.find(|number| !known(*number))
    }

    fn ranges(&self) -> impl Iterator<Item = Option<(u32, u32)>> {
        self.0.split(',').map(|part| {
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            Some((number(first)?, number(last)?))
        })
    }
}

/// A sign would be a number to `parse` too.
fn number(text: &str) -> Option<u32> {
    let is_plain = text.len() <= 6 && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| is_plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_numbers() {
        for good in ["0", "0-3", "1,3", "0-1,4,7-9", "2-2"] {
            assert_eq!(NumberList::parse(good).unwrap().as_str(), good);
        }
        for wrong in ["", ",", "1-", "-1", "3-1", "a", "1;2", "+1", "1, 2", "9999999"] {
            assert_eq!(NumberList::parse(wrong), None, "{wrong:?}");
        }
        let list = |text| NumberList::parse(text).unwrap();
        assert_eq!(list("0,1").first_not_in(&list("0-1")), None);
        assert_eq!(list("0-3").first_not_in(&list("0-1")), Some(2));
        assert_eq!(list("5").first_not_in(&list("0-1")), Some(5));
        assert_eq!(list("1-2").first_not_in(&list("0,2")), Some(1));
        assert_eq!(list("0-999999").first_not_in(&list("0-1")), Some(2));
    }

    #[test]
    fn nothing_is_asked_for_by_default() {
        assert!(Limits::default().is_none());
        let limits = Limits {
            pids: Some(1),
            ..Limits::default()
        };
        assert!(!limits.is_none());
        let text = serde_json::to_string(&limits).unwrap();
        assert_eq!(serde_json::from_str::<Limits>(&text).unwrap(), limits);
        assert_eq!(serde_json::from_str::<Limits>("{}").unwrap(), Limits::default());
    }
}
