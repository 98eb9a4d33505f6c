//! [`Delegation`]: the places where we may make groups, found and made ready.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::io;
use std::path::{Component, Path, PathBuf};

use rustix::fs::{Access, Mode};
use rustix::io::Errno;

use super::OURS;
use super::controller::{self, Controller};
use super::error::LimitError;
use super::hierarchy::{Hierarchies, Hierarchy};
use crate::limits::Limits;

const CONTROLLERS: &str = "cgroup.controllers";
const SUBTREE: &str = "cgroup.subtree_control";
const PROCESSES: &str = "cgroup.procs";

/// Where groups for certain limits are made.
#[derive(Debug)]
pub(crate) struct Delegation {
    pub(super) bases: Vec<Base>,
}

/// A group below which others are made.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Base {
    pub(super) dir: PathBuf,
    /// Whether it is of version 2.
    pub(super) unified: bool,
    /// What groups below it limit and count.
    pub(super) controllers: BTreeSet<Controller>,
}

impl Delegation {
    /// Finds where these limits can be had, and what else counts there.
    pub(crate) fn find(limits: &Limits) -> Result<Self, LimitError> {
        let hierarchies = Hierarchies::of(Path::new("/proc"), OsStr::new("self"))?;
        Self::find_in(&hierarchies, limits)
    }

    fn find_in(hierarchies: &Hierarchies, limits: &Limits) -> Result<Self, LimitError> {
        let mut found = Self { bases: Vec::new() };
        let needed = controller::needed(limits);
        let parent = limits.parent.as_deref();
        let mut ready = None;
        let mut last = None;
        for controller in needed.iter().chain(&controller::COUNTING) {
            let place = match hierarchies.legacy.get(controller) {
                Some(hierarchy) => legacy_base(hierarchy, parent, *controller),
                None => match &hierarchies.unified {
                    Some(hierarchy) => {
                        let wanted = wanted_of_unified(hierarchies, &needed);
                        let base = ready.get_or_insert_with(|| unified_base(hierarchy, parent, &wanted));
                        base_with(base, *controller)
                    }
                    None => Err(LimitError::not_mounted(*controller)),
                },
            };
            match place {
                Ok((dir, unified)) => found.add(dir, unified, *controller),
                Err(error) if needed.contains(controller) => return Err(error),
                Err(error) => last = Some(error),
            }
        }
        // Who asks for nothing but a parent is to have a group there.
        match last {
            Some(error) if found.bases.is_empty() => Err(error),
            _ => Ok(found),
        }
    }

    /// What could be limited here, as far as that shows before anything is made ready, and why nothing can.
    pub(super) fn outlook() -> Result<Vec<&'static str>, LimitError> {
        let hierarchies = Hierarchies::of(Path::new("/proc"), OsStr::new("self"))?;
        let mut first = None;
        let mut could = Vec::new();
        for controller in Controller::ALL {
            let Some(name) = controller.in_v2() else { continue };
            match could_limit(&hierarchies, controller) {
                Ok(()) => could.push(name),
                Err(error) => first = first.or(Some(error)),
            }
        }
        match first {
            Some(error) if could.is_empty() => Err(error),
            _ => Ok(could),
        }
    }

    fn add(&mut self, dir: PathBuf, unified: bool, controller: Controller) {
        let known = self.bases.iter_mut().find(|base| base.dir == dir);
        match known {
            Some(base) => {
                base.controllers.insert(controller);
            }
            None => self.bases.push(Base {
                dir,
                unified,
                controllers: [controller].into(),
            }),
        }
    }
}

fn could_limit(hierarchies: &Hierarchies, controller: Controller) -> Result<(), LimitError> {
    if let Some(hierarchy) = hierarchies.legacy.get(&controller) {
        return writable(&hierarchy.own, controller, false);
    }
    let Some(hierarchy) = &hierarchies.unified else {
        return Err(LimitError::not_mounted(controller));
    };
    let base = base_of_ours(hierarchy);
    writable(&base.join(SUBTREE), controller, true)?;
    match controller
        .in_v2()
        .is_some_and(|name| words(&base.join(CONTROLLERS)).contains(name))
    {
        true => Ok(()),
        false => Err(LimitError::not_delegated(controller, base)),
    }
}

