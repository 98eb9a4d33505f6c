//! Containers that are kept: what of docker's a user and a script count on, and what holds them together without a daemon.

use crate::harness::{Base, Outcome, TestEnv, processes};
use std::path::PathBuf;
use std::time::{Duration, Instant};

mod exec;
mod faults;
mod lifecycle;
mod listing;
mod logs;
mod many;

/// A store with busybox, whose containers go with the test.
pub(crate) struct Containers {
    pub(crate) env: TestEnv,
}

impl Containers {
    pub(crate) fn new() -> Self {
        Self {
            env: TestEnv::with(&[Base::Busybox]),
        }
    }

    /// rbuild with these words, one after the other.
    pub(crate) fn rbuild(&self, words: &[&str]) -> Outcome {
        self.env.rbuild(words).run().no_panic()
    }

    /// The same, whose output matters.
    #[track_caller]
    pub(crate) fn out(&self, words: &[&str]) -> String {
        self.rbuild(words).success().out().into_owned()
    }

    /// A container of this name that runs a script.
    #[track_caller]
    pub(crate) fn start(&self, name: &str, flags: &[&str], script: &str) -> String {
        let mut words = vec!["run", "-d", "--name", name];
        words.extend(flags);
        words.extend(["busybox:local", "sh", "-c", script]);
        self.out(&words)
    }

    /// What `inspect` says at this place.
    #[track_caller]
    pub(crate) fn inspect(&self, name: &str, place: &str) -> serde_json::Value {
        let text = self.out(&["inspect", name]);
        let value: serde_json::Value = serde_json::from_str(&text).unwrap();
        value[0].pointer(place).cloned().unwrap_or_default()
    }

    /// The state of a container, in one word.
    #[track_caller]
    pub(crate) fn status(&self, name: &str) -> String {
        self.inspect(name, "/State/Status")
            .as_str()
            .unwrap_or_default()
            .to_owned()
    }

    /// Waits for something that comes soon. Only a hang makes this fail.
    #[track_caller]
    pub(crate) fn until(&self, what: &str, is_so: impl Fn() -> bool) {
        let deadline = Instant::now() + Duration::from_secs(60);
        while !is_so() {
            assert!(Instant::now() < deadline, "never so: {what}");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Waits until a container has printed this.
    #[track_caller]
    pub(crate) fn until_printed(&self, name: &str, text: &str) {
        self.until(text, || self.rbuild(&["logs", name]).out().contains(text));
    }

    /// The directory of a container.
    #[track_caller]
    pub(crate) fn dir(&self, name: &str) -> PathBuf {
        let id = self.inspect(name, "/Id");
        self.env.store().join("containers").join(id.as_str().unwrap())
    }

    /// The process that looks after a container.
    #[track_caller]
    pub(crate) fn monitor(&self, name: &str) -> i32 {
        let id = self.inspect(name, "/Id");
        let found = processes::with_word(&id.as_str().unwrap()[..12]);
        assert_eq!(found.len(), 1, "{found:?}");
        found[0]
    }
}

impl Drop for Containers {
    fn drop(&mut self) {
        let left = self.env.rbuild(["ps", "-aq"]).run();
        let ids: Vec<String> = left.out().split_whitespace().map(str::to_owned).collect();
        if !ids.is_empty() {
            self.env.rbuild(["rm", "-f"]).args(&ids).run();
        }
    }
}
