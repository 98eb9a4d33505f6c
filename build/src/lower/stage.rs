//! One stage: its base, then its instructions in order.

mod base;

use base::base;
pub(super) use base::{context_files, image_vertex, unresolved, without_stage};
use rbuild_oci::ImageConfig;

use super::fault::Fault;
use super::finding::Finding;
use super::history::{self, HistoryItem};
use super::scope::{FromScope, StageScope, secrets_in};
use super::{From, Reported, StageBase, Stages, expanding};
use crate::address::redacted_line;
use crate::ops::StepId;
use crate::ops::spec::{Step, StepSpec, WorkdirSpec};
use crate::sources::BaseImage;
use dockerfile_parser::instruction::{Arg, Workdir};
use dockerfile_parser::secrets::{hidden_in_file, is_secret_name};
use dockerfile_parser::{
    Expanded, Instruction, InstructionKind, Platform, Scope, Span, Stage, Word, parse_onbuild_trigger,
};
use rbuild_rootfs::path;
use rbuild_solver::VertexId;
use std::borrow::Cow;
use std::sync::Arc;

/// `PATH_MAX` of Linux.
const MAX_PATH: usize = 4096;

/// A stage after an instruction; after the last one, what the stage makes.
#[derive(Debug, Clone)]
pub struct StageState {
    /// The image config so far; its `history` and `rootfs` are still the base's.
    pub config: ImageConfig,
    /// Variables.
    pub scope: StageScope,
    /// The snapshot so far.
    pub vertex: VertexId,
    /// History that the base does not have, in order.
    pub history: Vec<HistoryItem>,
    /// Platform of the stage.
    pub platform: Platform,
    /// The base as the user calls it, for messages.
    pub base_name: String,
    /// The image at the bottom; `None` for scratch and directories.
    pub base: Option<Arc<BaseImage>>,
    pub(super) cmd_set_here: bool,
    /// Values in USER and WORKDIR that no message shows.
    pub(super) secrets: Vec<String>,
}

impl StageState {
    /// How many things are copied with it.
    fn size(&self) -> usize {
        let config = &self.config.config;
        let variables = self.scope.env.count() + self.scope.args.count();
        let sets = config.labels.len() + config.exposed_ports.len() + config.volumes.len();
        variables + sets + self.history.len() + config.on_build.len()
    }

    /// What a stage has before its own instructions: what the base sets, and what its triggers do.
    fn stage_base(&self, triggers: &[Instruction]) -> StageBase {
        let names = self.scope.env.names().chain(self.scope.args.names());
        let set = triggers.iter().flat_map(|trigger| trigger.kind.sets());
        StageBase {
            image: self.base.clone(),
            variables: names.chain(set).map(str::to_owned).collect(),
            has_shell: self.config.config.shell.is_some(),
        }
    }
}

pub(super) struct StageLowering<'a, 'b> {
    pub(super) stages: &'a mut (dyn Stages + 'b),
    pub(super) index: usize,
    pub(super) stage_name: String,
    pub(super) state: StageState,
    ordinal: usize,
    total: usize,
    no_cache: bool,
    /// The trigger that is lowered, and the FROM that pulled it in.
    trigger: Option<(String, Span)>,
    /// Values that the instruction uses and no message shows.
    pub(super) secrets: Vec<String>,
}