/// What the tree of version 2 is asked for: all that no tree of version 1 has.
fn wanted_of_unified(hierarchies: &Hierarchies, needed: &[Controller]) -> BTreeSet<Controller> {
    let all = needed.iter().chain(&controller::COUNTING).copied();
    all.filter(|controller| !hierarchies.legacy.contains_key(controller))
        .collect()
}

/// The group that others are made in: ours, or the one that was asked for, which is made too.
fn legacy_base(
    hierarchy: &Hierarchy,
    parent: Option<&Path>,
    controller: Controller,
) -> Result<(PathBuf, bool), LimitError> {
    let dir = match parent {
        Some(parent) => below(&hierarchy.top, parent, |dir| {
            make(dir, controller, false)?;
            match controller {
                Controller::Cpuset => inherit_cpuset(dir),
                _ => Ok(()),
            }
        })?,
        None => hierarchy.own.clone(),
    };
    writable(&dir, controller, false)?;
    Ok((dir, false))
}

/// The group of version 2 in which others are made, and what is enabled there.
#[derive(Debug)]
struct UnifiedBase {
    dir: PathBuf,
    /// Why nothing can be made there.
    closed: Option<Errno>,
    enabled: BTreeSet<Controller>,
}

fn base_with(base: &UnifiedBase, controller: Controller) -> Result<(PathBuf, bool), LimitError> {
    if let Some(errno) = base.closed {
        return Err(LimitError::not_ours(controller, &base.dir, errno, true));
    }
    match controller.in_v2() {
        Some(_) if !base.enabled.contains(&controller) => {
            Err(LimitError::not_delegated(controller, &base.dir))
        }
        _ => Ok((base.dir.clone(), true)),
    }
}

/// Our group, or the one around it when we have stepped aside.
fn base_of_ours(hierarchy: &Hierarchy) -> &Path {
    match hierarchy.own.file_name() {
        Some(name) if name == OURS && hierarchy.own != hierarchy.top => {
            hierarchy.own.parent().unwrap_or(&hierarchy.top)
        }
        _ => &hierarchy.own,
    }
}

fn unified_base(hierarchy: &Hierarchy, parent: Option<&Path>, wanted: &BTreeSet<Controller>) -> UnifiedBase {
    let own = base_of_ours(hierarchy);
    let mut base = UnifiedBase {
        dir: parent.map_or_else(|| own.to_owned(), |parent| hierarchy.top.join(relative(parent))),
        closed: None,
        enabled: BTreeSet::new(),
    };
    let opened = match parent {
        Some(parent) => below(&hierarchy.top, parent, |dir| {
            match rustix::fs::mkdir(dir, Mode::from_raw_mode(0o755)) {
                Err(Errno::EXIST) => Ok(()),
                other => other,
            }
        }),
        None => Ok(base.dir.clone()),
    };
    let opened = opened.and_then(|dir| {
        // Who moves a process needs what is around both groups.
        let around = common(own, &dir);
        [
            dir.join(SUBTREE),
            dir.join(PROCESSES),
            around.join(PROCESSES),
            dir,
        ]
        .iter()
        .try_for_each(|path| rustix::fs::access(path, Access::WRITE_OK))
    });
    if let Err(errno) = opened {
        base.closed = Some(errno);
        return base;
    }
    enable(&hierarchy.top, &base.dir, wanted, parent.is_none());
    let enabled = words(&base.dir.join(SUBTREE));
    let is_enabled = |controller: &&Controller| controller.in_v2().is_some_and(|name| enabled.contains(name));
    base.enabled = wanted.iter().filter(is_enabled).copied().collect();
    base
}

/// The innermost directory around both.
fn common(one: &Path, other: &Path) -> PathBuf {
    let parts = one.components().zip(other.components());
    parts
        .take_while(|(one, other)| one == other)
        .map(|(part, _)| part)
        .collect()
}

