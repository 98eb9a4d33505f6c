//! What a stage begins with: an image, another stage, a named context, nothing. And the files of images and contexts
//! that a stage takes from.

use super::{StageState, display_stage, platform_prefix, title, total};
use crate::context::BuildContext;
use crate::error::Error;
use crate::lower::fault::Fault;
use crate::lower::finding::{Beside, Finding};
use crate::lower::history::HistoryItem;
use crate::lower::scope::StageScope;
use crate::lower::{NamedSource, Reported, Stages, expand_global};
use crate::ops::StepId;
use crate::ops::spec::{CopySource, CopySpec, SourceSpec, Step, StepSpec, without};
use crate::request::{NamedContext, context_key};
use crate::sources::BaseImage;
use dockerfile_parser::lint::Rule;
use dockerfile_parser::{Platform, Span, Stage, Word, parse_onbuild_trigger};
use rbuild_oci::ImageConfig;
use rbuild_rootfs::DEFAULT_PATH;
use rbuild_solver::VertexId;
use std::sync::Arc;

/// Those that images are made for; others are not refused.
const KNOWN_ARCHITECTURES: [&str; 11] = [
    "386", "amd64", "arm", "arm64", "loong64", "mips64", "mips64le", "ppc64le", "riscv64", "s390x", "wasm",
];

/// The state at the FROM line.
pub(super) fn base(
    stages: &mut dyn Stages,
    stage: &Stage,
    index: usize,
    stage_name: &str,
    secrets: &[String],
) -> Result<StageState, Finding> {
    let word = &stage.from.base;
    let platform = platform(stages, stage)?;
    let name = expand_global(stages, word)?;
    if name.is_empty() {
        return Err(Finding::error(Fault::NoBase(word.text.clone()), word.span));
    }
    let shown = without(secrets, &name);
    let named = stages.input().named.get(&context_key(&name)).cloned();
    let id = StepId {
        platform: Arc::clone(stages.platform()),
        stage: Some(index),
        ordinal: 1,
    };
    let prefix = platform_prefix(stages, &platform, None);
    let step = |spec, on_build: &[String]| {
        // A trigger that is wrong is reported when it is lowered.
        let triggers: Vec<_> = on_build
            .iter()
            .filter_map(|text| parse_onbuild_trigger(text).ok())
            .collect();
        let of = total(triggers.iter().chain(&stage.instructions));
        let (title, words_at) = title(&prefix, stage_name, 1, of, &format!("FROM {shown}"));
        Step {
            id: id.clone(),
            title,
            words_at,
            of,
            stage: display_stage(stage_name, index),
            line: stage.line.start_line,
            span: word.span,
            no_cache: false,
            secrets: secrets.to_vec(),
            spec,
        }
    };
    let scratch = match &named {
        None => name == "scratch",
        Some(NamedSource::Other(NamedContext::Image(reference))) => reference == "scratch",
        Some(_) => false,
    };
    if scratch {
        let vertex = stages.add(step(StepSpec::Source(SourceSpec::Scratch), &[]), &[]);
        return Ok(fresh(stages, vertex, platform, &shown));
    }
    if let Some(named) = named {
        return from_named(stages, named, &name, &shown, word, platform, step);
    }
    if let Some(earlier) = stages.index().stage_by_ref(&name, Some(index))
        && !name.bytes().all(|byte| byte.is_ascii_digit())
    {
        return from_stage(stages, earlier, word);
    }
    let image = stages
        .input()
        .images
        .image(&name, &platform)
        .map_err(|error| no_image(stages, error, &name, index, word.span))?;
    warn_of_platform(stages, &image, &platform, &shown, word.span);
    Ok(from_image(stages, image, platform, &shown, step))
}

