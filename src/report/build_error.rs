//! Words for a build that failed.

use super::{findings, step};
use crate::error::Failure;
use crate::interrupt;
use crate::options::{BuildOptions, Call};
use crate::ui::Look;
use rbuild_build::BuildError;
use rbuild_build::dockerfile::add_checks_above_errors;

/// What the user is told.
pub fn failure(error: BuildError, options: &BuildOptions, look: &Look) -> Failure {
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
            findings::parsing(&file, &diagnostics, look)
        }
        BuildError::Lowering {
            file,
            findings,
            checks,
        } => findings::lowering(&file, &findings, &checks, look),
        BuildError::Checks {
            file,
            checks,
            findings,
        } => findings::checks(&file, &checks, &findings, look),
        BuildError::Step(failed) => step::failed(&failed, options, look),
        BuildError::Stopped => interrupt::failure(),
        BuildError::Other(failure) => failure,
    }
}
