//! What the flags of a build mean: parsed, checked, independent of each other no more.

mod build_args;
mod call;
pub mod compression;
mod edits;
mod entitlements;
pub mod env_file;
pub mod limits;
mod named_context;
mod no_cache;
mod output;
pub mod registry;
mod secret;
mod shared_cache;
mod sources;
pub mod spec;
mod squash;
mod ssh;
mod value;

pub use call::Call;
pub use registry::pull_policy;
pub use value::{add_host, choice, network, no_new_privs, pair, reference, sandbox, size, without_transport};

use crate::cli::build::BuildArgs;
use crate::error::Failure;
use crate::ui::ProgressMode;
use build_args::{build_args, check_steering, epoch, is_on};
use call::call;
use compression::check_media_types;
use dockerfile_parser::Platform;
use rbuild_build::ops::spec::ExecNetwork;
use rbuild_build::remote::Remote;
use rbuild_build::request::{
    CachePlace, CacheTarget, ContextSource, ImageForm, Output, Request, build_platform, default_jobs,
};
use rbuild_sandbox::Network;
use sources::sources;
use std::io::IsTerminal;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

/// What was asked for on the command line: the build, and what is shown of it.
#[derive(Debug, Clone)]
pub struct BuildOptions {
    /// The build.
    pub request: Request,
    /// Where to write the image id.
    pub iidfile: Option<PathBuf>,
    /// Where to write the description.
    pub metadata_file: Option<PathBuf>,
    /// How to show progress.
    pub progress: ProgressMode,
    /// Only the image id on standard output.
    pub quiet: bool,
    /// Exit with the failing command's code.
    pub propagate_exit: bool,
    /// What to do.
    pub call: Call,
    /// `,format=json` of `--call`.
    pub call_json: bool,
}

impl BuildOptions {
    /// Gives the flags their meaning.
    ///
    /// # Errors
    /// The first flag that is wrong, with a suggestion.
    pub fn from_args(args: &BuildArgs, root: Option<&Path>) -> Result<Self, Failure> {
        let env = |name: &str| std::env::var(name).ok();
        let (mut context, dockerfile) = sources(args)?;
        let tags = args
            .tags
            .iter()
            .map(|tag| reference("-t", tag))
            .collect::<Result<Vec<_>, _>>()?;
        let build_platform = build_platform();
        let platforms = platforms(&args.platform, &build_platform)?;
        let edits = edits::edits(args, &platforms)?;
        let build_args = build_args(args, &env)?;
        check_steering(&build_args)?;
        if let ContextSource::Remote(Remote::Git(address)) = &mut context {
            address.keep_git_dir |= is_on(&build_args, "BUILDKIT_CONTEXT_KEEP_GIT_DIR");
        }
        let epoch = epoch(&build_args)?;
        let quiet = args.quiet;
        let docker_format = match args.format.as_str() {
            "oci" => false,
            "docker" => true,
            other => return Err(choice("--format", other, &["oci", "docker"])),
        };
        let (cache_from, cache_to) = shared_caches(args)?;
        let (call, call_json) = call(args)?;
        let request = Request {
            store_root: crate::store_root::locate(root)?,
            context,
            dockerfile,
            tags,
            build_args,
            target: args.target.clone().filter(|target| !target.is_empty()),
            build_platform,
            outputs: outputs(args, docker_format, &platforms)?,
            platforms,
            no_cache: no_cache::no_cache(args),
            cache_from,
            cache_to,
            pull: pull_policy(&args.pull)?,
            build_contexts: args
                .build_contexts
                .iter()
                .map(|text| named_context::parse(text))
                .collect::<Result<_, _>>()?,
            secrets: args
                .secrets
                .iter()
                .map(|text| secret::parse(text))
                .collect::<Result<_, _>>()?,
            ssh: args
                .ssh
                .iter()
                .map(|text| ssh::parse(text, env("SSH_AUTH_SOCK").as_deref()))
                .collect::<Result<_, _>>()?,
            edits,
            network: match network(&args.network)? {
                None | Some(Network::Private) => ExecNetwork::Default,
                Some(Network::None) => ExecNetwork::None,
                Some(Network::Host) => ExecNetwork::Host,
            },
            private_network: network(&args.network)? == Some(Network::Private),
            sandbox: sandbox(&args.sandbox)?,
            strict_syntax: args.strict_syntax,
            entitlements: entitlements::entitlements(&args.allow)?,
            cdi_spec_dirs: args.cdi_spec_dirs.clone(),
            add_hosts: args
                .add_hosts
                .iter()
                .map(|text| add_host(text))
                .collect::<Result<_, _>>()?,
            jobs: jobs(args)?,
            no_new_privs: no_new_privs(&args.security_opts)?,
            shm_size: args
                .shm_size
                .as_deref()
                .map(|text| size("--shm-size", text))
                .transpose()?,
            limits: args.limits.limits()?,
            rlimits: args.limits.rlimits()?,
            squash: squash::squash(args),
            docker_format,
            ignore_file: args.ignore_file.clone(),
            redact_args: args.redact_args,
            epoch,
            registry: args.registry.settings()?,
            environment: crate::environment::environment(),
            stop: rbuild_build::Stop::new(),
        };
        Ok(Self {
            request,
            iidfile: args.iidfile.clone(),
            metadata_file: args.metadata_file.clone(),
            progress: progress(args.progress.as_deref(), quiet, env)?,
            quiet,
            propagate_exit: args.propagate_exit,
            call,
            call_json,
        })
    }
}