/// The platform of a stage: its own, or that of the build.
fn platform(stages: &dyn Stages, stage: &Stage) -> Result<Platform, Finding> {
    let Some(platform) = &stage.from.platform else {
        return Ok(stages.platform().as_ref().clone());
    };
    let text = expand_global(stages, platform)?;
    Platform::parse(&text, stages.platform())
        .map_err(|error| Finding::error(Fault::Platform(error), platform.span))
}

/// A named context in the place of a base.
fn from_named(
    stages: &mut dyn Stages,
    named: NamedSource,
    name: &str,
    shown: &str,
    word: &Word,
    platform: Platform,
    step: impl Fn(StepSpec, &[String]) -> Step,
) -> Result<StageState, Finding> {
    match named {
        NamedSource::Directory(context) => {
            let vertex = context_files(stages, context, "/", word.span, &[]);
            let mut state = fresh(stages, vertex, platform, shown);
            state.history.push(HistoryItem {
                created_by: format!("FROM {name}"),
                layer: Some(vertex),
            });
            Ok(state)
        }
        NamedSource::Other(NamedContext::Stage(target)) => {
            let index = stages.index().stage_by_ref(&target, None).ok_or_else(|| {
                let (name, stage) = (name.to_owned(), target.clone());
                Finding::error(Fault::NoStageOfBase { name, stage }, word.span)
            })?;
            from_stage(stages, index, word)
        }
        NamedSource::Other(other) => {
            let image = stages
                .input()
                .images
                .named(name, &other, &platform)
                .map_err(|error| unresolved(error, None, word.span))?;
            warn_of_platform(stages, &image, &platform, shown, word.span);
            Ok(from_image(stages, image, platform, shown, step))
        }
    }
}

/// There is no image of that name: perhaps a stage is meant, which begins later, or is called nearly so.
fn no_image(stages: &dyn Stages, error: Error, name: &str, index: usize, span: Span) -> Finding {
    let all = &stages.input().dockerfile.stages;
    let mut later = all[index..].iter();
    if let Some(later) = later.find(|later| later.name() == Some(name.to_ascii_lowercase().as_str())) {
        let named = later.from.name.as_ref();
        let place = named.map_or(later.from.base.span, |name| name.span);
        let what = match later.index == index {
            true => Beside::Itself,
            false => Beside::Later,
        };
        return unresolved(error, None, span).secondary(place, what);
    }
    let names = all[..index].iter().filter_map(Stage::name);
    unresolved(error, dockerfile_parser::suggest::nearest(name, names), span)
}

/// A base for another platform is used as it is, and told.
fn warn_of_platform(stages: &mut dyn Stages, image: &BaseImage, platform: &Platform, name: &str, span: Span) {
    if !image.matches(platform) {
        let asked = platform.architecture.as_str();
        let known = KNOWN_ARCHITECTURES.iter().copied();
        let near = match KNOWN_ARCHITECTURES.contains(&asked) {
            true => None,
            false => dockerfile_parser::suggest::nearest(asked, known).map(str::to_owned),
        };
        let fault = Fault::OtherPlatform {
            name: name.to_owned(),
            is: image.platform().clone(),
            wanted: platform.clone(),
            near,
        };
        stages.report(Finding::warning(fault, span).rule(Rule::InvalidBaseImagePlatform));
    }
}

fn from_stage(stages: &mut dyn Stages, index: usize, word: &Word) -> Result<StageState, Finding> {
    let parent = stages
        .stage(index)
        .map_err(|Reported| Finding::error(Fault::Consequence(word.text.clone()), word.span))?;
    stages.carry(parent.size(), word.span)?;
    let mut state = (*parent).clone();
    state.cmd_set_here = false;
    Ok(state)
}

fn from_image(
    stages: &mut dyn Stages,
    image: Arc<BaseImage>,
    platform: Platform,
    name: &str,
    step: impl Fn(StepSpec, &[String]) -> Step,
) -> StageState {
    let config = image.config().clone();
    let vertex = stages.add(
        step(
            StepSpec::Source(SourceSpec::Image(Arc::clone(&image))),
            &config.config.on_build,
        ),
        &[],
    );
    StageState {
        base: Some(image),
        ..state(stages, vertex, config, platform, name)
    }
}