pub(super) fn lower_stage(stages: &mut dyn Stages, index: usize) -> Result<StageState, Reported> {
    let stage = stages.input().dockerfile.stages[index].clone();
    let count = stages.input().dockerfile.stages.len();
    let stage_name = match stage.name() {
        Some(name) => name.to_owned(),
        None if count > 1 => format!("stage-{index}"),
        None => String::new(),
    };
    let words: Vec<&Word> = stage.from.platform.iter().chain([&stage.from.base]).collect();
    let secrets = secrets_in(stages.global(), &words);
    let base = match base(stages, &stage, index, &stage_name, &secrets) {
        Ok(base) => base,
        Err(finding) => {
            stages.report(finding.hiding(&secrets));
            return Err(Reported);
        }
    };
    let triggers = triggers(stages, &base, &stage)?;
    let word = &stage.from.base;
    if word.has_variables() || stages.index().stage_by_ref(&word.text, Some(index)).is_none() {
        stages.begins(index, base.stage_base(&triggers));
    }
    let total = total(triggers.iter().chain(&stage.instructions));
    let no_cache = (stages.input().no_cache)(stage.name(), index);
    let mut lowering = StageLowering {
        stages,
        index,
        stage_name,
        state: base,
        ordinal: 1,
        total,
        no_cache,
        trigger: None,
        secrets: Vec::new(),
    };
    lowering.state.config.config.on_build.clear();
    let mut failed = false;
    for (instruction, at) in triggers
        .iter()
        .map(|trigger| (trigger, Some(stage.from.base.span)))
        .chain(stage.instructions.iter().map(|instruction| (instruction, None)))
    {
        lowering.trigger = at.map(|from| (hidden_in_file(&instruction.line.text).into_owned(), from));
        lowering.secrets = lowering.secrets_of(&instruction.kind);
        if let Err(finding) = lowering.instruction(instruction, at) {
            lowering.report(finding);
            failed = true;
        }
        if matches!(
            instruction.kind,
            InstructionKind::User(_) | InstructionKind::Workdir(_)
        ) {
            lowering.state.secrets.clone_from(&lowering.secrets);
        }
    }
    let mut state = lowering.state;
    let env = state.scope.env.iter();
    state.config.config.env = env.map(|(name, value)| format!("{name}={value}")).collect();
    if failed { Err(Reported) } else { Ok(state) }
}

/// How many steps a stage has, FROM included: the 5 of "[build 2/5]".
fn total<'a>(instructions: impl Iterator<Item = &'a Instruction>) -> usize {
    1 + instructions
        .filter(|instruction| makes_step(&instruction.kind))
        .count()
}

/// Whether an instruction becomes a vertex.
fn makes_step(kind: &InstructionKind) -> bool {
    matches!(
        kind,
        InstructionKind::Run(_)
            | InstructionKind::Copy(_)
            | InstructionKind::Add(_)
            | InstructionKind::Workdir(_)
    )
}

fn triggers(stages: &mut dyn Stages, base: &StageState, stage: &Stage) -> Result<Vec<Instruction>, Reported> {
    let mut triggers = Vec::new();
    for text in &base.config.config.on_build {
        match parse_onbuild_trigger(text) {
            Ok(instruction) => triggers.push(instruction),
            Err(found) => {
                let text = text.clone();
                let fault = Fault::BrokenTrigger { text, found };
                stages.report(Finding::error(fault, stage.from.base.span));
                return Err(Reported);
            }
        }
    }
    Ok(triggers)
}

fn display_stage(name: &str, index: usize) -> String {
    if name.is_empty() {
        index.to_string()
    } else {
        name.to_owned()
    }
}

/// What stands in titles before the stage when there are images for several platforms: the platform of the stage, and
/// what it makes something for where it has asked for that: `linux/amd64->arm64`.
fn platform_prefix(stages: &dyn Stages, of: &Platform, scope: Option<&StageScope>) -> String {
    if !stages.has_several_platforms() {
        return String::new();
    }
    let asks = |scope: &StageScope| {
        let mut names = scope.args.names();
        names.any(|name| ["TARGETPLATFORM", "TARGETARCH", "TARGETVARIANT"].contains(&name))
    };
    let target = stages.platform();
    if !scope.is_some_and(asks) || target.as_ref() == of {
        return format!("{of} ");
    }
    let target = target.to_string();
    let same_system = target.strip_prefix(&format!("{}/", of.os));
    format!("{of}->{} ", same_system.unwrap_or(&target))
}

/// `[build 2/5] RUN make`, and where the words begin in it. `platform` is that of [`platform_prefix`].
fn title(platform: &str, stage: &str, ordinal: usize, total: usize, text: &str) -> (String, usize) {
    let mut title = match stage {
        "" => format!("[{platform}{ordinal}/{total}] "),
        stage => format!("[{platform}{stage} {ordinal}/{total}] "),
    };
    let words_at = title.len();
    // Lines that were joined bring their indentation along.
    for (at, word) in text.split_whitespace().enumerate() {
        if at > 0 {
            title.push(' ');
        }
        title.push_str(word);
    }
    (title, words_at)
}

/// A scope that may be larger than what is known of it: of other names the value is the reference itself.
struct Open<'a>(&'a StageScope);

impl Scope for Open<'_> {
    fn get(&self, name: &str) -> Option<Cow<'_, str>> {
        let known = self.0.get(name);
        known.or_else(|| Some(Cow::Owned(format!("${{{name}}}"))))
    }
}

