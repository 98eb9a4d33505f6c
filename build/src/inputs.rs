//! [`Inputs`]: the files of a request, opened and parsed, before anything is asked of a store.

use crate::arguments;
use crate::bases::Bases;
use crate::build_error::BuildError;
use crate::contexts::Contexts;
use crate::dockerfile::SourceFile;
use crate::error::{Error, HostError, RequestError};
use crate::frontend;
use crate::lower::{BuildArgs, Given, LowerInput};
use crate::observer::{BuildEvent, SharedObserver};
use crate::registries::Registries;
use crate::request::{NoCache, Request};
use crate::sources::ResolveImage;
use dockerfile_parser::lint::{self, LintInput};
use dockerfile_parser::{Diagnostic, Dockerfile, Parsed};
use rbuild_store::Store;
use std::sync::Arc;

/// The files of a request.
pub struct Inputs {
    /// Where files come from.
    pub contexts: Contexts,
    /// The Dockerfile's text.
    pub file: SourceFile,
    /// Its tree; warnings are all that is left of the diagnostics.
    pub parsed: Parsed,
    /// Fetches what is elsewhere.
    pub registries: Registries,
}

impl Inputs {
    /// Opens contexts (a remote one is fetched, into the store if there is one), finds the Dockerfile, and parses it.
    ///
    /// # Errors
    /// A context cannot be opened, the Dockerfile cannot be read or does not parse.
    pub fn open(
        request: &Request,
        observer: &SharedObserver,
        store: Option<&Store>,
    ) -> Result<Self, BuildError> {
        let registries = registries(request, observer);
        let _ends = request.stop.also(registries.stopper());
        if Contexts::are_fetched(request) {
            let ready = observer.before_fetch(&request.stop);
            ready.map_err(|error| Error::from(HostError::Observer(error)))?;
        }
        let contexts = Contexts::open(request, &registries, store)?;
        let file = contexts.read_dockerfile(request)?;
        let mut parsed = dockerfile_parser::parse(&file.text);
        if parsed.has_errors() {
            return Err(broken(file, parsed));
        }
        let foreign = frontend::check(request, &mut parsed)?;
        if let Some(image) = foreign {
            observer.event(&BuildEvent::ForeignFrontend {
                image: &image,
                file: &file.name,
            });
        }
        if parsed.has_errors() {
            return Err(broken(file, parsed));
        }
        arguments::apply_check(request, &mut parsed.dockerfile)?;
        Ok(Self {
            contexts,
            file,
            parsed,
            registries,
        })
    }
}

fn broken(file: SourceFile, parsed: Parsed) -> BuildError {
    BuildError::Syntax {
        file,
        diagnostics: parsed.diagnostics,
        dockerfile: Some(Box::new(parsed.dockerfile)),
    }
}

fn registries(request: &Request, observer: &SharedObserver) -> Registries {
    let observer = Arc::clone(observer);
    Registries::new(
        request.registry.clone(),
        request.environment.clone(),
        Arc::new(move |event| observer.event(&BuildEvent::Registry(event))),
    )
}

/// How much the checks look at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Looks {
    /// What is cheap enough for every build, and what a build does not find out anyway.
    Cheap,
    /// Files of the context and platforms of images too: a build that is not made does not find out about those.
    Everything,
}

/// Asks the checks, in file order; errors where `# check=error=true` stands.
#[must_use]
pub fn ask_checks(
    request: &Request,
    dockerfile: &Dockerfile,
    contexts: &Contexts,
    bases: &Bases<'_>,
    looks: Looks,
) -> Vec<Diagnostic> {
    let context = contexts.main.as_ref();
    let context_matches =
        |pattern: &str, parents: bool| crate::ops::copy::names_any(context, pattern, parents).ok();
    let context_text = |path: &str| context.short_text(path.as_bytes());
    let base_owner = |stage: usize, owner: &str| bases.knows_owner(stage, owner);
    let base_platform = |stage: usize| bases.platform(stage);
    let everything = looks == Looks::Everything;
    lint::check(
        dockerfile,
        &LintInput {
            target_platform: Some(request.first_platform()),
            ignore: context.ignore_file(),
            base_platform: everything.then_some(&base_platform),
            base_env: Some(&|stage| bases.variables(stage)),
            base_shell: Some(&|stage| bases.has_shell(stage)),
            context_matches: everything.then_some(&context_matches),
            context_text: Some(&context_text),
            base_owner: everything.then_some(&base_owner),
            options: None,
        },
    )
}

/// What a Dockerfile is lowered with.
pub fn lower_input<'a>(
    request: &'a Request,
    dockerfile: &'a Dockerfile,
    contexts: &Contexts,
    images: &'a dyn ResolveImage,
    devices: &'a crate::cdi::Registry,
    no_cache: &'a dyn Fn(Option<&str>, usize) -> bool,
    every_stage: bool,
) -> LowerInput<'a> {
    LowerInput {
        dockerfile,
        context: Arc::clone(&contexts.main),
        named: contexts.named.clone(),
        build_args: BuildArgs::new(request.build_args.clone()),
        redact_args: request.redact_args,
        target: request.target.as_deref(),
        every_stage,
        build_platform: request.build_platform.clone(),
        images,
        network: request.network,
        entitlements: &request.entitlements,
        devices,
        add_hosts: request.add_hosts.clone(),
        no_new_privs: request.no_new_privs,
        shm_size: request.shm_size,
        no_cache,
        given: Some(Given {
            secrets: &request.secrets,
            ssh: &request.ssh,
        }),
    }
}

/// `--no-cache-filter` names stages that there are.
pub(crate) fn check_filter(request: &Request, dockerfile: &Dockerfile) -> Result<(), Error> {
    let NoCache::Stages(wanted) = &request.no_cache else {
        return Ok(());
    };
    let stages: Vec<Option<&str>> = dockerfile.stages.iter().map(|stage| stage.name()).collect();
    let is_there = |name: &str| {
        let one = NoCache::Stages(vec![name.to_owned()]);
        stages
            .iter()
            .enumerate()
            .any(|(index, stage)| one.covers(*stage, index))
    };
    let Some(unknown) = wanted.iter().find(|name| !is_there(name)) else {
        return Ok(());
    };
    let near = dockerfile_parser::suggest::nearest(unknown, stages.iter().copied().flatten());
    Err(RequestError::NoSuchStage {
        name: unknown.clone(),
        near: near.map(str::to_owned),
    }
    .into())
}
