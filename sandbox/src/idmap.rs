//! Which ids the user namespace maps, and where that is written down: `user_namespaces(7)`, `subuid(5)`.
//!
//! Here the map is only computed; `userns.rs` writes it.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::thread::CapabilitySet;

use crate::caller::Caller;
use crate::child;
use crate::remedy::Remedy;
use crate::shortage::Shortage;

/// The least number of ids that images need: 0 to 65535.
const MIN_IDS: u64 = 65_536;

/// Consecutive ids that are mapped together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IdRange {
    /// First id inside the namespace.
    pub inside: u32,
    /// First id outside, in the namespace of the caller.
    pub outside: u32,
    /// How many.
    pub count: u32,
}

/// The id maps of the user namespace that [`enter`](crate::enter) makes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdMapping {
    /// User ids.
    pub uids: Vec<IdRange>,
    /// Group ids.
    pub gids: Vec<IdRange>,
    /// What writes the maps; `None`: the caller may itself.
    pub helpers: Option<Helpers>,
}

/// The set-id programs that write maps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Helpers {
    /// `newuidmap`.
    pub uids: PathBuf,
    /// `newgidmap`.
    pub gids: PathBuf,
}

/// No full map is possible on this host.
#[derive(Debug, thiserror::Error)]
pub enum IdMapError {
    /// The user has no, or too small a range in the file.
    #[error("{} gives {user} {found} subordinate ids, but images need {MIN_IDS}", file.display())]
    Range {
        /// `/etc/subuid` or `/etc/subgid`.
        file: PathBuf,
        /// The user's name, or number when it has no name.
        user: String,
        /// How many ids were found.
        found: u64,
    },
    /// The caller is root of a namespace that has too few ids itself.
    #[error("this user namespace has only {found} ids, but images need {MIN_IDS}")]
    OwnRange {
        /// How many ids it has.
        found: u64,
    },
    /// A helper program is missing.
    #[error("{0} is not installed")]
    NoHelper(&'static str),
    /// A file of the kernel or the system cannot be read or understood.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

impl IdMapError {
    /// What mends it.
    pub fn remedy(&self) -> Remedy {
        match self {
            IdMapError::Range { user, .. } => Remedy::SubordinateIds(Some(user.clone())),
            IdMapError::OwnRange { .. } => Remedy::WiderNamespace,
            IdMapError::NoHelper(_) => Remedy::IdHelpers,
            IdMapError::Read { path, .. } => Remedy::Readable(path.clone()),
        }
    }
}

impl IdMapping {
    /// The widest map that the caller can have: every id it has itself when it is root, otherwise its own id as
    /// root and its subordinate ranges from 1 on.
    ///
    /// # Errors
    /// What is missing; [`IdMapError::remedy`] says how to mend it.
    pub fn for_host(caller: &Caller) -> Result<Self, IdMapError> {
        if rustix::process::geteuid().is_root() && may_write_maps() {
            return Ok(Self {
                uids: own_ranges(Path::new("/proc/self/uid_map"))?,
                gids: own_ranges(Path::new("/proc/self/gid_map"))?,
                helpers: None,
            });
        }
        let helper = |name| caller.find_program(name).ok_or(IdMapError::NoHelper(name));
        let helpers = Helpers {
            uids: helper("newuidmap")?,
            gids: helper("newgidmap")?,
        };
        let uid = rustix::process::getuid().as_raw();
        let gid = rustix::process::getgid().as_raw();
        let name = user_name(uid)?.or_else(|| caller.name.clone());
        let ranges = |file: &str| subordinate_ranges(file, uid, name.as_deref(), caller);
        Ok(Self {
            uids: with_subordinates(uid, ranges("/etc/subuid")?),
            gids: with_subordinates(gid, ranges("/etc/subgid")?),
            helpers: Some(helpers),
        })
    }

    /// The ids of the caller's own namespace, however many, each mapped to itself.
    ///
    /// # Errors
    /// The kernel's files about them cannot be read.
    pub(crate) fn unchanged() -> Result<Self, IdMapError> {
        Ok(Self {
            uids: same_ranges(Path::new("/proc/self/uid_map"))?,
            gids: same_ranges(Path::new("/proc/self/gid_map"))?,
            helpers: None,
        })
    }

    /// The map of one id: the caller becomes root and nobody else exists. Needs no helper.
    pub fn single() -> Self {
        let one = |outside| {
            vec![IdRange {
                inside: 0,
                outside,
                count: 1,
            }]
        };
        Self {
            uids: one(rustix::process::geteuid().as_raw()),
            gids: one(rustix::process::getegid().as_raw()),
            helpers: None,
        }
    }
}

fn may_write_maps() -> bool {
    let needed = CapabilitySet::SETUID | CapabilitySet::SETGID;
    rustix::thread::capabilities(None).is_ok_and(|sets| sets.effective.contains(needed))
}

/// The ids of the caller's own namespace, if they are enough for images, each mapped to itself.
fn own_ranges(path: &Path) -> Result<Vec<IdRange>, IdMapError> {
    let ranges = same_ranges(path)?;
    let found = ranges.iter().map(|range| u64::from(range.count)).sum();
    if found < MIN_IDS {
        return Err(IdMapError::OwnRange { found });
    }
    Ok(ranges)
}

fn same_ranges(path: &Path) -> Result<Vec<IdRange>, IdMapError> {
    let unreadable = |source| IdMapError::Read {
        path: path.to_owned(),
        source,
    };
    let text = fs::read_to_string(path).map_err(unreadable)?;
    let ranges = parse_map(&text)
        .ok_or_else(|| unreadable(io::Error::new(io::ErrorKind::InvalidData, "not an id map")))?;
    Ok(ranges
        .into_iter()
        .map(|range| IdRange {
            outside: range.inside,
            ..range
        })
        .collect())
}

fn parse_map(text: &str) -> Option<Vec<IdRange>> {
    text.lines()
        .map(|line| {
            let mut numbers = line.split_ascii_whitespace().map(|word| word.parse::<u32>().ok());
            Some(IdRange {
                inside: numbers.next()??,
                outside: numbers.next()??,
                count: numbers.next()??,
            })
        })
        .collect()
}

/// Id 0 is the caller, and from 1 on come the subordinate ranges, one after the other.
fn with_subordinates(own: u32, ranges: Vec<(u32, u32)>) -> Vec<IdRange> {
    let mut map = vec![IdRange {
        inside: 0,
        outside: own,
        count: 1,
    }];
    let mut inside: u32 = 1;
    for (outside, count) in ranges {
        // The id u32::MAX does not exist, and a map ends before it.
        let count = count.min(u32::MAX - inside);
        if count > 0 {
            map.push(IdRange {
                inside,
                outside,
                count,
            });
            inside += count;
        }
    }
    map
}

fn subordinate_ranges(
    file: &str,
    uid: u32,
    name: Option<&str>,
    caller: &Caller,
) -> Result<Vec<(u32, u32)>, IdMapError> {
    let text = read_if_there(Path::new(file))?;
    let mut ranges = parse_subordinate(&text, uid, name);
    if ranges.is_empty() {
        ranges = ask_getsubids(file.ends_with("gid"), name, caller)?;
    }
    let found: u64 = ranges.iter().map(|(_, count)| u64::from(*count)).sum();
    // One id, 0, is the caller's own.
    if found + 1 < MIN_IDS {
        let user = name.map_or_else(|| uid.to_string(), str::to_owned);
        return Err(IdMapError::Range {
            file: file.into(),
            user,
            found,
        });
    }
    Ok(ranges)
}

/// Lines `user:first:count`, where the user is a name or a number. Other lines are not ours to judge.
fn parse_subordinate(text: &str, uid: u32, name: Option<&str>) -> Vec<(u32, u32)> {
    let number = uid.to_string();
    text.lines()
        .filter_map(|line| {
            let mut fields = line.trim().split(':');
            let user = fields.next()?;
            if Some(user) != name && user != number {
                return None;
            }
            let first: u32 = fields.next()?.trim().parse().ok()?;
            let count: u32 = fields.next()?.trim().parse().ok()?;
            // A range that would run past the last id is a mistake, not a range.
            (count > 0 && first.checked_add(count).is_some()).then_some((first, count))
        })
        .collect()
}

/// Ranges from a directory service, by the program that the same package as `newuidmap` brings. Lines
/// `0: user first count`.
fn ask_getsubids(groups: bool, name: Option<&str>, caller: &Caller) -> Result<Vec<(u32, u32)>, IdMapError> {
    let (Some(program), Some(name)) = (caller.find_program("getsubids"), name) else {
        return Ok(Vec::new());
    };
    let mut command = Command::new(&program);
    if groups {
        command.arg("-g");
    }
    child::with_limits_of_caller(&mut command);
    let output = match command.arg(name).output() {
        Err(source) if source.raw_os_error().and_then(Shortage::of).is_some() => {
            return Err(IdMapError::Read {
                path: program,
                source,
            });
        }
        Err(_) => return Ok(Vec::new()),
        Ok(output) => output,
    };
    let text = String::from_utf8_lossy(&output.stdout);
    Ok(text
        .lines()
        .filter_map(|line| {
            let mut words = line.split_ascii_whitespace().skip(2);
            Some((words.next()?.parse().ok()?, words.next()?.parse().ok()?))
        })
        .collect())
}

/// Nothing where there is no file. One that cannot be read is an error: a host that is short of descriptors would look
/// like one that gives the user no ids.
fn read_if_there(path: &Path) -> Result<String, IdMapError> {
    match fs::read_to_string(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(String::new()),
        other => other.map_err(|source| IdMapError::Read {
            path: path.to_owned(),
            source,
        }),
    }
}

/// The user's name from `/etc/passwd`.
fn user_name(uid: u32) -> Result<Option<String>, IdMapError> {
    let text = read_if_there(Path::new("/etc/passwd"))?;
    let number = uid.to_string();
    Ok(text.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)? == number).then(|| name.to_owned())
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_found_by_name_and_by_number() {
        let text = "other:1:9\nann:100000:65536\n1001:300000:5\n1001 :7:7\nann:x:3\nann:4294967290:65536\n";
        assert_eq!(
            parse_subordinate(text, 1001, Some("ann")),
            [(100_000, 65_536), (300_000, 5)]
        );
        assert_eq!(parse_subordinate(text, 1001, None), [(300_000, 5)]);
        assert_eq!(parse_subordinate(text, 7, Some("nobody")), []);
    }

    #[test]
    fn the_map_is_contiguous_inside() {
        let map = with_subordinates(1001, vec![(100_000, 65_536), (300_000, 10)]);
        assert_eq!(
            map[0],
            IdRange {
                inside: 0,
                outside: 1001,
                count: 1
            }
        );
        assert_eq!(
            map[1],
            IdRange {
                inside: 1,
                outside: 100_000,
                count: 65_536
            }
        );
        assert_eq!(
            map[2],
            IdRange {
                inside: 65_537,
                outside: 300_000,
                count: 10
            }
        );
    }

    #[test]
    fn the_maps_of_the_kernel_are_understood() {
        let map = parse_map("         0       1001          1\n         1     100000      65536\n").unwrap();
        assert_eq!(
            map[1],
            IdRange {
                inside: 1,
                outside: 100_000,
                count: 65_536
            }
        );
        assert_eq!(parse_map("0 x 1"), None);
    }

    #[test]
    fn a_missing_range_says_what_to_do() {
        let error = IdMapError::Range {
            file: "/etc/subuid".into(),
            user: "ann".into(),
            found: 0,
        };
        assert!(error.to_string().contains("/etc/subuid gives ann 0 "));
        assert_eq!(error.remedy(), Remedy::SubordinateIds(Some("ann".to_owned())));
    }
}