impl StageLowering<'_, '_> {
    /// `at`: where a trigger is shown, since it has no place of its own in the file.
    fn instruction(&mut self, instruction: &Instruction, at: Option<Span>) -> Result<(), Finding> {
        let created_by = match &instruction.kind {
            InstructionKind::Run(run) => return self.run(run, instruction, at),
            InstructionKind::Copy(copy) => return self.copy(copy, instruction, at),
            InstructionKind::Add(add) => return self.add(add, instruction, at),
            InstructionKind::Workdir(workdir) => return self.workdir(workdir, instruction, at),
            InstructionKind::Arg(arg) => self.arg(arg)?,
            InstructionKind::Env(env) => self.env(env)?,
            InstructionKind::Label(label) => self.label(label)?,
            InstructionKind::Cmd(cmd) => self.cmd(cmd),
            InstructionKind::Entrypoint(entrypoint) => self.entrypoint(entrypoint),
            InstructionKind::Shell(shell) => self.set_shell(shell),
            InstructionKind::Expose(expose) => self.expose(expose)?,
            InstructionKind::Volume(volume) => self.volume(volume)?,
            InstructionKind::User(user) => self.user(user)?,
            InstructionKind::StopSignal(stop) => self.stop_signal(stop)?,
            InstructionKind::HealthCheck(check) => self.healthcheck(check),
            InstructionKind::OnBuild(on_build) => self.on_build(on_build),
            InstructionKind::Maintainer(maintainer) => {
                self.state.config.author = Some(maintainer.name.text.clone());
                format!("MAINTAINER {}", maintainer.name.text)
            }
        };
        self.state.history.push(HistoryItem {
            created_by,
            layer: None,
        });
        Ok(())
    }

    fn arg(&mut self, arg: &Arg) -> Result<String, Finding> {
        let mut texts = Vec::new();
        // Each sees those before it, on the same line too.
        for declaration in &arg.declarations {
            let name = self.expand(&declaration.name)?;
            let given = self.stages.input().build_args.is_given(&name);
            let default = match &declaration.default {
                Some(word) if !given => Some(self.expand(word)?),
                _ => None,
            };
            let input = self.stages.input();
            let mut scope = std::mem::take(&mut self.state.scope);
            scope.declare(&name, default, self.stages.global(), &input.build_args);
            self.state.scope = scope;
            let value = self.state.scope.args.get(&name).cloned().flatten();
            texts.push(match value {
                Some(_) if self.stages.input().redact_args => format!("{name}={}", history::REDACTED),
                Some(value) => format!("{name}={value}"),
                None => name,
            });
        }
        Ok(format!("ARG {}", texts.join(" ")))
    }

    fn workdir(
        &mut self,
        workdir: &Workdir,
        instruction: &Instruction,
        at: Option<Span>,
    ) -> Result<(), Finding> {
        let text = self.expand(&workdir.path)?;
        if text.is_empty() {
            self.warn_of_empty("WORKDIR".into(), "the directory stays as it is", &workdir.path);
        }
        let path = match self.base_is_unknown() && workdir.path.has_variables() {
            true => path::join("/", &text),
            false => path::join(&self.cwd(), &text),
        };
        if path.len() > MAX_PATH {
            return Err(Finding::error(Fault::LongWorkdir(path.len()), workdir.path.span));
        }
        self.state.config.config.working_dir.clone_from(&path);
        let created_by = format!("WORKDIR {path}");
        if path == "/" {
            self.ordinal += 1;
            self.state.history.push(HistoryItem {
                created_by,
                layer: None,
            });
            return Ok(());
        }
        let spec = WorkdirSpec {
            path,
            user: self.state.config.config.user.clone(),
        };
        self.step(StepSpec::Workdir(spec), &[], instruction, at, created_by);
        Ok(())
    }

    /// A word that expands to nothing means something, as for BuildKit, and is seldom meant.
    pub(super) fn warn_of_empty(&mut self, what: Cow<'static, str>, meaning: &'static str, word: &Word) {
        self.report(Finding::warning(Fault::Empty { what, meaning }, word.span));
    }

