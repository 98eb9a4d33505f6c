//! The processes of this machine, found by a word on their command line.

use rustix::process::{Pid, Signal, kill_process};
use std::time::{Duration, Instant};

/// Those that have this word on their command line, but for ones that have ended.
pub(crate) fn with_word(word: &str) -> Vec<i32> {
    let entries = std::fs::read_dir("/proc").expect("/proc can be read");
    let pids = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    pids.filter(|pid| {
        std::fs::read(format!("/proc/{pid}/cmdline"))
            .is_ok_and(|line| line.split(|byte| *byte == 0).any(|arg| arg == word.as_bytes()))
    })
    .collect()
}

/// Waits until none is left. Only a hang makes this fail.
#[track_caller]
pub(crate) fn wait_until_gone(word: &str) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !with_word(word).is_empty() {
        assert!(Instant::now() < deadline, "still running: `{word}`");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Waits until `sleep` runs with this word, and says which process it is. Whatever starts it may have the word on its
/// command line earlier, and so may the process itself before it executes `sleep`.
#[track_caller]
pub(crate) fn wait_for_sleep(word: &str) -> i32 {
    let is_sleep =
        |pid: &i32| std::fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|name| name == "sleep\n");
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        if let Some(pid) = with_word(word).into_iter().find(is_sleep) {
            return pid;
        }
        assert!(Instant::now() < deadline, "never started: `{word}`");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Sends a signal.
pub(crate) fn signal(pid: i32, signal: Signal) {
    // It may have ended already; then there is nobody to tell.
    let _ = kill_process(Pid::from_raw(pid).expect("a pid is not 0"), signal);
}

/// A number of seconds that no other process sleeps: the word to look for.
pub(crate) fn unique_sleep() -> String {
    use std::sync::atomic::{AtomicU32, Ordering};
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let serial = NEXT.fetch_add(1, Ordering::Relaxed);
    format!("{}{serial:03}", 1_000_000 + std::process::id() % 1_000_000)
}
