//! Dockerfile to graph: expands words, folds metadata into the image config, and makes a vertex of everything that
//! touches files. No file of an image or context is read and nothing runs here; base images are asked
//! for through [`ResolveImage`], devices through [`Registry`].

mod copy;
mod devices;
mod fault;
mod finding;
mod history;
mod metadata;
mod mounts;
mod run;
mod scope;
mod stage;
mod variables;

pub use fault::{AbsentDevice, Fault};
pub use finding::{Beside, Finding};
pub use history::{COMMENT, HistoryItem};
pub use scope::HOSTNAME_ARG;
pub use scope::{BuildArgs, PREDEFINED};
pub use stage::StageState;

pub use crate::sources::ResolveImage;
pub use variables::Variables;

use crate::cdi::Registry;
use crate::context::BuildContext;
use crate::ops::StepId;
use crate::ops::spec::{ExecNetwork, Step};
use crate::request::{Entitlements, NamedContext, Secret, SshSource, context_key};
use crate::sources::BaseImage;
use dockerfile_parser::stage::{NearestArgs, StageIndex};
use dockerfile_parser::{Dockerfile, ExpandError, Platform, Span, Stage, Word};
use rbuild_solver::{Graph, VertexId};
use scope::GlobalScope;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::sync::Arc;

/// What shapes a lowering besides the Dockerfile.
pub struct LowerInput<'a> {
    /// The file.
    pub dockerfile: &'a Dockerfile,
    /// The build context.
    pub context: Arc<BuildContext>,
    /// Named contexts, by lower-case name; directories are opened already.
    pub named: BTreeMap<String, NamedSource>,
    /// `--build-arg`.
    pub build_args: BuildArgs,
    /// `--redact-args`: their values stay out of history and records.
    pub redact_args: bool,
    /// `--target`.
    pub target: Option<&'a str>,
    /// Without a target all stages are lowered, needed or not: what is wrong with any of them is to be known.
    pub every_stage: bool,
    /// The machine's platform.
    pub build_platform: Platform,
    /// Finds base images.
    pub images: &'a dyn ResolveImage,
    /// `--network`.
    pub network: ExecNetwork,
    /// `--allow`.
    pub entitlements: &'a Entitlements,
    /// What steps may demand; `None` where nothing is built, so that nobody asks.
    pub given: Option<Given<'a>>,
    /// The devices of the host.
    pub devices: &'a Registry,
    /// `--add-host`.
    pub add_hosts: Vec<(String, String)>,
    /// `--security-opt no-new-privileges`.
    pub no_new_privs: bool,
    /// `--shm-size`.
    pub shm_size: Option<u64>,
    /// `--no-cache` for a stage of this name and index.
    pub no_cache: &'a dyn Fn(Option<&str>, usize) -> bool,
}

/// What the command line gives to steps that demand it.
#[derive(Debug, Clone, Copy)]
pub struct Given<'a> {
    /// `--secret`.
    pub secrets: &'a BTreeMap<String, Secret>,
    /// `--ssh`.
    pub ssh: &'a BTreeMap<String, SshSource>,
}

/// A named context.
#[derive(Debug, Clone)]
pub enum NamedSource {
    /// A directory.
    Directory(Arc<BuildContext>),
    /// Anything else.
    Other(NamedContext),
}

/// What a stage begins with that does not begin with another stage, or with one whose name an argument holds.
#[derive(Debug, Clone)]
pub struct StageBase {
    /// Its image, if it is one.
    pub image: Option<Arc<BaseImage>>,
    /// The names of the variables that are set.
    pub variables: BTreeSet<String>,
    /// Whether it sets a shell.
    pub has_shell: bool,
}

impl StageBase {
    /// Whether it is an image of which nothing is known, so that it may set anything.
    #[must_use]
    pub fn is_unknown(&self) -> bool {
        self.image.as_ref().is_some_and(|image| image.is_unknown())
    }
}

