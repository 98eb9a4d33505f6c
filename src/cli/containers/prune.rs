//! `rbuild container prune`: removes the containers that do not run.

use super::filter::Filters;
use super::{all, refused, told};
use crate::cli::stored;
use crate::cli::streams::{confirm, note, print};
use crate::error::Failure;
use crate::ui::amount;
use clap::{Args, Subcommand};
use rbuild_container::kept::{ControlError, KeptError};
use std::io::IsTerminal;
use std::path::Path;

/// What was typed.
#[derive(Debug, Args)]
pub struct ContainerArgs {
    /// What to do
    #[command(subcommand)]
    pub command: ContainerCommand,
}

/// What can be done to containers and is no verb of its own.
#[derive(Debug, Subcommand)]
pub enum ContainerCommand {
    /// Remove the containers that do not run
    Prune(PruneArgs),
}

/// What was typed for a prune.
#[derive(Debug, Args)]
pub struct PruneArgs {
    /// Do not ask
    #[arg(short, long)]
    pub force: bool,

    /// Only those: until=TIME, label=KEY[=VALUE], label!=KEY[=VALUE] (repeatable)
    #[arg(long = "filter", value_name = "NAME=VALUE")]
    pub filters: Vec<String>,
}

/// Removes.
///
/// # Errors
/// One could not be removed, or the user was not asked because there is no terminal.
pub fn run(args: &ContainerArgs, root: Option<&Path>) -> Result<u8, Failure> {
    let ContainerCommand::Prune(args) = &args.command;
    let filters = Filters::parse(&args.filters, &["until", "label", "label!"])?;
    if !args.force && !asked()? {
        note("nothing was removed");
        return Ok(0);
    }
    let Some(store) = stored::existing(root)? else {
        return print("Total reclaimed space: 0 B\n").map(|()| 0);
    };
    stored::enter_if_possible()?;
    let (mut removed, mut bytes) = (Vec::new(), 0);
    for kept in all(&store)? {
        let state = match kept.state() {
            Err(KeptError::Gone(_)) => continue,
            other => other.map_err(told)?,
        };
        if state.status.is_live() || !filters.take(&kept, &state) {
            continue;
        }
        let size = kept.written_bytes();
        match kept.remove(false) {
            // Started or removed by somebody else meanwhile.
            Err(ControlError::Running { .. } | ControlError::Kept(KeptError::Gone(_))) => continue,
            other => other.map_err(refused)?,
        }
        removed.push(kept.record().id.to_string());
        bytes += size;
    }
    let mut text = String::new();
    if !removed.is_empty() {
        text += &format!("Deleted Containers:\n{}\n\n", removed.join("\n"));
    }
    text += &format!("Total reclaimed space: {}\n", amount::bytes(bytes));
    print(&text)?;
    Ok(0)
}

fn asked() -> Result<bool, Failure> {
    if !std::io::stdin().is_terminal() {
        return Err(Failure::usage(
            "container prune asks before it removes, and there is no terminal to ask on",
        )
        .hint("`rbuild container prune -f` does not ask"));
    }
    note("this removes all containers that do not run, and what they have written");
    confirm("go on?")
}
