//! `rbuild rename`: gives a container another name.

use super::{find, told};
use crate::cli::stored;
use crate::error::Failure;
use clap::Args;
use rbuild_container::kept::KeptError;
use std::path::Path;

/// What was typed.
#[derive(Debug, Args)]
pub struct RenameArgs {
    /// Its name or id
    #[arg(value_name = "CONTAINER")]
    pub container: String,

    /// What it is to be called
    #[arg(value_name = "NAME")]
    pub name: String,
}

/// Renames.
///
/// # Errors
/// It is not there, or the name is another's.
pub fn run(args: &RenameArgs, root: Option<&Path>) -> Result<u8, Failure> {
    super::create::check_name(&args.name)?;
    let store = stored::existing(root)?;
    let kept = find(store.as_ref(), &args.container)?;
    let mut change = kept.change().map_err(told)?;
    let old = std::mem::replace(&mut change.record.name, args.name.clone());
    let containers = kept.dir().store().containers();
    let renamed = containers.rename::<KeptError>(kept.dir(), &old, &args.name, || change.write_record());
    renamed.map_err(told)?;
    Ok(0)
}