/// What a Dockerfile became.
pub struct Lowered<O> {
    /// The vertices.
    pub graph: Graph<O>,
    /// The target stage for each platform: its last vertex, config and history.
    pub targets: Vec<Rc<StageState>>,
    /// What the user should know, no errors among it.
    pub warnings: Vec<Finding>,
    /// `--build-arg`s that nothing asked for.
    pub unconsumed: Vec<String>,
    /// What the stages that were needed begin with, by their index.
    pub bases: StageBases,
}

/// By index of the stage.
pub type StageBases = BTreeMap<usize, StageBase>;

/// Why a lowering failed.
#[derive(Debug)]
pub struct LowerFailure {
    /// All that is wrong; at least one error.
    pub findings: Vec<Finding>,
    /// As in [`Lowered`], as far as it came.
    pub bases: StageBases,
}

/// Lowers the target stage and what it needs, for each platform; what is the same for several is there once. `wrap` makes the graph's op of a step.
///
/// # Errors
/// All that is wrong with the stages that are needed.
pub fn lower<O>(
    input: &LowerInput<'_>,
    platforms: &[Platform],
    wrap: &dyn Fn(Step) -> O,
) -> Result<Lowered<O>, LowerFailure>
where
    O: rbuild_solver::Op,
{
    let mut lowering = Lowering::new(input, wrap);
    lowering.several = platforms.len() > 1;
    // All, so that what is wrong with any of them is known.
    let targets: Vec<_> = platforms
        .iter()
        .map(|platform| lowering.target(platform))
        .collect();
    lowering.finish(targets)
}

/// The error is among the findings already.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reported;

/// Where something is copied or mounted from.
pub(crate) enum From {
    /// A vertex.
    Vertex(VertexId),
    /// A directory context.
    Context(Arc<BuildContext>),
}

/// A graph that grows: what is lowered for one platform after the other shares the steps that are equal.
pub(crate) struct Lowering<'a, O> {
    input: &'a LowerInput<'a>,
    /// What is lowered now is for this one.
    platform: Arc<Platform>,
    /// It is not the only one.
    several: bool,
    graph: Graph<O>,
    wrap: &'a dyn Fn(Step) -> O,
    done: BTreeMap<usize, Option<Rc<StageState>>>,
    visiting: Vec<usize>,
    global: GlobalScope,
    findings: Vec<Finding>,
    titles: BTreeMap<String, usize>,
    /// Steps that belong to no stage, so far.
    without_stage: usize,
    index: StageIndex<'a>,
    /// How much stages and steps have inherited so far.
    carried: usize,
    bases: StageBases,
}

/// How many variables, labels and steps all stages and RUNs together may inherit. Each has its own copy of them, so a
/// small file can ask for more than there is memory.
const MAX_CARRIED: usize = 4_000_000;

/// How many stages may be found one out of the other: each takes its part of the stack. Those that are named by text or
/// by an ARG before the first FROM are known beforehand.
const MAX_DEPTH: usize = 100;

/// The part of [`Lowering`] that stages use; hides what the graph's op is.
pub(crate) trait Stages {
    fn input(&self) -> &LowerInput<'_>;
    fn global(&self) -> &GlobalScope;
    fn index(&self) -> &StageIndex<'_>;
    /// What the image is for.
    fn platform(&self) -> &Arc<Platform>;
    /// Whether images for other platforms are planned too.
    fn has_several_platforms(&self) -> bool;
    /// Counts what a stage or step inherits; `Err` when that is too much in all.
    fn carry(&mut self, entries: usize, span: Span) -> Result<(), Finding>;
    fn report(&mut self, finding: Finding);
    /// Notes what a stage begins with.
    fn begins(&mut self, index: usize, base: StageBase);
    /// For the next step that belongs to no stage.
    fn id_without_stage(&mut self) -> StepId;
    fn add(&mut self, step: Step, inputs: &[VertexId]) -> VertexId;
    /// The stage, lowered; `Err` when its errors are reported.
    fn stage(&mut self, index: usize) -> Result<Rc<StageState>, Reported>;
    /// What `--from=NAME` in stage `current` means.
    fn from(
        &mut self,
        name: &str,
        span: Span,
        current: usize,
        platform: &Platform,
        secrets: &[String],
    ) -> Result<From, Finding>;
}

