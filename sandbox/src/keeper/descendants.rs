//! The processes below this one, by what `/proc` says of parents.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use rustix::process::{Pid, Signal, kill_process};

/// Kills all processes below this one. They are stopped first, until no new one is seen: what forks faster than it can be
/// killed would go on for ever.
pub(super) fn kill_all() {
    const ROUNDS: usize = 1000;
    let mut seen = BTreeSet::new();
    for _ in 0..ROUNDS {
        let found = below_us();
        let new: Vec<i32> = found.difference(&seen).copied().collect();
        if new.is_empty() {
            break;
        }
        new.iter().for_each(|pid| signal(*pid, Signal::STOP));
        seen.extend(new);
    }
    // None of these runs any more, so none of their numbers is free for another process but those of children that a parent
    // had waited for before it was stopped: numbers come round after thousands of others.
    seen.iter().for_each(|pid| signal(*pid, Signal::KILL));
}

fn signal(pid: i32, signal: Signal) {
    if let Some(pid) = Pid::from_raw(pid) {
        // It may be gone already.
        let _ = kill_process(pid, signal);
    }
}

fn below_us() -> BTreeSet<i32> {
    let mut children: BTreeMap<i32, Vec<i32>> = BTreeMap::new();
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    for pid in processes.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok()) {
        if let Some(parent) = fs::read_to_string(format!("/proc/{pid}/stat"))
            .ok()
            .and_then(|stat| parent_in(&stat))
        {
            children.entry(parent).or_default().push(pid);
        }
    }
    let mut found = BTreeSet::new();
    let mut next = vec![rustix::process::getpid().as_raw_nonzero().get()];
    while let Some(pid) = next.pop() {
        for child in children.remove(&pid).unwrap_or_default() {
            found.insert(child);
            next.push(child);
        }
    }
    found
}

/// The fourth field of `/proc/PID/stat`. The second one, the name in parentheses, may hold anything.
fn parent_in(stat: &str) -> Option<i32> {
    let (_, rest) = stat.rsplit_once(')')?;
    rest.split_ascii_whitespace().nth(1)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_cannot_fake_a_parent() {
        assert_eq!(parent_in("7 (sh) S 3 7 7 0"), Some(3));
        assert_eq!(parent_in("7 (a) S 1 ) S 4 7 7 0"), Some(4));
        assert_eq!(parent_in("7 sh S 3"), None);
    }

    #[test]
    fn children_are_found() {
        let mut child = std::process::Command::new("sleep").arg("60").spawn().unwrap();
        let found = below_us();
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(found.contains(&(child.id() as i32)), "{found:?}");
    }
}
