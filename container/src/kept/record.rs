//! [`Record`]: what a container is. `config.json`.

use crate::log::LogOptions;
use crate::request::Request;
use crate::time::Time;
use rbuild_layer::SnapshotId;
use rbuild_oci::{ContainerConfig, Digest};
use rbuild_store::containers::ContainerId;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

/// What a container is, as it was asked for. A start makes what runs of it anew.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Record {
    /// What it is called for good.
    pub id: ContainerId,
    /// What it is called by people.
    pub name: String,
    /// When it was made.
    pub created: Time,
    /// What it was made of.
    pub image: ImageName,
    /// The image's files.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub snapshot: Option<SnapshotId>,
    /// The image's configuration.
    pub config: ContainerConfig,
    /// What was asked for on top.
    pub request: Request,
    /// Program and arguments, of both.
    pub argv: Vec<String>,
    /// Whether the command has a terminal.
    pub tty: bool,
    /// Whether its standard input is kept open.
    pub open_stdin: bool,
    /// Whether it goes when its command has ended.
    pub auto_remove: bool,
    /// The number of the signal that asks it to end.
    pub stop_signal: i32,
    /// Seconds from then on until it is killed; for ever if negative.
    pub stop_timeout: i64,
    /// Whether its command is started again.
    pub restart: Restart,
    /// The image's labels and its own.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    /// What it is annotated with.
    #[serde(default)]
    pub annotations: BTreeMap<String, String>,
    /// What is kept of its output.
    pub log: LogOptions,
}

/// What a container was made of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageName {
    /// The image's id.
    pub id: Digest,
    /// As it was typed.
    pub name: String,
}

/// Whether a command that has ended is started again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Restart {
    /// Never.
    #[default]
    No,
    /// When its exit code is not 0, at most so many times; for 0 any number of times.
    OnFailure(u32),
    /// Whatever its exit code.
    Always,
    /// As `Always`; the two differ after a reboot only.
    UnlessStopped,
}

impl Restart {
    /// Whether to start again what has ended with `code` after so many restarts.
    #[must_use]
    pub fn again(self, code: i32, restarts: u32) -> bool {
        match self {
            Restart::No => false,
            Restart::OnFailure(most) => code != 0 && (most == 0 || restarts < most),
            Restart::Always | Restart::UnlessStopped => true,
        }
    }

    /// Its name, without a number.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Restart::No => "no",
            Restart::OnFailure(_) => "on-failure",
            Restart::Always => "always",
            Restart::UnlessStopped => "unless-stopped",
        }
    }
}

impl fmt::Display for Restart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Restart::OnFailure(most) if *most > 0 => write!(f, "on-failure:{most}"),
            other => f.write_str(other.name()),
        }
    }
}

impl FromStr for Restart {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        Ok(match text {
            "no" | "" => Restart::No,
            "always" => Restart::Always,
            "unless-stopped" => Restart::UnlessStopped,
            "on-failure" => Restart::OnFailure(0),
            other => Restart::OnFailure(
                other
                    .strip_prefix("on-failure:")
                    .ok_or(())?
                    .parse()
                    .map_err(drop)?,
            ),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn when_a_command_is_started_again() {
        let again = |policy: &str, code, restarts| policy.parse::<Restart>().unwrap().again(code, restarts);
        assert!(!again("no", 1, 0));
        assert!(again("on-failure", 1, 1000) && !again("on-failure", 0, 0));
        assert!(again("on-failure:3", 1, 2) && !again("on-failure:3", 1, 3));
        assert!(again("always", 0, 9) && again("unless-stopped", 0, 9));
        for text in ["no", "always", "unless-stopped", "on-failure", "on-failure:3"] {
            assert_eq!(text.parse::<Restart>().unwrap().to_string(), text);
        }
        for wrong in ["never", "on-failure:", "on-failure:x", "always:3"] {
            assert!(wrong.parse::<Restart>().is_err(), "{wrong}");
        }
    }
}
