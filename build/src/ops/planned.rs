//! [`Planned`]: a step of a build that is only described.

use super::definition::definition;
use super::spec::Step;
use rbuild_solver::{DefinitionDigest, Effort, Op, Preimage, RunContext};
use std::convert::Infallible;

/// A step that is never run. Equal steps are merged as a build merges them.
#[derive(Debug)]
pub struct Planned(pub Step);

impl Op for Planned {
    type Output = ();
    type Error = Infallible;

    fn name(&self) -> &str {
        &self.0.title
    }

    fn definition(&self) -> Option<DefinitionDigest> {
        Some(definition(&self.0))
    }

    fn preimage(&self, _inputs: &[()], _effort: Effort) -> Result<Option<Preimage>, Infallible> {
        Ok(None)
    }

    fn run(&self, _inputs: &[()], _context: &RunContext<'_>) -> Result<(), Infallible> {
        Ok(())
    }
}
