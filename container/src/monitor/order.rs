//! What a monitor is told at its start, and what it answers.

use super::NAME;
use crate::kept::{Change, Kept, KeptError};
use rbuild_sandbox::{Caller, Channel, SealedSpec, SpawnError, SpecHead, Winsize, child};
use rbuild_store::StoreError;
use rbuild_store::containers::ContainerId;
use rustix::io::Errno;
use serde::{Deserialize, Serialize};
use std::ffi::OsString;
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

/// Everything that a monitor does not read from the container's directory.
pub(super) struct Order {
    pub(super) text: Text,
    pub(super) spec: SealedSpec,
    /// A copy of the lock that whoever starts the container holds.
    pub(super) change: OwnedFd,
}

/// The part of an order that is text.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Text {
    pub(super) store: OsString,
    pub(super) boot: String,
    pub(super) id: ContainerId,
    pub(super) caller: Caller,
    /// What the container stands on, as leases.
    pub(super) leases: Vec<String>,
    spec: SpecHead,
    /// Rows and columns of its terminal.
    pub(super) size: (u16, u16),
}

#[derive(Debug, Serialize, Deserialize)]
enum Answer {
    Started,
    Spawn(SpawnError),
    Other(String),
}

/// Why a monitor has not started its command.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Failed {
    /// The sandbox could not be made, or the program is not there or cannot be executed.
    #[error(transparent)]
    Spawn(#[from] SpawnError),
    /// The container could not be read or changed.
    #[error(transparent)]
    Kept(#[from] KeptError),
    /// The store could not be used.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The kernel refuses something that it needs.
    #[error("the container's monitor cannot {attempt}: {}", std::io::Error::from(*errno))]
    System {
        /// What.
        attempt: &'static str,
        /// Why.
        errno: Errno,
    },
    /// What it said, as words.
    #[error("{0}")]
    Said(String),
    /// It ended without a word.
    #[error("the container's monitor was killed while it started")]
    Killed,
}

impl Failed {
    /// 125, or what it says of the program.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            Failed::Spawn(error) => error.exit_code(),
            _ => 125,
        }
    }
}

impl Order {
    pub(super) fn parse(text: &[u8], descriptors: Vec<OwnedFd>) -> Option<Self> {
        let text: Text = serde_json::from_slice(text).ok()?;
        let [spec, blobs, change] = <[OwnedFd; 3]>::try_from(descriptors).ok()?;
        let spec = SealedSpec::from_parts([spec, blobs], text.spec.clone());
        Some(Self { text, spec, change })
    }
}

fn bytes(answer: &Answer) -> Vec<u8> {
    // An answer that cannot be written down counts as none.
    serde_json::to_vec(answer).unwrap_or_default()
}

pub(super) fn started() -> Vec<u8> {
    bytes(&Answer::Started)
}

pub(super) fn failed(error: &Failed) -> Vec<u8> {
    bytes(&match error {
        Failed::Spawn(error) => Answer::Spawn(error.clone()),
        other => Answer::Other(other.to_string()),
    })
}

/// Has a monitor start a container's command, and returns once that executes. What the container stands on is leased by
/// this process.
///
/// # Errors
/// Why the command does not run.
pub fn launch(
    kept: &Kept,
    mut change: Change<'_>,
    spec: &SealedSpec,
    caller: &Caller,
    size: Winsize,
) -> Result<(), Failed> {
    ask(kept, &change, spec, caller, size).inspect_err(|error| {
        let _ = change.not_started(error.exit_code().into(), error.to_string());
    })
}

fn ask(
    kept: &Kept,
    change: &Change<'_>,
    spec: &SealedSpec,
    caller: &Caller,
    size: Winsize,
) -> Result<(), Failed> {
    let store = kept.dir().store();
    let (descriptors, head) = spec.parts();
    let text = Text {
        store: store.root().as_os_str().to_owned(),
        boot: store.boot_id().to_owned(),
        id: kept.dir().id().clone(),
        caller: caller.clone(),
        leases: store.locks().kept(),
        spec: head.clone(),
        size: (size.ws_row, size.ws_col),
    };
    let text = serde_json::to_vec(&text).map_err(|error| Failed::Said(error.to_string()))?;
    let system = |attempt| move |errno| Failed::System { attempt, errno };
    let (ours, theirs) = Channel::pair().map_err(system("make a socket"))?;
    let mut command = Command::new("/proc/self/exe");
    command.arg0(NAME).arg(kept.dir().id().short()).env_clear();
    command
        .stdin(OwnedFd::from(theirs))
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command.current_dir("/");
    child::lives_on(&mut command);
    let mut child = command
        .spawn()
        .map_err(|error| Failed::Said(format!("starting the container's monitor: {error}")))?;
    // The program's own end of what became the child's standard input must not keep that open.
    drop(command);
    let [one, other] = descriptors;
    let sent = ours.send(&text, &[one, other, change.lock().as_fd()]);
    // It has another one go on and ends at once.
    let _ = child.wait();
    sent.map_err(system("be told what to do"))?;
    let answer = ours.receive().map_err(system("answer"))?;
    let answer = answer.and_then(|(bytes, _)| serde_json::from_slice(&bytes).ok());
    match answer {
        Some(Answer::Started) => Ok(()),
        Some(Answer::Spawn(error)) => Err(error.into()),
        Some(Answer::Other(said)) => Err(Failed::Said(said)),
        None => Err(Failed::Killed),
    }
}
