//! The vertices of a build: what enters their keys and how they run.
//!
//! | op | key: input identities and … | left out of the key |
//! |---|---|---|
//! | source | none: an image is its own identity | |
//! | copy | destination, owner, mode, flags; per selected file its path, type, mode, owner, content, link, xattrs, mtime where it was set | other mtimes, the file's place outside the selection; in the part of `--link` what is below |
//! | workdir | path, user | |
//! | exec | argv, environment, directory, user, network, host name where given, mounts (type, target, flags, content of bind sources; owner, mode and first files of caches), devices (names, what their specs add), platform, script | proxies, secrets, cache ids and sharing, host addresses, limits |
//! | fetch | URL or repository, content or commit, time, subdirectory | credentials in the URL |
//!
//! A key's revision is raised whenever what a step makes of the same fields changes.

mod checks;
pub mod copy;
mod definition;
mod devices;
mod exec;
mod fetch;
mod material;
mod mounts;
mod output;
mod planned;
mod source;
pub mod spec;
mod ssh_agent;
mod step_id;
mod workdir;

pub use crate::error::{OpError, ProgramError, exit_text};
pub use crate::step_check::{CopyPart, StepCheck};
pub use checks::{StepChecks, word_of};
pub use fetch::{FetchSpec, UNNAMED};
pub use material::Material;
pub use output::StepOutput;
pub use planned::Planned;
pub use step_id::StepId;

use crate::engine::Engine;
use rbuild_solver::{DefinitionDigest, Effort, Op, Preimage, RunContext};
use spec::{Step, StepSpec, hashed};
use std::sync::{Arc, Mutex, PoisonError};

/// A vertex.
pub struct BuildOp {
    step: Arc<Step>,
    engine: Arc<Engine>,
    keyed: Mutex<Option<Keyed>>,
}

/// What a key was made from, until the step runs. Nothing is looked at twice: it could be something else by then.
enum Keyed {
    Copy(copy::Sources),
    Fetch(fetch::Found),
}

impl BuildOp {
    /// A vertex that does its work with `engine`.
    #[must_use]
    pub fn new(step: Step, engine: Arc<Engine>) -> Self {
        Self {
            step: Arc::new(step),
            engine,
            keyed: Mutex::new(None),
        }
    }

    /// What it does, and for which line.
    #[must_use]
    pub fn step(&self) -> &Arc<Step> {
        &self.step
    }

    /// What enters the key.
    fn fields(&self, inputs: &[StepOutput], effort: Effort) -> Result<Option<Preimage>, OpError> {
        match &self.step.spec {
            StepSpec::Source(_) => Ok(None),
            StepSpec::Copy(spec) => {
                let Some((preimage, sources)) = copy::preimage(spec, inputs, effort)? else {
                    return Ok(None);
                };
                self.engine.checks.copied(&self.step, &sources)?;
                self.keep(Keyed::Copy(sources));
                Ok(Some(preimage))
            }
            StepSpec::Workdir(spec) => Ok(Some(workdir::preimage(spec, inputs))),
            StepSpec::Exec(spec) => exec::preimage(spec, inputs),
            StepSpec::Fetch(spec) => {
                let keyed = self.keyed.lock().unwrap_or_else(PoisonError::into_inner);
                let found = match &*keyed {
                    Some(Keyed::Fetch(found)) => Some(found),
                    _ => None,
                };
                Ok(fetch::preimage(spec, found))
            }
        }
    }

    fn keep(&self, keyed: Keyed) {
        *self.keyed.lock().unwrap_or_else(PoisonError::into_inner) = Some(keyed);
    }
}

impl Op for BuildOp {
    type Output = StepOutput;
    type Error = OpError;

    fn name(&self) -> &str {
        &self.step.title
    }

    fn definition(&self) -> Option<DefinitionDigest> {
        Some(definition::definition(&self.step))
    }

    fn quick(&self, _inputs: &[StepOutput]) -> Result<Option<StepOutput>, OpError> {
        match &self.step.spec {
            StepSpec::Source(spec) => source::quick(spec, &self.engine),
            _ => Ok(None),
        }
    }

    fn gather(&self, _inputs: &[StepOutput], context: &RunContext<'_>) -> Result<(), OpError> {
        if let StepSpec::Fetch(spec) = &self.step.spec
            && let Some(found) = fetch::ask(spec, &self.engine, context)?
        {
            self.keep(Keyed::Fetch(found));
        }
        Ok(())
    }

    fn preimage(&self, inputs: &[StepOutput], effort: Effort) -> Result<Option<Preimage>, OpError> {
        let preimage = self.fields(inputs, effort)?;
        // A pre-image is stored, and read out by `rbuild why`.
        Ok(preimage.map(|preimage| match self.step.secrets.is_empty() {
            true => preimage,
            false => preimage.map_text(|text| hashed(&self.step.secrets, text)),
        }))
    }

    fn weak(&self, whole: &Preimage) -> Option<Preimage> {
        match &self.step.spec {
            StepSpec::Copy(spec) => copy::weak(spec, whole),
            _ => None,
        }
    }

    fn fit(&self, inputs: &[StepOutput], candidate: &StepOutput) -> Result<Option<StepOutput>, OpError> {
        copy::transplant(inputs, candidate, &self.engine)
    }

    fn cacheable(&self) -> bool {
        !self.step.no_cache
    }

    fn run(&self, inputs: &[StepOutput], context: &RunContext<'_>) -> Result<StepOutput, OpError> {
        // The first failure, or a stop, is the end of this build: nothing long goes on.
        let files = self.engine.store.stop().clone();
        let _stops = context.cancel().subscribe(move || files.stop());
        let keyed = self.keyed.lock().unwrap_or_else(PoisonError::into_inner).take();
        match (&self.step.spec, keyed) {
            (StepSpec::Source(spec), _) => source::run(spec, &self.engine, context),
            (StepSpec::Copy(spec), Some(Keyed::Copy(sources))) => {
                copy::run(spec, &self.step, inputs, &sources, &self.engine)
            }
            (StepSpec::Workdir(spec), _) => workdir::run(spec, inputs, &self.engine),
            (StepSpec::Exec(spec), _) => exec::run(spec, &self.step, inputs, &self.engine, context),
            (StepSpec::Fetch(spec), Some(Keyed::Fetch(found))) => {
                fetch::run(spec, Some(found), &self.engine, context)
            }
            (StepSpec::Fetch(spec), _) => fetch::run(spec, None, &self.engine, context),
            (StepSpec::Copy(_), _) => Err(OpError::Internal("a copy without a key")),
        }
    }
}
