//! `rbuild wait`: waits for containers to end.

use super::{find, told};
use crate::cli::stored;
use crate::cli::streams::{note, print};
use crate::error::Failure;
use clap::Args;
use std::path::Path;

/// What was typed.
#[derive(Debug, Args)]
pub struct WaitArgs {
    /// Names or ids
    #[arg(value_name = "CONTAINER", required = true)]
    pub containers: Vec<String>,
}

/// Waits for one after the other, and prints their exit codes.
///
/// # Errors
/// One of them is not there.
pub fn run(args: &WaitArgs, root: Option<&Path>) -> Result<u8, Failure> {
    let store = stored::readable(root)?;
    let mut pending: Option<Failure> = None;
    for name in &args.containers {
        match find(store.as_ref(), name).and_then(|kept| kept.wait().map_err(told)) {
            Ok(code) => print(&format!("{code}\n"))?,
            Err(failure) => {
                if let Some(earlier) = pending.replace(failure) {
                    note(earlier.text().trim_end());
                }
            }
        }
    }
    pending.map_or(Ok(0), Err)
}
