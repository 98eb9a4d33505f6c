//! Words for a build that failed.

use super::{findings, step};
use crate::error::Failure;
use crate::interrupt;
use crate::options::{BuildOptions, Call};
use crate::ui::Style;
use rbuild_build::BuildError;
use rbuild_build::dockerfile::add_checks_above_errors;

/// What the user is told.
pub fn failure(error: BuildError, options: &BuildOptions, style: &Style) -> Failure {
    match error {
        BuildError::Syntax {
            file,
            mut diagnostics,
            dockerfile,
        } => {
            // With `--check` they are there already.
            if let Some(dockerfile) = dockerfile.filter(|_| options.call == Call::Build) {
                add_checks_above_errors(&dockerfile, &mut diagnostics);
            }
            findings::parsing(&file, &diagnostics, style)
        }
        BuildError::Lowering {
            file,
            findings,
            checks,
        } => findings::lowering(&file, &findings, &checks, style),
        BuildError::Checks {
            file,
            checks,
            findings,
        } => findings::checks(&file, &checks, &findings, style),
        BuildError::Step(failed) => step::failed(&failed, options, style),
        BuildError::Stopped => interrupt::failure(),
        BuildError::Other(error) => error.into(),
    }
}