impl<'a, O: rbuild_solver::Op> Lowering<'a, O> {
    fn new(input: &'a LowerInput<'a>, wrap: &'a dyn Fn(Step) -> O) -> Self {
        Self {
            input,
            platform: Arc::new(input.build_platform.clone()),
            several: false,
            graph: Graph::new(),
            wrap,
            done: BTreeMap::new(),
            visiting: Vec::new(),
            global: GlobalScope::default(),
            findings: Vec::new(),
            titles: BTreeMap::new(),
            without_stage: 0,
            index: StageIndex::new(input.dockerfile),
            carried: 0,
            bases: BTreeMap::new(),
        }
    }

    fn finish(mut self, targets: Vec<Result<Rc<StageState>, Reported>>) -> Result<Lowered<O>, LowerFailure> {
        if self.several {
            // What is found in the file is mostly found for each platform.
            let mut said = BTreeSet::new();
            self.findings
                .retain(|finding| said.insert((finding.span.start, finding.message())));
        }
        let is_wrong = self.findings.iter().any(|finding| finding.is_error);
        let targets: Result<Vec<_>, Reported> = targets.into_iter().collect();
        let Some(targets) = targets.ok().filter(|_| !is_wrong) else {
            return Err(LowerFailure {
                findings: self.findings,
                bases: self.bases,
            });
        };
        let unconsumed = self.input.build_args.unconsumed();
        Ok(Lowered {
            graph: self.graph,
            targets,
            warnings: self.findings,
            unconsumed: unconsumed.into_iter().map(str::to_owned).collect(),
            bases: self.bases,
        })
    }

    /// The target stage for a platform. Nothing that was lowered for another one is taken for it; steps of both that are
    /// equal are one in the graph.
    fn target(&mut self, platform: &Platform) -> Result<Rc<StageState>, Reported> {
        self.platform = Arc::new(platform.clone());
        self.done.clear();
        self.global = GlobalScope::default();
        let file = self.input.dockerfile;
        let stage_names = || file.stages.iter().filter_map(|stage| stage.name());
        let index = match self.input.target {
            None => file.stages.len().checked_sub(1),
            Some(name) => self.index.stage_by_ref(name, None),
        };
        self.declare_globals();
        if self.input.every_stage && self.input.target.is_none() {
            for stage in 0..file.stages.len() {
                // Its errors are reported.
                let _ = self.stage(stage);
            }
        }
        let Some(index) = index else {
            let name = self.input.target.unwrap_or_default();
            let near = dockerfile_parser::suggest::nearest(name, stage_names()).map(str::to_owned);
            let name = name.to_owned();
            let fault = Fault::NoTarget { name, near };
            self.findings.push(Finding::error(fault, Span::default()));
            return Err(Reported);
        };
        self.stage(index)
    }

    fn declare_globals(&mut self) {
        let input = self.input;
        let last = input
            .dockerfile
            .stages
            .last()
            .and_then(dockerfile_parser::Stage::name);
        let target = input.target.or(last).unwrap_or("default");
        self.global = GlobalScope::new(scope::platform_args(
            &input.build_platform,
            &self.platform,
            target,
        ));
        for global in &input.dockerfile.global_args {
            for declaration in &global.arg.declarations {
                let name = declaration.name.text.clone();
                let default = match &declaration.default {
                    None => None,
                    Some(_) if input.build_args.is_given(&name) => None,
                    Some(word) => match word.expand(&self.global) {
                        Ok(expanded) => Some(expanded.value),
                        Err(error) => {
                            self.findings.push(expanding(error));
                            continue;
                        }
                    },
                };
                self.global.declare(&name, default, &input.build_args);
            }
        }
    }