/// The mode that is asked for: by flag or `RBUILD_PROGRESS`, else by `BUILDKIT_PROGRESS`, which scripts set.
fn progress(
    typed: Option<&str>,
    quiet: bool,
    env: impl Fn(&str) -> Option<String>,
) -> Result<ProgressMode, Failure> {
    if quiet {
        return Ok(ProgressMode::Quiet);
    }
    const INHERITED: &str = "BUILDKIT_PROGRESS";
    let inherited = env(INHERITED).filter(|value| !value.is_empty());
    match typed
        .map(|typed| ("--progress", typed))
        .or(inherited.as_deref().map(|value| (INHERITED, value)))
    {
        None => Ok(ProgressMode::Auto),
        Some((name, value)) => value
            .parse()
            .map_err(|_| choice(name, value, &ProgressMode::NAMES)),
    }
}

/// `--platform`, several times or with commas; this machine's where it is not given. Each is built once.
fn platforms(given: &[String], machine: &Platform) -> Result<Vec<Platform>, Failure> {
    let mut platforms = Vec::new();
    for text in given.iter().flat_map(|text| text.split(',')) {
        let platform = match text.trim() {
            "local" => machine.clone(),
            text => Platform::parse(text, machine)
                .map_err(|error| Failure::usage(format!("--platform: {error}")))?,
        };
        if !platforms.contains(&platform) {
            platforms.push(platform);
        }
    }
    if platforms.is_empty() {
        platforms.push(machine.clone());
    }
    Ok(platforms)
}

fn outputs(args: &BuildArgs, docker_format: bool, platforms: &[Platform]) -> Result<Vec<Output>, Failure> {
    let mut outputs = args
        .outputs
        .iter()
        .map(|text| output::parse(text))
        .collect::<Result<Vec<_>, _>>()?;
    for output in &outputs {
        if let Output::Image { form, .. } | Output::Oci { form, .. } = output {
            check_media_types(
                form.compression,
                docker_format && form.oci_media_types != Some(true),
            )?;
        }
    }
    let unsplit = outputs.iter().any(|output| {
        matches!(
            output,
            Output::Local {
                split: Some(false),
                ..
            } | Output::Tar {
                split: Some(false),
                ..
            }
        )
    });
    if unsplit && platforms.len() > 1 {
        return Err(
            Failure::usage("-o: `platform-split=false` does not go with several platforms")
                .hint("each has a directory of its own, such as linux_amd64"),
        );
    }
    match outputs.iter().filter(|output| output.is_stdout()).count() {
        0 => {}
        1 if std::io::stdout().is_terminal() => {
            return Err(Failure::usage("refusing to write an archive to a terminal")
                .hint("redirect standard output, or give a file as dest="));
        }
        1 => {}
        _ => return Err(Failure::usage("only one output can go to standard output")),
    }
    let stores = outputs
        .iter()
        .any(|output| matches!(output, Output::Image { .. }));
    if (outputs.is_empty() || args.load || args.push) && !stores {
        outputs.push(Output::Image {
            names: Vec::new(),
            push: args.push,
            form: ImageForm::default(),
        });
    } else if args.push {
        for output in &mut outputs {
            if let Output::Image { push, .. } = output {
                *push = true;
            }
        }
    }
    if outputs
        .iter()
        .any(|output| matches!(output, Output::Image { names, push: true, .. } if names.is_empty()))
        && args.tags.is_empty()
    {
        return Err(Failure::usage("pushing needs a name: give one with -t"));
    }
    Ok(outputs)
}

/// The caches that are asked, and those that are told.
fn shared_caches(args: &BuildArgs) -> Result<(Vec<CachePlace>, Vec<CacheTarget>), Failure> {
    let from = args.cache_from.iter().map(|text| shared_cache::from(text));
    let mut from: Vec<CachePlace> = from.collect::<Result<_, _>>()?;
    let to = args
        .cache_to
        .iter()
        .filter_map(|text| shared_cache::to(text).transpose());
    let mut to: Vec<CacheTarget> = to.collect::<Result<_, _>>()?;
    if let Some(repository) = &args.cache_repo {
        let (source, target) = shared_cache::repository(repository)?;
        from.push(source);
        to.push(target);
    }
    Ok((from, to))
}

fn jobs(args: &BuildArgs) -> Result<NonZeroUsize, Failure> {
    match args.jobs {
        Some(jobs) => NonZeroUsize::new(jobs).ok_or_else(|| Failure::usage("--jobs must be at least 1")),
        None => Ok(default_jobs()),
    }
}