/// Hands controllers down from the top to the groups below `base`, as far as we may. What could not be is seen in the end.
fn enable(top: &Path, base: &Path, wanted: &BTreeSet<Controller>, may_move: bool) {
    let mut chain: Vec<&Path> = base.ancestors().take_while(|dir| dir.starts_with(top)).collect();
    chain.reverse();
    for dir in chain {
        let there = words(&dir.join(CONTROLLERS));
        let enabled = words(&dir.join(SUBTREE));
        let missing = wanted.iter().filter_map(|controller| controller.in_v2());
        for name in missing.filter(|name| there.contains(*name) && !enabled.contains(*name)) {
            let add = || std::fs::write(dir.join(SUBTREE), format!("+{name}"));
            let Err(error) = add() else { continue };
            // A group with processes has none with limits below it.
            let is_busy = error.raw_os_error() == Some(Errno::BUSY.raw_os_error());
            if is_busy && may_move && dir == base && step_aside(base).is_ok() {
                let _ = add();
            }
        }
    }
}

/// Moves all processes of our own group into one below it.
fn step_aside(base: &Path) -> io::Result<()> {
    let aside = base.join(OURS);
    match rustix::fs::mkdir(&aside, Mode::from_raw_mode(0o755)) {
        Ok(()) | Err(Errno::EXIST) => {}
        Err(errno) => return Err(errno.into()),
    }
    // Those that are started meanwhile are found when it looks again.
    for _ in 0..10 {
        let processes = std::fs::read_to_string(base.join(PROCESSES))?;
        if processes.is_empty() {
            break;
        }
        for process in processes.lines() {
            // It may have ended. What belongs to somebody else stays, and the controller is not there.
            let _ = std::fs::write(aside.join(PROCESSES), process);
        }
    }
    Ok(())
}

fn words(file: &Path) -> BTreeSet<String> {
    let text = std::fs::read_to_string(file).unwrap_or_default();
    text.split_whitespace().map(str::to_owned).collect()
}

fn make(dir: &Path, controller: Controller, unified: bool) -> Result<(), LimitError> {
    match rustix::fs::mkdir(dir, Mode::from_raw_mode(0o755)) {
        Ok(()) | Err(Errno::EXIST) => Ok(()),
        Err(errno) => Err(LimitError::not_ours(
            controller,
            dir.parent().unwrap_or(dir),
            errno,
            unified,
        )),
    }
}

fn writable(dir: &Path, controller: Controller, unified: bool) -> Result<(), LimitError> {
    rustix::fs::access(dir, Access::WRITE_OK)
        .map_err(|errno| LimitError::not_ours(controller, dir, errno, unified))
}

/// Each group from below `top` down to `parent`, made where it is missing.
fn below<E>(top: &Path, parent: &Path, mut make: impl FnMut(&Path) -> Result<(), E>) -> Result<PathBuf, E> {
    let mut dir = top.to_owned();
    for part in relative(parent).components() {
        dir.push(part);
        if !dir.is_dir() {
            make(&dir)?;
        }
    }
    Ok(dir)
}

/// A path below the top. The slices of systemd are named by all that they are in: `a-b.slice` is `a.slice/a-b.slice`.
fn relative(parent: &Path) -> PathBuf {
    let normal = parent
        .components()
        .filter(|part| matches!(part, Component::Normal(_)));
    let path: PathBuf = normal.collect();
    let slice = path.to_str().filter(|name| !name.contains('/'));
    match slice.and_then(|name| name.strip_suffix(".slice")) {
        Some(name) if !parent.has_root() => {
            let ends = name.match_indices('-').map(|(at, _)| at).chain([name.len()]);
            ends.map(|end| format!("{}.slice", &name[..end])).collect()
        }
        _ => path,
    }
}

/// A new group of version 1 has no processors and no memory before it is given some.
pub(super) fn inherit_cpuset(dir: &Path) -> Result<(), LimitError> {
    let Some(parent) = dir.parent() else { return Ok(()) };
    for file in ["cpuset.cpus", "cpuset.mems"] {
        let (from, to) = (parent.join(file), dir.join(file));
        let value =
            std::fs::read_to_string(&from).map_err(|error| LimitError::io("reading", &from, &error))?;
        std::fs::write(&to, value.trim()).map_err(|error| LimitError::io("writing", &to, &error))?;
    }
    Ok(())
}

#[cfg(test)]
#[path = "delegation/tests.rs"]
mod tests;