    /// Adds a vertex on top of the snapshot so far, with its history entry.
    pub(super) fn step(
        &mut self,
        spec: StepSpec,
        more_inputs: &[VertexId],
        instruction: &Instruction,
        at: Option<Span>,
        created_by: String,
    ) {
        self.ordinal += 1;
        let text = match &spec {
            StepSpec::Copy(_) => redacted_line(&instruction.line.text),
            _ => instruction.line.text.clone(),
        };
        let created_by = match spec {
            // As it is written: its words may have been made of arguments.
            StepSpec::Copy(_) if self.stages.input().redact_args => format!("{text} # buildkit"),
            _ => created_by,
        };
        let platform = platform_prefix(self.stages, &self.state.platform, Some(&self.state.scope));
        let (title, words_at) = title(&platform, &self.stage_name, self.ordinal, self.total, &text);
        let step = Step {
            id: StepId {
                platform: Arc::clone(self.stages.platform()),
                stage: Some(self.index),
                ordinal: self.ordinal,
            },
            title,
            words_at,
            of: self.total,
            stage: display_stage(&self.stage_name, self.index),
            line: if at.is_some() {
                0
            } else {
                instruction.line.start_line
            },
            span: at.unwrap_or(instruction.line.span),
            no_cache: self.no_cache,
            secrets: self.secrets.clone(),
            spec,
        };
        let mut inputs = vec![self.state.vertex];
        inputs.extend_from_slice(more_inputs);
        self.state.vertex = self.stages.add(step, &inputs);
        self.state.history.push(HistoryItem {
            created_by,
            layer: Some(self.state.vertex),
        });
    }

    /// The values of secrets that the words of an instruction use, and those that its user and directory are made of.
    fn secrets_of(&self, kind: &InstructionKind) -> Vec<String> {
        let mut secrets = self.state.secrets.clone();
        if self.state.scope.has_secrets() {
            secrets.extend(secrets_in(&self.state.scope, &kind.words()));
        }
        secrets.extend(secrets_in(&self.seen_by_from(), &kind.sources()));
        secrets
    }

    /// Hands on what was found at an instruction. A trigger has no place in this file but the FROM that pulled it in.
    pub(super) fn report(&mut self, finding: Finding) {
        let finding = finding.hiding(&self.secrets);
        self.stages.report(match &self.trigger {
            None => finding,
            Some((text, from)) => finding.of_trigger(text, *from),
        });
    }

    pub(super) fn expand(&self, word: &Word) -> Result<String, Finding> {
        let mut expanded = word.expand(&self.state.scope);
        if self.base_is_unknown() && !expanded.as_ref().is_ok_and(|word| word.undefined.is_empty()) {
            expanded = word.expand(&Open(&self.state.scope));
        }
        expanded.map(|expanded| expanded.value).map_err(expanding)
    }

    /// Whether nothing is known of the image below, not even its variables and directory.
    pub(super) fn base_is_unknown(&self) -> bool {
        self.state.base.as_ref().is_some_and(|base| base.is_unknown())
    }

    pub(super) fn expand_list(&self, word: &Word) -> Result<Vec<String>, Finding> {
        word.expand_list(&self.state.scope)
            .map(|(values, _)| values)
            .map_err(expanding)
    }

    /// What `--from=` names.
    pub(super) fn from(&mut self, word: &Word) -> Result<From, Finding> {
        let expanded = word.expand(&self.seen_by_from()).map_err(expanding)?;
        self.judge_from("--from", word, &expanded)?;
        let platform = self.state.platform.clone();
        self.stages
            .from(&expanded.value, word.span, self.index, &platform, &self.secrets)
    }

    /// What `--from=` and the `from=` of mounts see.
    pub(super) fn seen_by_from(&self) -> FromScope<'_> {
        FromScope {
            stage: &self.state.scope,
            global: self.stages.global(),
        }
    }

    /// Says where an ENV is not what is meant, and what is empty.
    pub(super) fn judge_from(
        &mut self,
        what: &'static str,
        word: &Word,
        expanded: &Expanded,
    ) -> Result<(), Finding> {
        let scope = &self.state.scope;
        let hidden = |name: &&String| {
            scope
                .own_env(name)
                .is_some_and(|env| self.seen_by_from().get(name).is_none_or(|arg| arg != env))
        };
        let undefined = expanded.undefined.iter().map(|(name, _)| name);
        let env = expanded.used.iter().chain(undefined).find(hidden);
        if word.has_variables() && expanded.value.is_empty() {
            let env = env.cloned();
            return Err(Finding::error(Fault::NoFrom { what, env }, word.span));
        }
        if let Some(name) = env {
            let is_secret = expanded.used.iter().any(|name| is_secret_name(name));
            let fault = Fault::ArgNotEnv {
                what,
                name: name.clone(),
                value: (!is_secret).then(|| expanded.value.clone()),
            };
            self.report(Finding::warning(fault, word.span));
        }
        Ok(())
    }
}
