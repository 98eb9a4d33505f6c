//! [`Hierarchies`]: which trees of groups are mounted, and where a process is in them.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::controller::Controller;
use super::error::LimitError;
use crate::mountinfo::unescape;

/// A tree of groups, as it can be seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Hierarchy {
    /// Where its topmost visible group is mounted.
    pub(super) top: PathBuf,
    /// The process's group, at or below `top`.
    pub(super) own: PathBuf,
}

/// All trees.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Hierarchies {
    /// The one of version 2.
    pub(super) unified: Option<Hierarchy>,
    /// Those of version 1, by what they have.
    pub(super) legacy: BTreeMap<Controller, Hierarchy>,
}

impl Hierarchies {
    /// Where a process is; `proc` is `/proc`, `pid` a name in it.
    pub(super) fn of(proc: &Path, pid: &OsStr) -> Result<Self, LimitError> {
        let read =
            |path: PathBuf| std::fs::read(&path).map_err(|error| LimitError::io("reading", &path, &error));
        let groups = read(proc.join(pid).join("cgroup"))?;
        // Our own view: what another process sees may be mounted elsewhere.
        let mounts = read(proc.join("self/mountinfo"))?;
        Ok(Self::parse(&mounts, &groups))
    }

    fn parse(mountinfo: &[u8], groups: &[u8]) -> Self {
        let mut found = Self::default();
        for line in mountinfo.split(|byte| *byte == b'\n') {
            let Some(mount) = Mount::parse(line) else { continue };
            match mount.kind {
                b"cgroup2" if found.unified.is_none() => {
                    found.unified = group_in(groups, |controllers| controllers.is_empty())
                        .map(|own| mount.hierarchy(&own));
                }
                b"cgroup" => {
                    for controller in Controller::ALL {
                        let name = controller.in_v1().as_bytes();
                        if !has(mount.options, name) || found.legacy.contains_key(&controller) {
                            continue;
                        }
                        if let Some(own) = group_in(groups, |controllers| has(controllers, name)) {
                            found.legacy.insert(controller, mount.hierarchy(&own));
                        }
                    }
                }
                _ => {}
            }
        }
        found
    }
}

fn has(list: &[u8], word: &[u8]) -> bool {
    list.split(|byte| *byte == b',').any(|other| other == word)
}

/// The path of a group in lines of `NUMBER:CONTROLLERS:PATH`.
fn group_in(groups: &[u8], is_it: impl Fn(&[u8]) -> bool) -> Option<PathBuf> {
    groups.split(|byte| *byte == b'\n').find_map(|line| {
        let mut parts = line.splitn(3, |byte| *byte == b':');
        let (_, controllers, path) = (parts.next()?, parts.next()?, parts.next()?);
        is_it(controllers).then(|| PathBuf::from(OsStr::from_bytes(path)))
    })
}

/// What counts of a line of `mountinfo` (`proc_pid_mountinfo(5)`).
struct Mount<'a> {
    root: PathBuf,
    point: PathBuf,
    kind: &'a [u8],
    options: &'a [u8],
}

impl<'a> Mount<'a> {
    fn parse(line: &'a [u8]) -> Option<Self> {
        let mut fields = line.split(|byte| *byte == b' ');
        let root = fields.nth(3)?;
        let point = fields.next()?;
        let mut rest = fields.skip_while(|field| *field != b"-").skip(1);
        let kind = rest.next()?;
        let options = rest.nth(1)?;
        let path = |field: &[u8]| PathBuf::from(OsStr::from_bytes(&unescape(field)));
        Some(Self {
            root: path(root),
            point: path(point),
            kind,
            options,
        })
    }

    /// A container may see only a part of a tree, and call its group by a path that is not there (`/..`).
    fn hierarchy(&self, own: &Path) -> Hierarchy {
        let below = own.strip_prefix(&self.root).ok();
        let below = below.filter(|path| {
            !path
                .components()
                .any(|part| part == std::path::Component::ParentDir)
        });
        Hierarchy {
            own: match below {
                // To join nothing adds a slash.
                Some(path) if path != Path::new("") => self.point.join(path),
                _ => self.point.clone(),
            },
            top: self.point.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(top: &str, own: &str) -> Hierarchy {
        Hierarchy {
            top: top.into(),
            own: own.into(),
        }
    }

    #[test]
    fn a_host_with_version_2() {
        let mounts = b"30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate\n";
        let found = Hierarchies::parse(mounts, b"0::/user.slice/user-1000.slice/a.scope\n");
        let own = "/sys/fs/cgroup/user.slice/user-1000.slice/a.scope";
        assert_eq!(found.unified, Some(at("/sys/fs/cgroup", own)));
        assert!(found.legacy.is_empty());
    }

    #[test]
    fn a_host_with_both_versions() {
        let mounts = b"1 0 0:1 / /sys/fs/cgroup rw - tmpfs tmpfs rw\n\
            2 1 0:2 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n\
            3 1 0:3 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n\
            4 1 0:4 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n\
            5 1 0:5 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,name=systemd\n";
        let groups = b"5:name=systemd:/s\n3:memory:/m/x:y\n2:cpu,cpuacct:/\n0::/\n";
        let found = Hierarchies::parse(mounts, groups);
        assert_eq!(
            found.unified,
            Some(at("/sys/fs/cgroup/unified", "/sys/fs/cgroup/unified"))
        );
        let memory = at("/sys/fs/cgroup/memory", "/sys/fs/cgroup/memory/m/x:y");
        assert_eq!(found.legacy[&Controller::Memory], memory);
        let cpu = &found.legacy[&Controller::Cpu];
        assert_eq!(cpu, &found.legacy[&Controller::CpuAccounting]);
        assert_eq!(cpu.own.as_os_str(), "/sys/fs/cgroup/cpu,cpuacct");
        assert_eq!(found.legacy.len(), 3);
    }

    #[test]
    fn a_container_sees_a_part_of_the_tree() {
        let mounts = b"3 1 0:3 /docker/1 /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory\n";
        let own = |groups: &[u8]| {
            Hierarchies::parse(mounts, groups).legacy[&Controller::Memory]
                .own
                .clone()
        };
        assert_eq!(own(b"3:memory:/docker/1/a"), Path::new("/sys/fs/cgroup/memory/a"));
        assert_eq!(own(b"3:memory:/docker/1"), Path::new("/sys/fs/cgroup/memory"));
        assert_eq!(own(b"3:memory:/other"), Path::new("/sys/fs/cgroup/memory"));
        let mounts = b"3 1 0:3 / /sys/fs/cgroup ro - cgroup2 cgroup rw\n";
        let found = Hierarchies::parse(mounts, b"0::/../sibling");
        assert_eq!(found.unified, Some(at("/sys/fs/cgroup", "/sys/fs/cgroup")));
    }
}
