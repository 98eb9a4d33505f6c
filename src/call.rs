//! `--call` and `--check`: what a Dockerfile says, without building it.

use crate::context::BuildContext;
use crate::error::Failure;
use crate::options::BuildOptions;
use crate::pipeline::SourceFile;
use crate::ui::Look;
use dockerfile_parser::Dockerfile;

/// Runs a method other than `build`.
///
/// # Errors
/// The method is not there yet.
pub fn run(
    _options: &BuildOptions,
    _file: &SourceFile,
    _parsed: &Dockerfile,
    _context: &BuildContext,
    _look: &Look,
) -> Result<u8, Failure> {
    Err(Failure::usage("`--check` and `--call` are not supported yet"))
}
