//! `--call` and `--check`.

use super::choice;
use crate::cli::build::BuildArgs;
use crate::error::Failure;

/// What to do with the Dockerfile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Call {
    /// Build it.
    Build,
    /// Report what the checks find.
    Check,
    /// Describe arguments, secrets and the target.
    Outline,
    /// List the stages.
    Targets,
}

/// The method, and whether its answer is JSON.
///
/// # Errors
/// A method or format that is not known.
pub(super) fn call(args: &BuildArgs) -> Result<(Call, bool), Failure> {
    let (method, format) = match args.call.split_once(',') {
        Some((method, format)) => (method, Some(format)),
        None => (args.call.as_str(), None),
    };
    let json = match format {
        None | Some("format=text") => false,
        Some("format=json") => true,
        Some(other) => return Err(choice("--call", other, &["format=json", "format=text"])),
    };
    let call = match method {
        "build" if args.check => Call::Check,
        "build" => Call::Build,
        "check" => Call::Check,
        "outline" => Call::Outline,
        "targets" => Call::Targets,
        other => return Err(choice("--call", other, &["build", "check", "outline", "targets"])),
    };
    Ok((call, json))
}
