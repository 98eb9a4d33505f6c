//! `rbuild store`: looking after the store.

use super::stored;
use super::streams::{note, print};
use crate::error::Failure;
use clap::{Args, Subcommand};
use rbuild_build::engine;
use std::path::Path;

/// What was typed.
#[derive(Debug, Args)]
pub struct StoreArgs {
    /// What to do
    #[command(subcommand)]
    pub command: StoreCommand,
}

/// The verbs of `store`.
#[derive(Debug, Subcommand)]
pub enum StoreCommand {
    /// Read everything and compare it with what it should be
    Check(CheckArgs),
    /// Remove what killed processes left
    Sweep,
}

/// What was typed.
#[derive(Debug, Args)]
pub struct CheckArgs {
    /// Remove what is damaged, so that it is built or pulled again
    #[arg(long)]
    pub repair: bool,
}

/// Does it.
///
/// # Errors
/// The store is damaged and stays so, or cannot be read.
pub fn run(args: &StoreArgs, root: Option<&Path>) -> Result<u8, Failure> {
    match &args.command {
        StoreCommand::Check(args) => check(args, root),
        StoreCommand::Sweep => sweep(root),
    }
}

fn check(args: &CheckArgs, root: Option<&Path>) -> Result<u8, Failure> {
    let store = if args.repair {
        stored::existing(root)?
    } else {
        stored::readable(root)?
    };
    let Some(store) = store else {
        print("the store is empty\n")?;
        return Ok(0);
    };
    engine::enter_namespace(&crate::environment::environment().caller())?;
    let problems = store.check(args.repair).map_err(Failure::from_host)?;
    let mut text = String::new();
    for problem in &problems {
        let path = problem.path.strip_prefix(store.root()).unwrap_or(&problem.path);
        let mended = if problem.repaired { " (removed)" } else { "" };
        text += &format!("{}: {}{mended}\n", path.display(), problem.what);
    }
    let left = problems.iter().filter(|problem| !problem.repaired).count();
    if problems.is_empty() {
        text += "the store is whole\n";
    }
    print(&text)?;
    match left {
        0 => Ok(0),
        _ => {
            let failure = Failure::host(match left {
                1 => "1 thing in the store is damaged".to_owned(),
                count => format!("{count} things in the store are damaged"),
            })
            .with_exit_code(1);
            Err(if args.repair {
                failure.hint("build or pull the images that are named above again")
            } else {
                failure.hint("`rbuild store check --repair` removes what is damaged")
            })
        }
    }
}

fn sweep(root: Option<&Path>) -> Result<u8, Failure> {
    let Some(store) = stored::existing(root)? else {
        print("removed 0\n")?;
        return Ok(0);
    };
    engine::enter_namespace(&crate::environment::environment().caller())?;
    let swept = store.sweep_tmp().map_err(Failure::from_host)?;
    print(&format!("removed {}\n", swept.removed))?;
    if swept.in_use > 0 {
        note(&format!("{} belong to processes that run", swept.in_use));
    }
    for (path, why) in &swept.failed {
        note(&format!(
            "warning: `{}` could not be removed: {why}",
            path.display()
        ));
    }
    match swept.failed.len() {
        0 => Ok(0),
        count => Err(Failure::host(format!(
            "{count} of the store's files could not be removed"
        ))),
    }
}