/// A stage without a base image.
fn fresh(stages: &dyn Stages, vertex: VertexId, platform: Platform, name: &str) -> StageState {
    let mut config = ImageConfig {
        os: platform.os.clone(),
        architecture: platform.architecture.clone(),
        variant: Some(platform.variant.clone()).filter(|variant| !variant.is_empty()),
        ..ImageConfig::default()
    };
    // What other builders write; `docker inspect` is compared.
    "/".clone_into(&mut config.config.working_dir);
    state(stages, vertex, config, platform, name)
}

fn state(
    stages: &dyn Stages,
    vertex: VertexId,
    mut config: ImageConfig,
    platform: Platform,
    name: &str,
) -> StageState {
    if !config
        .config
        .env
        .iter()
        .any(|variable| variable.starts_with("PATH="))
    {
        config.config.env.push(format!("PATH={DEFAULT_PATH}"));
    }
    let scope = StageScope::new(&config.config.env, &stages.input().build_args);
    StageState {
        config,
        scope,
        vertex,
        history: Vec::new(),
        platform,
        base_name: name.to_owned(),
        base: None,
        cmd_set_here: false,
        secrets: Vec::new(),
    }
}

/// A vertex for an image that is copied or mounted from.
pub(in crate::lower) fn image_vertex(
    stages: &mut dyn Stages,
    image: Arc<BaseImage>,
    name: &str,
    span: Span,
    secrets: &[String],
) -> VertexId {
    let spec = StepSpec::Source(SourceSpec::Image(image));
    let step = without_stage(
        stages,
        ("internal", &format!("image {name}")),
        span,
        secrets,
        spec,
    );
    stages.add(step, &[])
}

/// A step that belongs to no stage, called `[KIND] WORDS`.
pub(in crate::lower) fn without_stage(
    stages: &mut dyn Stages,
    (kind, words): (&str, &str),
    span: Span,
    secrets: &[String],
    spec: StepSpec,
) -> Step {
    let kind = format!("[{kind}] ");
    Step {
        id: stages.id_without_stage(),
        title: format!("{kind}{}", without(secrets, words)),
        words_at: kind.len(),
        of: 0,
        stage: String::new(),
        line: 0,
        span,
        no_cache: false,
        secrets: secrets.to_vec(),
        spec,
    }
}

/// The files of a context below `source` as a snapshot, at the same paths: for mounts and bases.
pub(in crate::lower) fn context_files(
    stages: &mut dyn Stages,
    context: Arc<BuildContext>,
    source: &str,
    span: Span,
    secrets: &[String],
) -> VertexId {
    let nothing = StepSpec::Source(SourceSpec::Scratch);
    let nothing = without_stage(stages, ("internal", "nothing"), span, secrets, nothing);
    let scratch = stages.add(nothing, &[]);
    let spec = CopySpec {
        keyword: "--mount",
        sources: vec![CopySource::Context {
            context,
            pattern: source.to_owned(),
            literal: true,
        }],
        dest: "/".to_owned(),
        chown: None,
        chmod: None,
        link: false,
        parents: true,
        excludes: Vec::new(),
        unpack: false,
        unpack_remote: false,
    };
    let words = format!("context {source}");
    let step = without_stage(stages, ("internal", &words), span, secrets, StepSpec::Copy(spec));
    stages.add(step, &[scratch])
}

/// A base image that cannot be had, at the word that names it; a stage of nearly that name.
pub(in crate::lower) fn unresolved(error: Error, near: Option<&str>, span: Span) -> Finding {
    let why = crate::error::one_line(&error);
    let near = near.map(str::to_owned);
    Finding {
        cause: Some(Arc::new(error)),
        ..Finding::error(Fault::NoImage { why, near }, span)
    }
}
