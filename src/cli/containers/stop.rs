//! `rbuild stop`, `restart` and `kill`: what ends a command.

use super::start::Starting;
use super::{each, refused};
use crate::error::Failure;
use crate::options::choice;
use clap::Args;
use dockerfile_parser::signal;
use rbuild_container::kept::{Kept, Wanted};
use std::path::Path;

/// What was typed for a stop.
#[derive(Debug, Args)]
pub struct StopArgs {
    /// Seconds to wait before the container is killed; -1 waits for ever [default: its own, else 10]
    #[arg(
        short,
        long,
        visible_alias = "timeout",
        value_name = "SECONDS",
        allow_negative_numbers = true
    )]
    pub time: Option<i64>,

    /// Signal to send [default: its own, else SIGTERM]
    #[arg(short, long, value_name = "SIGNAL")]
    pub signal: Option<String>,

    /// Names or ids
    #[arg(value_name = "CONTAINER", required = true)]
    pub containers: Vec<String>,
}

/// What was typed for a kill.
#[derive(Debug, Args)]
pub struct KillArgs {
    /// Signal to send
    #[arg(short, long, value_name = "SIGNAL", default_value = "KILL")]
    pub signal: String,

    /// Names or ids
    #[arg(value_name = "CONTAINER", required = true)]
    pub containers: Vec<String>,
}

/// Stops.
///
/// # Errors
/// One of them is not there, or does not end.
pub fn stop(args: &StopArgs, root: Option<&Path>) -> Result<u8, Failure> {
    let signal = args.signal.as_deref().map(number).transpose()?;
    each(root, &args.containers, |kept| {
        let (signal, seconds) = how(kept, signal, args.time);
        kept.stop(signal, seconds).map_err(refused)
    })
}

/// Stops and starts.
///
/// # Errors
/// One of them is not there, does not end or does not start.
pub fn restart(args: &StopArgs, root: Option<&Path>) -> Result<u8, Failure> {
    let signal = args.signal.as_deref().map(number).transpose()?;
    let mut ended = Vec::new();
    let code = each(root, &args.containers, |kept| {
        let (signal, seconds) = how(kept, signal, args.time);
        if !kept.restart(signal, seconds).map_err(refused)? {
            ended.push(kept.clone());
        }
        Ok(())
    })?;
    // Nobody looks after these who could start them. Last, since from a user namespace of our own we cannot stop any.
    if let Some(first) = ended.first() {
        let starting = Starting::new(first.dir().store().clone())?;
        for kept in &ended {
            starting.detached(kept)?;
        }
    }
    Ok(code)
}

fn how(kept: &Kept, signal: Option<i32>, seconds: Option<i64>) -> (i32, i64) {
    let record = kept.record();
    (
        signal.unwrap_or(record.stop_signal),
        seconds.unwrap_or(record.stop_timeout),
    )
}

/// Sends a signal.
///
/// # Errors
/// One of them is not there, or does not run.
pub fn kill(args: &KillArgs, root: Option<&Path>) -> Result<u8, Failure> {
    let signal = number(&args.signal)?;
    each(root, &args.containers, |kept| {
        // Who kills a container does not want it back at once.
        let wanted = (signal == 9).then_some(Wanted::Stop);
        kept.signal(signal, wanted).map_err(refused)
    })
}

/// The number of a signal that was typed.
///
/// # Errors
/// There is no such signal.
pub fn number(text: &str) -> Result<i32, Failure> {
    signal::parse(text).map(i32::from).ok_or_else(|| {
        choice(
            "SIGNAL",
            text,
            &[
                "HUP", "INT", "QUIT", "KILL", "USR1", "USR2", "TERM", "CONT", "STOP",
            ],
        )
    })
}