    /// Lowers a stage, unless that was done.
    fn make(&mut self, index: usize) -> Result<Rc<StageState>, Reported> {
        if let Some(done) = self.done.get(&index) {
            return done.clone().ok_or(Reported);
        }
        if self.visiting.contains(&index) {
            let stage = &self.input.dockerfile.stages[index];
            let name = stage.name().map_or_else(|| index.to_string(), str::to_owned);
            let finding = Finding::error(Fault::Circle(name), stage.from.base.span);
            self.findings.push(finding);
            return Err(Reported);
        }
        if self.visiting.len() >= MAX_DEPTH {
            let span = self.input.dockerfile.stages[index].from.base.span;
            let limit = MAX_DEPTH;
            self.findings.push(Finding::error(Fault::Deep { limit }, span));
            return Err(Reported);
        }
        self.visiting.push(index);
        let result = stage::lower_stage(self, index).map(Rc::new);
        self.visiting.pop();
        self.done.insert(index, result.as_ref().ok().cloned());
        result
    }

    /// The stages below this one that it needs and that are not lowered yet, in order of the file.
    fn needed(&self, index: usize) -> BTreeSet<usize> {
        let parent = |at: usize| {
            let base = word_of_base(self.input.dockerfile.stages.get(at)?)?;
            self.index
                .stage_by_ref(&base.expand(&self.global).ok()?.value, Some(at))
        };
        let args = NearestArgs {
            dockerfile: self.input.dockerfile,
            parent: &parent,
            global: &self.global,
            given: &|name| self.input.build_args.value(name).map(str::to_owned),
        };
        let mut needed = BTreeSet::new();
        let mut open = vec![index];
        while let Some(at) = open.pop() {
            let Some(stage) = self.input.dockerfile.stages.get(at) else {
                continue;
            };
            if self.done.contains_key(&at) || !needed.insert(at) {
                continue;
            }
            let base = word_of_base(stage).and_then(|base| Some(base.expand(&self.global).ok()?.value));
            let sources = stage.sources().filter_map(|(_, word)| args.name(at, word));
            for name in base.into_iter().chain(sources) {
                if !self.input.named.contains_key(&context_key(&name)) {
                    open.extend(self.index.stage_by_ref(&name, Some(at)));
                }
            }
        }
        needed.remove(&index);
        needed
    }

    fn stage_of_context(&mut self, name: &str) -> Option<usize> {
        self.index.stage_by_ref(name, None)
    }
}

