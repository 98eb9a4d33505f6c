//! `rbuild tag`: another name for an image.

use super::stored;
use crate::error::Failure;
use crate::options;
use clap::Args;
use std::path::Path;

/// What was typed.
#[derive(Debug, Args)]
pub struct TagArgs {
    /// Name or id of the image
    #[arg(value_name = "SOURCE")]
    pub source: String,

    /// The new names
    #[arg(value_name = "NAME[:TAG]", required = true)]
    pub names: Vec<String>,
}

/// Tags.
///
/// # Errors
/// There is no such image, or a name is not valid.
pub fn run(args: &TagArgs, root: Option<&Path>) -> Result<u8, Failure> {
    let mut references = Vec::new();
    for name in &args.names {
        let reference = options::reference("NAME", name)?;
        if reference.digest().is_some() {
            return Err(Failure::usage(format!(
                "`{name}` has a digest: an image is not given one, it has it"
            )));
        }
        references.push(reference);
    }
    let (store, record) = stored::image(stored::existing(root)?, &args.source)?;
    for reference in references {
        store
            .images()
            .tag(&reference.to_string(), &record.id)
            .map_err(Failure::from_host)?;
    }
    Ok(0)
}
