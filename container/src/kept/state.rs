//! [`State`]: what has become of a container. `state.json`.

use crate::time::Time;
use serde::{Deserialize, Serialize};

/// The code of what was killed together with the process that looked after it.
pub const KILLED: i32 = 137;

/// What has become of a container.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct State {
    /// In one word.
    pub status: Status,
    /// Its first process, while it runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub process: Option<ProcessName>,
    /// The boot in which it was started last.
    #[serde(default)]
    pub boot: String,
    /// When it was started last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started: Option<Time>,
    /// When it ended last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finished: Option<Time>,
    /// How it ended last, as shells count.
    #[serde(default)]
    pub exit_code: i32,
    /// Whether the kernel killed it for want of memory.
    #[serde(default)]
    pub oom_killed: bool,
    /// Why it could not be started.
    #[serde(default)]
    pub error: String,
    /// How often it was started again by itself.
    #[serde(default)]
    pub restarts: u32,
    /// What somebody wants of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wanted: Option<Wanted>,
    /// The signal for which it was killed, since it would have ended any other process.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub killed_for: Option<i32>,
}

/// What has become of a container, in one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// Never started.
    #[default]
    Created,
    /// Its command runs.
    Running,
    /// Its processes are held.
    Paused,
    /// Its command has ended and is about to be started again.
    Restarting,
    /// Its command has ended.
    Exited,
}

impl Status {
    /// The word.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Status::Created => "created",
            Status::Running => "running",
            Status::Paused => "paused",
            Status::Restarting => "restarting",
            Status::Exited => "exited",
        }
    }

    /// Whether there are processes.
    #[must_use]
    pub fn has_processes(self) -> bool {
        matches!(self, Status::Running | Status::Paused)
    }

    /// Whether somebody looks after it.
    #[must_use]
    pub fn is_live(self) -> bool {
        matches!(self, Status::Running | Status::Paused | Status::Restarting)
    }
}

/// What somebody wants of a container whose command will end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Wanted {
    /// That it stays so.
    Stop,
    /// That it is started again at once.
    Restart,
}

/// A process, by number and by when it began: no other one of this boot has both.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessName {
    /// Its number, where `/proc` is the host's.
    pub pid: i32,
    /// When it began, in ticks since the boot.
    pub begun: u64,
}

impl State {
    /// What is true of a container that is said to live and that nobody looks after: it was killed.
    #[must_use]
    pub fn abandoned(&self, found: Time) -> Self {
        Self {
            status: Status::Exited,
            process: None,
            finished: Some(found),
            exit_code: KILLED,
            wanted: None,
            killed_for: None,
            ..self.clone()
        }
    }
}