impl<O: rbuild_solver::Op> Stages for Lowering<'_, O> {
    fn input(&self) -> &LowerInput<'_> {
        self.input
    }

    fn global(&self) -> &GlobalScope {
        &self.global
    }

    fn report(&mut self, finding: Finding) {
        if !matches!(*finding.fault, Fault::Consequence(_)) {
            self.findings.push(finding);
        }
    }

    fn begins(&mut self, index: usize, base: StageBase) {
        self.bases.entry(index).or_insert(base);
    }

    fn platform(&self) -> &Arc<Platform> {
        &self.platform
    }

    fn has_several_platforms(&self) -> bool {
        self.several
    }

    fn id_without_stage(&mut self) -> StepId {
        self.without_stage += 1;
        StepId {
            platform: Arc::clone(&self.platform),
            stage: None,
            ordinal: self.without_stage,
        }
    }

    fn add(&mut self, mut step: Step, inputs: &[VertexId]) -> VertexId {
        // So that a user can tell them apart.
        let seen = self.titles.entry(step.title.clone()).or_insert(0);
        *seen += 1;
        if *seen > 1 {
            step.title = format!("{} ({seen})", step.title);
        }
        self.graph.add((self.wrap)(step), inputs)
    }

    fn index(&self) -> &StageIndex<'_> {
        &self.index
    }

    fn carry(&mut self, entries: usize, span: Span) -> Result<(), Finding> {
        self.carried += entries;
        if self.carried <= MAX_CARRIED {
            return Ok(());
        }
        let limit = MAX_CARRIED;
        Err(Finding::error(Fault::Heavy { limit }, span))
    }

    fn stage(&mut self, index: usize) -> Result<Rc<StageState>, Reported> {
        if let Some(done) = self.done.get(&index) {
            return done.clone().ok_or(Reported);
        }
        // What it needs comes first, in order of the file: a chain of thousands of stages does not go deep.
        if self.visiting.is_empty() {
            for needed in self.needed(index) {
                // Whoever needs it meets the error.
                let _ = self.make(needed);
            }
        }
        self.make(index)
    }

    fn from(
        &mut self,
        name: &str,
        span: Span,
        current: usize,
        platform: &Platform,
        secrets: &[String],
    ) -> Result<From, Finding> {
        let unmade = |_: Reported| Finding::error(Fault::Consequence(name.to_owned()), span);
        if let Some(source) = self.input.named.get(&context_key(name)).cloned() {
            return match source {
                NamedSource::Directory(context) => Ok(From::Context(context)),
                NamedSource::Other(NamedContext::Stage(target)) => {
                    let index = self.stage_of_context(&target).ok_or_else(|| {
                        let (name, stage) = (name.to_owned(), target.clone());
                        Finding::error(Fault::NoStageOfContext { name, stage }, span)
                    })?;
                    Ok(From::Vertex(self.stage(index).map_err(unmade)?.vertex))
                }
                NamedSource::Other(other) => {
                    let image = self
                        .input
                        .images
                        .named(name, &other, platform)
                        .map_err(|error| stage::unresolved(error, None, span))?;
                    Ok(From::Vertex(stage::image_vertex(
                        self, image, name, span, secrets,
                    )))
                }
            };
        }
        if let Some(index) = self.index.stage_by_ref(name, Some(current)) {
            return Ok(From::Vertex(self.stage(index).map_err(unmade)?.vertex));
        }
        let stages = &self.input.dockerfile.stages;
        if stages[current].name() == Some(name.to_ascii_lowercase().as_str()) || name == current.to_string() {
            return Err(Finding::error(Fault::FromItself(name.to_owned()), span));
        }
        if let Some(later) = self.index.stage_by_ref(name, None) {
            return Err(Finding::error(Fault::FromLater(name.to_owned()), span)
                .secondary(stages[later].from.base.span, Beside::Stage));
        }
        if name.is_empty() {
            return Err(Finding::error(Fault::EmptyFrom, span));
        }
        if name == "scratch" {
            return Err(Finding::error(Fault::FromScratch, span));
        }
        if name.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(Finding::error(Fault::NoStageNumber(name.to_owned()), span));
        }
        let image = self.input.images.image(name, platform).map_err(|error| {
            let names = stages[..current].iter().filter_map(|stage| stage.name());
            stage::unresolved(error, dockerfile_parser::suggest::nearest(name, names), span)
        })?;
        Ok(From::Vertex(stage::image_vertex(
            self, image, name, span, secrets,
        )))
    }
}

/// The word of a FROM that may name a stage: `FROM 0` is an image.
fn word_of_base(stage: &Stage) -> Option<&Word> {
    let base = stage.base();
    (!base.text.bytes().all(|byte| byte.is_ascii_digit())).then_some(base)
}

/// Expands a word of FROM with global ARGs.
pub(crate) fn expand_global(stages: &dyn Stages, word: &Word) -> Result<String, Finding> {
    word.expand(stages.global())
        .map(|expanded| expanded.value)
        .map_err(expanding)
}

/// A word that cannot be expanded.
pub(crate) fn expanding(error: ExpandError) -> Finding {
    Finding::error(Fault::Expand(error.kind), error.span)
}

#[cfg(test)]
mod tests;
